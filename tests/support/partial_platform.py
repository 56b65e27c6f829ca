"""The engines and a few services alone, for tests and measurements that need no whole platform."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import asyncpg

from deploy.local.engines import Engines
from deploy.local.preload import preload
from deploy.local.supervisor import Supervised, Supervisor
from deploy.local.wiring import Options, Wiring
from services.registry import default_systems

SYSTEMS = default_systems()
READY_S = 90.0


Connection = asyncpg.Connection


class PartialPlatform:
    """The engines, and some services on them. ``async with Stage(folder) as stage``."""

    def __init__(self, place: Path, options: Options | None = None, *, throwaway: bool = True) -> None:
        self.options = options or Options(sandboxes=False)
        self.engines = Engines(place)
        for engine in self.engines.all:
            engine.throwaway = throwaway
        self._place = place
        self._supervisor = Supervisor(place / "logs", preload(SYSTEMS), print)
        self._wiring: Wiring | None = None

    @property
    def wiring(self) -> Wiring:
        if self._wiring is None:
            raise RuntimeError("the platform has not been entered")
        return self._wiring

    async def database(self, service: str) -> None:
        """Create the database of a service, with its tables."""
        await self.engines.postgres.create_database(f"onedoor_{service}")
        for task in self.wiring.migrations():
            if task.name == f"migrate-{service}":
                await self._supervisor.run(task)

    async def connect(self, service: str) -> "asyncpg.Connection[asyncpg.Record]":
        """A connection to a service's database. The caller closes it."""
        return await self.engines.postgres.connect(f"onedoor_{service}")

    async def serve(self, service: str, *, ready: bool = True) -> list[Supervised]:
        """Start the service's replicas, and wait until they are ready."""
        own = [one for one in self.wiring.services() if one.arguments == ("serve", service)]
        started = [self._supervisor.keep(specification) for specification in own]
        if ready:
            await self._supervisor.all_ready(READY_S)
        return started

    async def restart(self, process: Supervised) -> Supervised:
        """Start a killed process at once: its keeper would wait longer each time."""
        await self._supervisor.drop(process.specification.name)
        return self._supervisor.keep(process.specification)

    async def stop(self, processes: Sequence[Supervised]) -> None:
        """Stop these processes gracefully."""
        for process in processes:
            if process.keeper is not None:
                process.keeper.cancel()
        await asyncio.gather(*(one.forked.stop(10) for one in processes if one.forked is not None))
        for process in processes:
            del self._supervisor.processes[process.specification.name]

    async def __aenter__(self) -> Self:
        try:
            self._supervisor.start()
            await self.engines.start()
        except BaseException:
            await self._leave()
            raise
        self._wiring = Wiring(self._place, self.engines.kafka, self.engines.database_url, self.options)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._leave()

    async def _leave(self) -> None:
        await self._supervisor.stop()
        await self.engines.stop()
