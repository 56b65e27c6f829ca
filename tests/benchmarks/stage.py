"""What the measurements stand on: the whole platform as it is measured, or the engines and a few services alone."""

import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import asyncpg
import psutil

from deploy.local.engines import Engines
from deploy.local.platform import Platform
from deploy.local.postgres import Postgres
from deploy.local.preload import preload
from deploy.local.supervisor import Supervised, Supervisor
from deploy.local.wiring import Options, Wiring
from services.registry import default_systems

SYSTEMS = default_systems()

CATALOGUE = Path(__file__).parent / "catalogue.yaml"
MEGABYTE = 1024 * 1024
LOOK = "SELECT count(*) FROM cases WHERE closed_at > $1"
LOOK_S = 0.25
READY_S = 90.0

Environment = Mapping[str, str]
Connection = asyncpg.Connection


def options() -> Options:
    """The platform as it is measured: the benchmark's catalogue, and departments that decide at once."""
    extra: dict[str, Environment] = {"intake": {"ONEDOOR_CATALOGUE": str(CATALOGUE)}}
    return Options(extra=extra | {f"sandbox-{system}": {"ONEDOOR_SANDBOX_AT_ONCE": "true"} for system in SYSTEMS})


def intake_port(platform: Platform) -> int:
    """Where applications go."""
    return int(platform.address("intake").rsplit(":", 1)[1])


@contextmanager
def folder(name: str) -> Iterator[Path]:
    """A folder for one measurement, deleted at its end."""
    with tempfile.TemporaryDirectory(prefix=f"onedoor-bench-{name}-") as path:
        yield Path(path)


async def set_server(place: Path, settings: Mapping[str, str]) -> None:
    """Make the database server in this folder, with these settings from its next start on."""
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


async def until(what: str, condition: Callable[[], Awaitable[bool]], seconds: float, look_s: float = LOOK_S) -> None:
    """Look again and again until it is so. Raises `TimeoutError` that says what was waited for."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not await condition():
        if loop.time() > deadline:
            raise TimeoutError(f"after {seconds:.0f} s still not: {what}")
        await asyncio.sleep(look_s)


class Closed:
    """Waits for cases to be closed, and counts how often it has looked: each look is a transaction of ours.

    Only cases closed since this was entered count. They are found by the index, however many others there are.
    """

    DATABASES = ("onedoor_intake", "onedoor_monitor")

    def __init__(self, server: Postgres) -> None:
        self._server = server
        self._connections: list[asyncpg.Connection[asyncpg.Record]] = []
        self._since: datetime | None = None
        self.looks = 0

    async def __aenter__(self) -> Self:
        self._connections = [await self._server.connect(name) for name in self.DATABASES]
        self._since = await self._connections[0].fetchval("SELECT clock_timestamp()")
        return self

    async def __aexit__(self, *_: object) -> None:
        for connection in self._connections:
            await connection.close()

    async def wait(self, count: int, seconds: float = 300) -> None:
        """Until so many cases are closed at intake, with its answer from monitor, and at monitor."""
        for connection in self._connections:

            async def enough(connection: "asyncpg.Connection[asyncpg.Record]" = connection) -> bool:
                self.looks += 1
                closed = await connection.fetchval(LOOK, self._since)
                return bool(closed >= count)

            await until(f"{count} cases are closed", enough, seconds)


def processor_seconds(pids: Mapping[str, int]) -> dict[str, float]:
    """Processor time used so far by each process, with its children if it is an engine."""
    spent = {}
    for name, pid in pids.items():
        root = psutil.Process(pid)
        tree = [root, *(root.children(recursive=True) if pid != os.getpid() else [])]
        spent[name] = sum(map(_own_seconds, tree))
    return spent


def _own_seconds(process: psutil.Process) -> float:
    try:
        spent = process.cpu_times()
    except psutil.NoSuchProcess:  # PostgreSQL's helpers come and go
        return 0.0
    return float(spent.user + spent.system)


class Others:
    """How much of the machine's processors was taken by others than us meanwhile: a figure to be judged by."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._before = self._busy_s()
        self._own = self._own_s()

    def share(self) -> float:
        """Of all processors, since this was made; 0 on a quiet machine."""
        seconds = (time.monotonic() - self._began) * (os.cpu_count() or 1)
        others = (self._busy_s() - self._before) - (self._own_s() - self._own)
        return max(0.0, others / seconds)

    @staticmethod
    def _busy_s() -> float:
        now = psutil.cpu_times()
        return float(sum(now) - now.idle - getattr(now, "iowait", 0.0) - getattr(now, "guest", 0.0))

    @staticmethod
    def _own_s() -> float:
        return sum(map(_own_seconds, [psutil.Process(), *psutil.Process().children(recursive=True)]))


def resident_mb(pid: int) -> float:
    """Memory that the process has in use, in MB, what it shares with others included."""
    return float(psutil.Process(pid).memory_info().rss) / MEGABYTE


class Stage:
    """The engines, and such services as are started on them. ``async with Stage(folder) as stage``."""

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
            raise RuntimeError("the stage is not set yet")
        return self._wiring

    async def database(self, service: str) -> None:
        """Make a service's database, with its tables."""
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

    async def again(self, process: Supervised) -> Supervised:
        """Start a process at once that has been killed; by itself it would come back later each time."""
        await self._supervisor.drop(process.specification.name)
        return self._supervisor.keep(process.specification)

    async def stop(self, processes: Sequence[Supervised]) -> None:
        """Stop these, in good order."""
        for process in processes:
            if process.keeper is not None:
                process.keeper.cancel()
        await asyncio.gather(*(one.fork.stop(10) for one in processes if one.fork is not None))
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
