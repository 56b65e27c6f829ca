"""The process of the issuer: its pages and endpoints, and the rotation of its keys. It processes no messages."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import uvloop
from fastapi import FastAPI
from sqlalchemy import Connection

from services.identity.jobs.passwords import Passwords
from services.identity.jobs.signing import Signing
from services.identity.settings import IdentitySettings, read_clients
from services.identity.store.cleaning import delete_ended
from services.identity.web.issuer import Issuer
from services.identity.web.routes import install, routes
from services.runtime import telemetry
from services.runtime.clock import machine_now
from services.runtime.clock_check import ClockCheck
from services.runtime.failures import Failures
from services.runtime.http.app import web_application
from services.runtime.http.connections.server import serving
from services.runtime.http.operating.routes import add_health, operator_application
from services.runtime.jobs.loop import run_periodically
from services.runtime.journal.access import record_writer
from services.runtime.journal.blocks import day_of, signing_key
from services.runtime.stop_signal import stop_signal
from services.runtime.store import access_record
from services.runtime.store.database import clock_of, open_database, transaction

NAME = "identity"

ROTATION_S = 60.0
"""Machine seconds between two looks at the keys, and at what has ended."""

CHAIN_S = 5.0
"""Machine seconds between two runs of the writer that chains the record."""

ADVICE = "see the reason in the log; tokens are signed with the keys that there are"

log = telemetry.logger(__name__)


def issuer_of(settings: IdentitySettings, now: Callable[[], datetime] = machine_now) -> Issuer:
    """The issuer of these settings."""
    database = open_database(settings.database.get_secret_value(), f"onedoor {NAME}", settings.database_connections)
    return Issuer(settings, read_clients(settings.clients), database, Signing(settings.secret_key), Passwords(), now)


def application(issuer: Issuer) -> FastAPI:
    """The public HTTP application of the issuer."""
    app = web_application(NAME, routes(issuer))
    add_health(app, issuer.faults)
    install(app, issuer)
    return app


async def serve(settings: IdentitySettings, stop: asyncio.Event) -> None:
    """Run one replica until ``stop`` is set."""
    issuer, failures = issuer_of(settings), Failures()

    def tidy(connection: Connection) -> bool:
        issuer.signing.rotate(connection, issuer.now())
        delete_ended(connection, issuer.now())
        return False

    async def run_once() -> bool:
        return await issuer.run(tidy)

    key = signing_key(settings.secret_key.get_secret_value())
    chain = record_writer(issuer.database, NAME, key)
    clocks, kept = ClockCheck(), timedelta(days=settings.record_retention_days)

    async def delete_record() -> bool:
        async with transaction(issuer.database) as connection:
            now = await clock_of(connection)
            clocks.check(now)
            return await access_record.delete_day(connection, day_of(now - kept)) > 0

    public = application(issuer)
    operator = operator_application(public, issuer.faults, failures.shown)
    jobs = asyncio.gather(
        run_periodically("keys", run_once, lambda: ROTATION_S, failures, advice=ADVICE),
        run_periodically("chain of the record of access", chain.run_once, lambda: CHAIN_S, failures),
        run_periodically("retention", delete_record, lambda: ROTATION_S, failures),
    )
    stopping = asyncio.ensure_future(stop.wait())
    try:
        async with serving(public, operator, settings) as ended:
            log.info("started", host=settings.host, port=settings.port, operator_port=settings.operator_port)
            ends: set[asyncio.Future[Any]] = {*ended, stopping, jobs}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (stopping, jobs):
            task.cancel()
        await asyncio.gather(stopping, jobs, return_exceptions=True)
        await issuer.database.dispose()
    log.info("stopped")


def run(settings: IdentitySettings) -> None:
    """Run one replica until SIGTERM or SIGINT. Raises `SystemExit` after a failure, which is logged."""
    telemetry.configure(NAME, settings.replica, settings.log_level)

    async def main() -> None:
        await serve(settings, stop_signal())

    with telemetry.failures_logged(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
