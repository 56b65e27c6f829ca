"""The process of the front: its sessions, and what it does by itself. It processes no messages."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import NamedTuple

import uvloop
from fastapi import FastAPI

from contracts.bilingual import Bilingual
from services.front.core.routes import FRONT, Routes
from services.front.jobs.issuer import IssuerClient
from services.front.jobs.sessions import Sessions
from services.front.migrations import FRONT_MIGRATIONS
from services.front.settings import FrontSettings
from services.front.store.secrets import Seal
from services.front.web.answers import Answers
from services.front.web.front import STREAMS_EXAMINED_S, Front
from services.front.web.refusals import Refusals
from services.front.web.routes import BACK, routes
from services.front.web.upstreams import Upstreams
from services.runtime import telemetry
from services.runtime.clock import machine_now
from services.runtime.failures import Failures
from services.runtime.http.app import web_application
from services.runtime.http.connections.server import serving
from services.runtime.http.operating.routes import add_health, operator_application
from services.runtime.http.pages.errors import error_pages
from services.runtime.http.pages.headers import page_headers
from services.runtime.http.pages.rendering import Pages
from services.runtime.jobs.access_recorder import AccessRecorder
from services.runtime.jobs.loop import run_periodically
from services.runtime.jobs.record_keeping import CHAIN_S, RETENTION_S, RecordKeeping
from services.runtime.stop_signal import stop_signal
from services.runtime.store.database import open_database
from services.runtime.store.tables import database_faults

NAME = FRONT

ISSUER = "identity"
"""The name of the issuer that comes with onedoor among those to which requests are sent on."""

TIDIED_S = 30.0
"""Machine seconds between two rounds of ending and deleting sessions."""

ADVICE = Bilingual(
    "see the reason in the log; sessions that have ended are refused all the same",
    "原因见日志；已结束的会话仍会被拒绝",
)

log = telemetry.logger(__name__)


class Applications(NamedTuple):
    """The applications of the front: that for browsers and programs, and that for operators."""

    public: Front
    operator: FastAPI


@asynccontextmanager
async def front_of(
    settings: FrontSettings, failures: Failures, now: Callable[[], datetime] = machine_now, **upstream_limits: float
) -> AsyncIterator[Applications]:
    """The applications of these settings, and what runs by itself beside them."""
    database = open_database(settings.database.get_secret_value(), f"onedoor {NAME}", settings.database_connections)
    issuer = IssuerClient(
        settings.issuer,
        settings.client_id,
        settings.client_secret,
        f"{settings.address}{BACK}",
        now,
        settings.subject_claim,
    )
    sessions = Sessions(database, issuer, Seal(settings.secret_key), settings.limits, now, settings.walls)
    pages = Pages(NAME, "services.front.web")
    answers = Answers(settings.address, pages)
    addresses = {name: backend.addresses for name, backend in settings.services.items()}
    if settings.issuer_addresses:
        addresses[ISSUER] = settings.issuer_addresses
    upstreams = Upstreams(addresses, **upstream_limits)

    async def faults() -> list[Bilingual]:
        return await database_faults(database, FRONT_MIGRATIONS)

    table = Routes(settings.services, ISSUER if settings.issuer_addresses else None)
    recorder = AccessRecorder(database, failures)
    refusals = Refusals(recorder, table, now)
    record = RecordKeeping(database, NAME, settings.secret_key, settings.record_retention_days)
    own = web_application(
        NAME, routes(settings, sessions, issuer, answers, refusals), answer=error_pages(pages, page_headers())
    )
    own.router.routes.extend(pages.router().routes)
    add_health(own, faults)
    front = Front(own, settings.address, table, sessions, upstreams, answers, refusals)
    jobs = [
        asyncio.create_task(run_periodically("chain of the record of access", record.chain, lambda: CHAIN_S, failures)),
        asyncio.create_task(run_periodically("retention", record.delete_ended, lambda: RETENTION_S, failures)),
        asyncio.create_task(run_periodically("sessions", sessions.tidy, lambda: TIDIED_S, failures, advice=ADVICE)),
        asyncio.create_task(
            run_periodically("streams", front.close_streams, lambda: STREAMS_EXAMINED_S, failures, advice=ADVICE)
        ),
    ]
    try:
        yield Applications(front, operator_application(own, faults, failures.shown))
    finally:
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)
        await upstreams.close()
        await sessions.close()
        await recorder.drain()
        await database.dispose()


async def serve(settings: FrontSettings, stop: asyncio.Event) -> None:
    """Run one replica until ``stop`` is set."""
    stopping = asyncio.ensure_future(stop.wait())
    async with (
        front_of(settings, Failures()) as front,
        serving(front.public, front.operator, settings) as ended,
    ):
        log.info("started", host=settings.host, port=settings.port, operator_port=settings.operator_port)
        await asyncio.wait({*ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
    log.info("stopped")


def run(settings: FrontSettings) -> None:
    """Run one replica until SIGTERM or SIGINT. Raises `SystemExit` after a failure, which is logged."""
    telemetry.configure(NAME, settings.replica, settings.log_level)

    async def main() -> None:
        await serve(settings, stop_signal())

    with telemetry.failures_logged(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
