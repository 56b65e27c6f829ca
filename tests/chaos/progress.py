"""How far the cases are at each service, looked up in its database every second."""

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import asyncpg

from deploy.local.processes import until
from services.registry import CORE_SERVICES, default_systems

SERVICES = (*CORE_SERVICES, *default_systems())
LOOK_S = 0.5
_AWAY = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
_CLOSED = "SELECT case_id FROM cases WHERE case_id = ANY($1) AND closed_at IS NOT NULL"


@dataclass
class Gauge:
    """Follows every accepted case until each service has closed it.

    A case is whole when intake has closed it: routing has decided and monitor holds its deadlines.
    """

    url: Callable[[str], str]
    accepted: Sequence[tuple[float, str]]
    """Grows while cases come in."""
    left: dict[str, dict[str, float]] = field(default_factory=lambda: {name: {} for name in SERVICES})
    """Cases not yet closed at a service, with the time of their receipt."""
    unpublished: dict[str, int] = field(default_factory=dict)
    """How many batches of a service wait to be published, or to be known to be."""
    closed: dict[str, list[tuple[float, int]]] = field(default_factory=lambda: {name: [] for name in SERVICES})
    """At which look how many more were closed."""
    _connections: dict[str, "asyncpg.Connection[asyncpg.Record]"] = field(default_factory=dict)
    _known: int = 0
    _looks: int = 0

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            began = time.monotonic()
            await self._look_at_all()
            self._looks += 1
            await asyncio.sleep(max(0.05, LOOK_S - (time.monotonic() - began)))

    async def looked(self) -> None:
        """Wait until all that has been accepted by now has been looked for once."""
        looks = self._looks

        async def again() -> bool:
            return self._looks > looks + 1

        await until(again, math.inf)

    async def _look_at_all(self) -> None:
        for at, number in self.accepted[self._known :]:
            for left in self.left.values():
                left[number] = at
            self._known += 1
        await asyncio.gather(*(self._look(name) for name in SERVICES))

    def rate(self, service: str, since: float, until: float) -> float:
        """Cases a second that a service closed between two machine times."""
        return sum(count for at, count in self.closed[service] if since < at <= until) / max(until - since, 0.001)

    @property
    def unfinished(self) -> int:
        """Cases that some service has not closed."""
        return len(set().union(*self.left.values()))

    @property
    def at_rest(self) -> bool:
        """Whether every case is closed everywhere, and nothing that was said waits to be published."""
        return not self.unfinished and not any(self.unpublished.values())

    async def _look(self, service: str) -> None:
        left = self.left[service]
        try:
            async with asyncio.timeout(10):
                connection = await self._connected(service)
                rows = await connection.fetch(_CLOSED, list(left)) if left else []
                self.unpublished[service] = await connection.fetchval("SELECT count(*) FROM unpublished")
        except _AWAY:
            await self._forget(service)
            return
        for row in rows:
            del left[row["case_id"]]
        self.closed[service].append((time.monotonic(), len(rows)))

    async def _connected(self, service: str) -> "asyncpg.Connection[asyncpg.Record]":
        if service not in self._connections:
            self._connections[service] = await asyncpg.connect(self.url(f"onedoor_{service}"), timeout=5)
        return self._connections[service]

    async def _forget(self, service: str) -> None:
        connection = self._connections.pop(service, None)
        if connection is not None:
            with suppress(*_AWAY):
                connection.terminate()
