"""The monthly bulletin over HTTP, for staff: as JSON, as files, and as a document for print."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import Field
from pydantic_core import to_json

from contracts.bilingual import Language
from contracts.rights.table import Act
from services.monitor.core.board.ranks import Pool
from services.monitor.core.state import MonitoredCase
from services.monitor.store.lists.query_limits import LimitedQueries
from services.monitor.web.board.board import BoardResponse
from services.monitor.web.board.bulletin import HEADS, BulletinFilter, BulletinView, as_data, batches, load_bulletin
from services.monitor.web.lists.list_page import problems
from services.monitor.web.pages.bulletin.document import Documents
from services.monitor.web.routers import monitor_router
from services.runtime.http.bodies import pdf
from services.runtime.http.bodies.files import AS_FILE, Form, file_response
from services.runtime.security.access import Permit
from services.runtime.service import ServiceHost


class BulletinForm(StrEnum):
    """The form of a bulletin."""

    JSON = "json"
    CSV = "csv"
    XLSX = "xlsx"
    PDF = "pdf"


class BulletinQuery(BulletinFilter):
    """A bulletin, and its form."""

    form: BulletinForm = BulletinForm.JSON
    language: Language = Field("zh", description="The language of the document for print.")


def routes(
    host: ServiceHost[MonitoredCase], queries: LimitedQueries, pools: Mapping[str, Pool], documents: Documents
) -> APIRouter:
    """The endpoint. ``pools``: those of regions whose code does not tell."""
    router = monitor_router("board")
    answers: dict[int | str, dict[str, Any]] = {200: {"content": {**AS_FILE[200]["content"], pdf.MEDIA_TYPE: {}}}}

    @router.get("/bulletin", responses=answers, response_model=BulletinView)
    async def monthly_bulletin(
        wanted: Annotated[BulletinQuery, Query()], permit: Annotated[Permit, host.access.may(Act.READ_BOARD)]
    ) -> Response:
        """The bulletin of a month: all work together, regions ranked among their peers, the worst five departments and
        the most improved."""
        now = host.clock.now()
        async with problems(), queries.query() as connection:
            found = await load_bulletin(connection, wanted, now, pools, permit.scope)
        match wanted.form:
            case BulletinForm.JSON:
                return BoardResponse(to_json(as_data(found, now)))
            case BulletinForm.PDF:
                return await documents.response(found, wanted.language)
            case _:
                name = f"bulletin-{found.board.period}"
                return await file_response(Form(wanted.form.value), name, HEADS, batches(found.bulletin))

    return router
