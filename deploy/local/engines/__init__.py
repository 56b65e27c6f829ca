"""Apache Kafka and PostgreSQL on this machine, as child processes, with durable data in one folder."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.local.engines.engine import Engine
from deploy.local.engines.kafka import Kafka
from deploy.local.engines.postgres import Postgres
from deploy.local.processes.child import Notify, run_together
from deploy.local.site import FolderLock


class Engines:
    """Both engines in one folder. ``async with Engines(folder) as engines`` starts and stops them.

    ``brokers`` is the number of Kafka's nodes, 1 or 3. ``throwaway``: whether the folder is deleted afterwards, so that
    the engines may stop without an orderly shutdown. Each engine may also be killed and started again by itself:
    ``engines.brokers``, ``engines.postgres``. Raises FolderInUse if another process runs engines in the folder,
    WrongBrokerCount if the folder keeps the log of another number of nodes, EngineFailed if one does not start.
    """

    def __init__(
        self, folder: Path, notify: Notify = lambda _: None, brokers: int = 1, *, throwaway: bool = False
    ) -> None:
        self.folder = folder.resolve()
        self.brokers = Kafka.cluster(self.folder, notify, brokers)
        self.postgres = Postgres(self.folder / "postgres", notify)
        for engine in self.all:
            engine.throwaway = throwaway
        self._lock: FolderLock | None = None

    @property
    def kafka(self) -> str:
        """The addresses of the brokers: ``host:port``, comma separated."""
        return ",".join(broker.address for broker in self.brokers)

    def database_url(self, name: str) -> str:
        """The address of a database for SQLAlchemy, password included: not for logs."""
        return self.postgres.url(name)

    @property
    def all(self) -> tuple[Engine, ...]:
        """All engines, in the order in which they are stopped."""
        return *self.brokers, self.postgres

    async def start(self) -> None:
        """Start all at the same time and return when all are ready."""
        self._lock = FolderLock(self.folder)
        try:
            await run_together(engine.start() for engine in self.all)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop all with a clean shutdown: Kafka, then PostgreSQL. What fails is raised at the end."""
        async with AsyncExitStack() as stack:  # in reverse order, and each also after one that has failed
            stack.callback(self._unlock)
            stack.push_async_callback(self.postgres.stop)
            # Together: a node hands over to its peers before it stops, and the last ones find no majority for it.
            stopped = await asyncio.gather(*(broker.stop() for broker in self.brokers), return_exceptions=True)
            for failure in stopped:
                if failure is not None:
                    raise failure

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
