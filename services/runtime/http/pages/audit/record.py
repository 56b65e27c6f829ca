"""The page of a service's record of access: who asked for what, by which right, and how it ended.

Each reading of it is on record as well.
"""

from collections.abc import Sequence
from typing import Annotated, Protocol

from fastapi import APIRouter, Query, Request
from pydantic import SecretStr, ValidationError
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.responses import Response

from contracts.rights.table import Act
from services.runtime.clock import machine_now
from services.runtime.http.pages.audit.exporting import ExportQuery, export_response, verifier_response
from services.runtime.http.pages.audit.record_view import LABELS, PAGE_ROWS, RecordPageQuery, RecordView
from services.runtime.http.pages.preferences import preferences_of
from services.runtime.http.pages.reader import Host, Reader, reader_may
from services.runtime.http.pages.rendering import Pages
from services.runtime.journal.blocks import signing_key
from services.runtime.journal.checking import check_day
from services.runtime.journal.reader import ACCESS
from services.runtime.security.access_record import count_rows, note_query
from services.runtime.store import access_record


class RecordHost(Host, Protocol):
    """A process that keeps a record of access."""

    @property
    def database(self) -> AsyncEngine:
        """Where the record is."""


def add(
    router: APIRouter, pages: Pages, host: RecordHost, service: str, secret_key: SecretStr, systems: Sequence[str]
) -> None:
    """Add the pages. ``systems``: those whose services keep a record as well."""
    path = f"/record/{service}"
    key = signing_key(secret_key.get_secret_value()).public_key().public_bytes_raw().hex()
    readers = reader_may(host, Act.READ_RECORD)

    @router.get(path)
    async def record(request: Request, reader: Annotated[Reader, readers]) -> Response:
        """The entries that fit, and the check of a day of their chain."""
        language = preferences_of(request).language
        typed, texts = dict(request.query_params), pages.texts(language)
        try:
            wanted = RecordPageQuery.model_validate(typed)
        except ValidationError as error:
            return pages.wrong_query(request, error, typed, LABELS)
        note_query(wanted)
        fitting = wanted.filter
        async with host.database.connect() as connection:
            rows = await access_record.newest(connection, fitting._replace(before=wanted.after), PAGE_ROWS + 1)
            counts = await access_record.counts(connection, fitting)
            reached = await ACCESS.tables.reached(connection)
            last_root = next(iter(await ACCESS.tables.last_roots(connection, service)), None)
        count_rows(min(len(rows), PAGE_ROWS))
        checked = None
        if wanted.verify is not None:
            checked = await check_day(host.database, ACCESS, service, wanted.verify, key)
        view = RecordView(
            service,
            systems,
            wanted,
            typed,
            rows[:PAGE_ROWS],
            len(rows) > PAGE_ROWS,
            counts,
            reached.created_at,
            last_root,
            checked,
            machine_now(),
            language,
            texts,
        )
        may_read_time = Act.READ_TIME in reader.acts
        return pages.render(request, "shared/audit/record.html", record=view, may_read_time=may_read_time)

    @router.get(f"{path}/export")
    async def export(wanted: Annotated[ExportQuery, Query()], _: Annotated[Reader, readers]) -> Response:
        """The signed chain of some days, for the verifier that needs nothing of onedoor."""
        return await export_response(host.database, ACCESS, service, f"record-{service}", wanted)

    @router.get(f"{path}/verifier")
    async def verifier(_: Annotated[Reader, readers]) -> Response:
        """The program that checks a download."""
        return verifier_response()
