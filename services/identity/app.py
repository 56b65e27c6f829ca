"""The process of the issuer: its pages and endpoints, the rotation of its keys, and the directory that it follows.

It processes no messages.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, NamedTuple

import uvloop
from fastapi import FastAPI
from joserfc.jwk import KeySet
from sqlalchemy import Connection
from starlette.types import ASGIApp

from contracts.bilingual import Bilingual
from services.identity.jobs.directory import Directory
from services.identity.jobs.passwords import Passwords
from services.identity.jobs.signing import Signing
from services.identity.settings import IdentitySettings, read_clients
from services.identity.store.cleaning import delete_ended
from services.identity.web import routes
from services.identity.web.issuer import Issuer
from services.identity.web.oauth.names import AUDIENCE
from services.runtime import telemetry
from services.runtime.clock import machine_now
from services.runtime.failures import Failures
from services.runtime.http.connections.server import serving
from services.runtime.http.operating.routes import operator_application
from services.runtime.jobs.access_recorder import AccessRecorder
from services.runtime.jobs.loop import run_periodically
from services.runtime.jobs.record_keeping import CHAIN_S, RETENTION_S, RecordKeeping
from services.runtime.security.access_tokens import TokenVerifier, keys_of
from services.runtime.stop_signal import stop_signal
from services.runtime.store.database import DATABASE_ERRORS, open_database, transaction

NAME = "identity"

ROTATION_S = 60.0
"""Machine seconds between two looks at the keys, at what has ended, and at posts that end by their date."""

ADVICE = Bilingual(
    "see the reason in the log; tokens are signed with the keys that there are",
    "原因见日志；令牌由现有密钥签发",
)

log = telemetry.logger(__name__)


class Applications(NamedTuple):
    """The applications of the issuer: that for people and programs, and that for operators."""

    public: ASGIApp
    operator: FastAPI


@asynccontextmanager
async def issuer_of(
    settings: IdentitySettings,
    failures: Failures,
    now: Callable[[], datetime] = machine_now,
    passwords: Passwords | None = None,
) -> AsyncIterator[Issuer]:
    """The issuer of these settings, which follows the directory meanwhile if it is given Kafka."""
    database = open_database(settings.database.get_secret_value(), f"onedoor {NAME}", settings.database_connections)
    signing, recorder = Signing(settings.secret_key), AccessRecorder(database, failures)

    async def keys() -> KeySet:
        """The issuer's own keys, without a request to itself."""
        try:
            async with transaction(database) as connection:
                return keys_of((await connection.run_sync(signing.published))["keys"])
        except DATABASE_ERRORS as error:
            raise ValueError("the database does not answer") from error

    verifier = TokenVerifier(settings.issuer, AUDIENCE, now, keys=keys)
    directory = Directory(settings, database, failures, verifier, recorder, now)
    issuer = Issuer(
        settings, read_clients(settings.clients), database, signing, passwords or Passwords(), now, directory.access
    )
    jobs = (
        asyncio.create_task(directory.run()),
        asyncio.create_task(run_periodically("accounts", directory.run_once, lambda: ROTATION_S, failures)),
    )
    try:
        yield issuer
    finally:
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)
        await verifier.close()
        await recorder.drain()
        await database.dispose()


async def serve(settings: IdentitySettings, stop: asyncio.Event) -> None:
    """Run one replica until ``stop`` is set."""
    failures = Failures()
    async with issuer_of(settings, failures) as issuer:
        await _serve(issuer, failures, stop)
    log.info("stopped")


async def _serve(issuer: Issuer, failures: Failures, stop: asyncio.Event) -> None:
    settings = issuer.settings

    def tidy(connection: Connection) -> bool:
        issuer.signing.rotate(connection, issuer.now())
        delete_ended(connection, issuer.now())
        return False

    async def run_once() -> bool:
        return await issuer.run(tidy)

    record = RecordKeeping(issuer.database, NAME, settings.secret_key, settings.record_retention_days)
    if not settings.kafka:
        log.warning(
            "the directory is not followed: ONEDOOR_KAFKA is not set. Accounts are made by commands alone, those of "
            "people who leave have to be disabled by hand, and there are no pages of people"
        )
    applications = routes.applications(issuer)
    operator = operator_application(applications.described, issuer.faults, failures.shown)
    jobs = asyncio.gather(
        run_periodically("keys", run_once, lambda: ROTATION_S, failures, advice=ADVICE),
        run_periodically("chain of the record of access", record.chain, lambda: CHAIN_S, failures),
        run_periodically("retention", record.delete_ended, lambda: RETENTION_S, failures),
    )
    stopping = asyncio.ensure_future(stop.wait())
    try:
        async with serving(applications.public, operator, settings) as ended:
            log.info("started", host=settings.host, port=settings.port, operator_port=settings.operator_port)
            ends: set[asyncio.Future[Any]] = {*ended, stopping, jobs}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (stopping, jobs):
            task.cancel()
        await asyncio.gather(stopping, jobs, return_exceptions=True)


def run(settings: IdentitySettings) -> None:
    """Run one replica until SIGTERM or SIGINT. Raises `SystemExit` after a failure, which is logged."""
    telemetry.configure(NAME, settings.replica, settings.log_level)

    async def main() -> None:
        await serve(settings, stop_signal())

    with telemetry.failures_logged(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
