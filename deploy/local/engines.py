"""Apache Kafka and PostgreSQL on this machine, as child processes, with durable data in one folder."""

import asyncio
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.local.engine import Engine
from deploy.local.kafka import Kafka
from deploy.local.postgres import Postgres
from deploy.local.processes import FolderLock, Notify


def _silent(_: str) -> None:
    pass


class Engines:
    """Both engines in one folder. ``async with Engines(folder) as engines`` starts and stops them.

    Each may also be killed and started again by itself: ``engines.broker``, ``engines.postgres``.
    Raises FolderInUse if another process runs engines in the folder, EngineFailed if one does not start.
    """

    def __init__(self, folder: Path, notify: Notify = _silent) -> None:
        self.folder = folder.resolve()
        self.broker = Kafka(self.folder / "kafka", notify)
        self.postgres = Postgres(self.folder / "postgres", notify)
        self._lock: FolderLock | None = None

    @property
    def kafka(self) -> str:
        """The broker's ``host:port``."""
        return self.broker.address

    def database_url(self, name: str) -> str:
        """The address of a database for SQLAlchemy, password included: not for logs."""
        return self.postgres.url(name)

    @property
    def all(self) -> tuple[Engine, ...]:
        """The engines, in the order in which they are stopped."""
        return self.broker, self.postgres

    async def start(self) -> None:
        """Start both at the same time and return when both answer."""
        self._lock = FolderLock(self.folder)
        try:
            async with asyncio.TaskGroup() as tasks:
                for engine in self.all:
                    tasks.create_task(engine.start())
        except BaseExceptionGroup as failures:
            await self.stop()
            raise failures.exceptions[0] from None  # the first has cancelled the other start
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop both in good order: Kafka, then PostgreSQL."""
        for engine in self.all:
            await engine.stop()
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
