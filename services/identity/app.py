"""The process of the issuer: its pages and endpoints, and the rotation of its keys. It processes no messages."""

import asyncio
from collections.abc import Callable
from datetime import datetime

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
from services.runtime.failures import Failures
from services.runtime.http.app import web_application
from services.runtime.http.operating import add_health, operator_application
from services.runtime.http.server import serving
from services.runtime.jobs.loop import run_periodically
from services.runtime.stop_signal import stop_signal
from services.runtime.store.database import open_database

NAME = "identity"

ROTATION_S = 60.0
"""Machine seconds between two looks at the keys, and at what has ended."""

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

    public = application(issuer)
    operator = operator_application(public, issuer.faults, failures.shown)
    jobs = asyncio.create_task(run_periodically("keys", run_once, lambda: ROTATION_S, failures, advice=ADVICE))
    stopping = asyncio.ensure_future(stop.wait())
    try:
        async with serving(public, operator, settings) as ended:
            log.info("started", host=settings.host, port=settings.port, operator_port=settings.operator_port)
            await asyncio.wait({*ended, stopping, jobs}, return_when=asyncio.FIRST_COMPLETED)
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
