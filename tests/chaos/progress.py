"""The progress of all accepted cases at each service, read from the services' databases twice a second."""

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import asyncpg

from deploy.local.processes.child import until
from services.registry import CORE_SERVICES, default_systems

SERVICES = (*CORE_SERVICES, *default_systems())
POLL_S = 0.5
_CONNECTION_ERRORS = (
    *(OSError, TimeoutError),
    *(asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError),
)
_CLOSED = "SELECT case_id FROM cases WHERE case_id = ANY($1) AND closed_at IS NOT NULL"


@dataclass
class Progress:
    """Follows every accepted case until each service has closed it.

    Intake closes a case when routing has decided it and monitor holds its deadlines: then the case is whole.
    """

    url: Callable[[str], str]
    accepted: Sequence[tuple[float, str]]
    """Machine time and number of each accepted case. Grows while cases come in."""
    open_cases: dict[str, dict[str, float]] = field(default_factory=lambda: {name: {} for name in SERVICES})
    """Cases that a service has not closed yet, with the time of their acceptance."""
    unpublished: dict[str, int] = field(default_factory=dict)
    """Batches of each service that Kafka has not acknowledged yet, as far as the service knows."""
    closed: dict[str, list[tuple[float, int]]] = field(default_factory=lambda: {name: [] for name in SERVICES})
    """Time of each poll, and the cases closed since the poll before."""
    _connections: dict[str, "asyncpg.Connection[asyncpg.Record]"] = field(default_factory=dict)
    _followed: int = 0
    _polls: int = 0

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            began = time.monotonic()
            await self._poll_all()
            self._polls += 1
            await asyncio.sleep(max(0.05, POLL_S - (time.monotonic() - began)))

    async def all_polled(self) -> None:
        """Wait until every case accepted before this call has been polled once."""
        polls = self._polls

        async def polled_again() -> bool:
            return self._polls > polls + 1

        await until(polled_again, math.inf)

    def rate(self, service: str, since: float, until: float) -> float:
        """Cases a second that a service closed between two machine times."""
        return sum(count for at, count in self.closed[service] if since < at <= until) / max(until - since, 0.001)

    @property
    def open_count(self) -> int:
        """Cases that some service has not closed."""
        return len(set().union(*self.open_cases.values()))

    @property
    def idle(self) -> bool:
        """Whether every service has closed every case and published every message."""
        return not self.open_count and not any(self.unpublished.values())

    async def _poll_all(self) -> None:
        for at, number in self.accepted[self._followed :]:
            for open_cases in self.open_cases.values():
                open_cases[number] = at
            self._followed += 1
        await asyncio.gather(*(self._poll(name) for name in SERVICES))

    async def _poll(self, service: str) -> None:
        open_cases = self.open_cases[service]
        try:
            async with asyncio.timeout(10):
                connection = await self._connect(service)
                rows = await connection.fetch(_CLOSED, list(open_cases)) if open_cases else []
                self.unpublished[service] = await connection.fetchval("SELECT count(*) FROM unpublished")
        except _CONNECTION_ERRORS:
            await self._disconnect(service)
            return
        for row in rows:
            del open_cases[row["case_id"]]
        self.closed[service].append((time.monotonic(), len(rows)))

    async def _connect(self, service: str) -> "asyncpg.Connection[asyncpg.Record]":
        if service not in self._connections:
            self._connections[service] = await asyncpg.connect(self.url(f"onedoor_{service}"), timeout=5)
        return self._connections[service]

    async def _disconnect(self, service: str) -> None:
        connection = self._connections.pop(service, None)
        if connection is not None:
            with suppress(*_CONNECTION_ERRORS):
                connection.terminate()
