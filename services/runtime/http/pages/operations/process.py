"""The page of one service: the process that answers, live from itself, and what its database has."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import RedirectResponse, Response

from contracts.rights.table import Act
from services.runtime import telemetry
from services.runtime.clock import machine_now
from services.runtime.http.operating.judgement import condition_of, troubles_of
from services.runtime.http.pages.forms import typed_form
from services.runtime.http.pages.languages import N_
from services.runtime.http.pages.operations.shown import Shown
from services.runtime.http.pages.preferences import preferences_of
from services.runtime.http.pages.reader import Reader, reader_may
from services.runtime.http.pages.rendering import Pages
from services.runtime.service import Service, ServiceHost
from services.runtime.store import own_state, rollouts
from services.runtime.store.database import DATABASE_ERRORS
from services.runtime.store.rollouts import Progress

VERSIONS = 5
"""The newest versions of which the page shows the roll-out."""

QUERY_S = 3.0
"""Machine seconds for the queries of the page. Without them it shows what the process knows by itself."""

ANOTHER = N_("Another process of the service has answered, and this topic is not paused there. Send it again.")

log = telemetry.logger(__name__)

_Progress = tuple[list[Progress], Row[Any] | None]


def add(router: APIRouter, pages: Pages, host: ServiceHost[Any], service: Service[Any]) -> None:
    """Add the page and its form."""
    path = f"/ops/{service.name}"

    @router.get(path)
    async def process(request: Request, reader: Annotated[Reader, reader_may(host, Act.READ_STATE)]) -> Response:
        """The process that answers, as of now."""
        return await show(request, reader, {})

    @router.post(path + "/resume")
    async def resume_topic(request: Request, reader: Annotated[Reader, reader_may(host, Act.RESUME_TOPIC)]) -> Response:
        """Read a paused topic on. Each process pauses and resumes topics by itself."""
        topic = (await typed_form(request)).get("topic", [""])[0]
        if not await host.consumer.resume(topic):
            texts = pages.texts(preferences_of(request).language)
            return await show(request, reader, {"": texts.gettext(ANOTHER)}, 409)
        return RedirectResponse(f"{path}?resumed={quote(topic)}", 303)

    async def show(request: Request, reader: Reader, faults: Mapping[str, str], status: int = 200) -> Response:
        language = preferences_of(request).language
        report = await host.report()
        versions, block = await _progress()
        shown = Shown(language, pages.texts(language), machine_now())
        resumed = request.query_params.get("resumed")
        return pages.render(
            request,
            "shared/operations/process.html",
            status,
            service=service.name,
            report=report,
            condition=condition_of(report),
            troubles=troubles_of(report, shown.now),
            topics=host.consumer.topics,
            versions=versions,
            block=block,
            shown=shown,
            resumed=resumed if resumed in host.consumer.topics and resumed not in host.consumer.paused else None,
            may_resume=Act.RESUME_TOPIC in reader.acts,
            problems=faults,
            printed=shown.moment(shown.now),
        )

    async def _progress() -> _Progress:
        try:
            async with asyncio.timeout(QUERY_S), host.database.connect() as connection:
                return await _read(connection)
        except (*DATABASE_ERRORS, TimeoutError) as error:
            log.warning("the page of operators is shown without its database", error=error)
            return [], None

    async def _read(connection: AsyncConnection) -> _Progress:
        rules = service.rules
        versions = await rollouts.history(connection, rules.kind, VERSIONS) if rules is not None else []
        block = await own_state.last_block(connection) if service.decisions else None
        return versions, block
