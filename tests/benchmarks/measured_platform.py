"""The whole platform as it is measured, and the wait for its cases."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Self

import asyncpg

from deploy.local.engines.postgres import Postgres
from deploy.local.platform import Platform
from deploy.local.wiring import Options
from services.registry import default_systems
from tests.support.cases.simulated_case import CATALOGUE
from tests.support.waiting import eventually

SYSTEMS = default_systems()

COUNT_CLOSED = "SELECT count(*) FROM cases WHERE closed_at > $1"
POLL_S = 0.25

Environment = Mapping[str, str]


def options() -> Options:
    """Options of the measured platform: its catalogue, and departments that decide at once."""
    extra: dict[str, Environment] = {"intake": {"ONEDOOR_CATALOGUE": str(CATALOGUE)}}
    at_once = {f"sandbox-{system}": {"ONEDOOR_SANDBOX_AT_ONCE": "true"} for system in SYSTEMS}
    return Options(limited=False, extra=extra | at_once)


def intake_port(platform: Platform) -> int:
    """The port of intake."""
    return int(platform.address("intake").rsplit(":", 1)[1])


@contextmanager
def folder(name: str) -> Iterator[Path]:
    """A folder for one measurement, deleted at its end."""
    with tempfile.TemporaryDirectory(prefix=f"onedoor-bench-{name}-") as path:
        yield Path(path)


async def configure_server(place: Path, settings: Mapping[str, str]) -> None:
    """Create the database server in this folder, with these settings from its next start on."""
    server = Postgres(place / "postgres", lambda _: None)
    await server.start()
    try:
        connection = await server.connect()
        try:
            for name, value in settings.items():
                await connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        finally:
            await connection.close()
    finally:
        await server.stop()


class ClosedCases:
    """Waits for cases to be closed, and counts its own polls, each of which is a transaction.

    Only cases closed since it was entered count. An index finds them, however many others there are.
    """

    DATABASES = ("onedoor_intake", "onedoor_monitor")

    def __init__(self, server: Postgres) -> None:
        self._server = server
        self._connections: list[asyncpg.Connection[asyncpg.Record]] = []
        self._since: datetime | None = None
        self.polls = 0

    async def __aenter__(self) -> Self:
        self._connections = [await self._server.connect(name) for name in self.DATABASES]
        self._since = await self._connections[0].fetchval("SELECT clock_timestamp()")
        return self

    async def __aexit__(self, *_: object) -> None:
        for connection in self._connections:
            await connection.close()

    async def wait(self, count: int, seconds: float = 300) -> None:
        """Wait until so many cases are closed at intake, with the answer of monitor, and at monitor."""
        for connection in self._connections:

            async def enough(connection: "asyncpg.Connection[asyncpg.Record]" = connection) -> bool:
                self.polls += 1
                closed = await connection.fetchval(COUNT_CLOSED, self._since)
                return bool(closed >= count)

            await eventually(enough, seconds, f"{count} cases are closed", POLL_S)
