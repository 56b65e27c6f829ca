"""The engines and a few services, for tests and measurements that do not need the whole platform."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import asyncpg

from deploy.local.engines import Engines
from deploy.local.processes.supervisor import Supervised, Supervisor
from deploy.local.wiring import Options, Wiring, preload
from services.registry import default_systems

SYSTEMS = default_systems()
READY_S = 90.0

Connection = asyncpg.Connection


class PartialPlatform:
    """The engines, and some services on them. ``async with PartialPlatform(folder) as platform``."""

    def __init__(self, folder: Path, options: Options | None = None, *, throwaway: bool = True) -> None:
        self.options = options or Options(sandboxes=False)
        self.engines = Engines(folder, throwaway=throwaway)
        self._folder = folder
        self._supervisor = Supervisor(folder / "logs", preload(SYSTEMS), print)
        self._wiring: Wiring | None = None

    @property
    def wiring(self) -> Wiring:
        if self._wiring is None:
            raise RuntimeError("the platform has not been entered")
        return self._wiring

    async def database(self, service: str) -> None:
        """Create the database of a service, with its tables."""
        await self.engines.postgres.create_database(f"onedoor_{service}")
        await self._supervisor.run(self.wiring.migration(service))

    async def connect(self, service: str) -> "asyncpg.Connection[asyncpg.Record]":
        """A connection to a service's database. The caller closes it."""
        return await self.engines.postgres.connect(f"onedoor_{service}")

    async def serve(self, service: str) -> list[Supervised]:
        """Start the service's replicas, and wait until they are ready."""
        started = [self._supervisor.keep(replica) for replica in self.wiring.replicas(service)]
        await self._supervisor.all_ready(READY_S)
        return started

    async def restart(self, process: Supervised) -> Supervised:
        """Start a killed process at once: the supervisor would pause longer each time."""
        await self._supervisor.drop(process.specification.name)
        return self._supervisor.keep(process.specification)

    async def stop(self, processes: Sequence[Supervised]) -> None:
        """Stop these processes gracefully."""
        await self._supervisor.drop(*(process.specification.name for process in processes))

    async def __aenter__(self) -> Self:
        try:
            self._supervisor.start()
            await self.engines.start()
        except BaseException:
            await self._leave()
            raise
        self._wiring = Wiring(self._folder, self.engines.kafka, self.engines.database_url, self.options)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._leave()

    async def _leave(self) -> None:
        await self._supervisor.stop()
        await self.engines.stop()
