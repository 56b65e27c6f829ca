"""Keeps processes alive: forks each from the zygote, and forks it again, later each time, when it ends."""

import asyncio
import http.client
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from deploy.local.forkserver_client import Fork, ForkServer, ForkServerDied
from deploy.local.processes import HOST, Notify, log_tail, trim_log, until

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
STEADY_SECONDS = 30.0
"""A process that lived this long has recovered: after its next end the pauses begin anew."""

STOP_SECONDS = 10.0
"""The time a service has to finish its batch and leave."""

_TRIM_SECONDS = 60.0


class NotReady(Exception):
    """A process was not ready in time, or a one-time task failed. The message ends with its log."""


class Phase(StrEnum):
    """Where a supervised process stands."""

    STARTING = "starting"
    READY = "ready"
    PAUSING = "pausing before a restart"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Specification:
    """A process to keep alive: ``entry`` (``module:function``) called with the arguments, in this environment.

    ``port`` is where it answers ``/health/ready`` with 200 when it is ready; without one it is ready when it runs.
    """

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    port: int | None = None
    entry: str = "onedoor.cli:main"

    @property
    def address(self) -> str:
        """Where it answers, or nothing."""
        return f"http://{HOST}:{self.port}" if self.port else ""


@dataclass(slots=True)
class Supervised:
    """A process that is kept alive, and how it fares."""

    specification: Specification
    log: Path
    phase: Phase = Phase.STARTING
    restarts: int = 0
    fork: Fork | None = None
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    keeper: "asyncio.Task[None] | None" = None
    wanted: bool = True
    """Whether it is to be started again when it ends."""

    @property
    def pid(self) -> int | None:
        """Its process number while it runs."""
        return self.fork.pid if self.fork is not None and self.fork.running else None


class Supervisor:
    """Starts the zygote and keeps processes alive. Use it on a thread that lives as long as they may."""

    def __init__(self, logs: Path, preload: Sequence[str], notify: Notify) -> None:
        logs.mkdir(parents=True, exist_ok=True)
        self._logs = logs
        self._notify = notify
        self._zygote = ForkServer(logs / "zygote.log", preload)
        self._zygote_lock = asyncio.Lock()
        self._chores: list[asyncio.Task[None]] = []
        self.processes: dict[str, Supervised] = {}

    def start(self) -> None:
        """Start the zygote: it imports what the processes will need, while we go on."""
        self._zygote.start()
        self._chores.append(asyncio.create_task(self._trim_logs()))

    def kill_fork_server(self) -> None:
        """End the zygote and all processes at once: a test of what happens then."""
        self._zygote.kill()

    async def run(self, specification: Specification, timeout_seconds: float = 120) -> None:
        """Run a one-time task to its end. Raises NotReady when it fails."""
        log = self._log(specification.name)
        fork = await self._fork(specification, log)
        try:
            async with asyncio.timeout(timeout_seconds):
                status = await fork.wait()
        except TimeoutError:
            await fork.stop(0)
            raise NotReady(f"{specification.name} took more than {timeout_seconds:.0f} s. {log_tail(log)}") from None
        if status != 0:
            raise NotReady(f"{specification.name} failed ({_status(status)}). {log_tail(log)}")

    def keep(self, specification: Specification) -> Supervised:
        """Start a process and keep it alive until `stop`."""
        process = Supervised(specification, self._log(specification.name))
        self.processes[specification.name] = process
        process.keeper = asyncio.create_task(self._keep(process), name=f"keep {specification.name}")
        return process

    async def drop(self, name: str) -> None:
        """Stop a process in good order and keep it alive no longer."""
        process = self.processes.pop(name)
        process.wanted = False
        if process.phase is Phase.PAUSING and process.keeper is not None:
            process.keeper.cancel()
        elif process.fork is not None:
            await process.fork.stop(STOP_SECONDS)
        if process.keeper is not None:
            await asyncio.wait([process.keeper])
        process.phase = Phase.STOPPED

    async def all_ready(self, timeout_seconds: float) -> None:
        """Wait until every process has been ready. Raises NotReady."""
        try:
            async with asyncio.timeout(timeout_seconds):
                for process in self.processes.values():
                    await process.ready.wait()
        except TimeoutError:
            late = [process for process in self.processes.values() if not process.ready.is_set()]
            names = ", ".join(process.specification.name for process in late)
            raise NotReady(f"not ready after {timeout_seconds:.0f} s: {names}. {log_tail(late[0].log)}") from None

    async def stop(self) -> None:
        """Stop all processes together, then the zygote."""
        for task in [process.keeper for process in self.processes.values() if process.keeper] + self._chores:
            task.cancel()
        running = [process.fork for process in self.processes.values() if process.fork is not None]
        await asyncio.gather(*(fork.stop(STOP_SECONDS) for fork in running))
        for process in self.processes.values():
            process.phase = Phase.STOPPED
        await self._zygote.stop()

    async def _keep(self, process: Supervised) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            process.phase = Phase.STARTING
            began = time.monotonic()
            try:
                process.fork = await self._fork(process.specification, process.log)
                if not process.wanted:  # dropped while it was being forked
                    await process.fork.stop(STOP_SECONDS)
                status = await self._watch(process, process.fork)
                ending = _status(status)
            except ForkServerDied:
                ending = "the zygote ended"
            if not process.wanted:
                return
            if time.monotonic() - began > STEADY_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            process.ready.clear()
            process.phase = Phase.PAUSING
            self._notify(f"{process.specification.name} ended ({ending}): again in {pause:.1f} s, see {process.log}")
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            process.restarts += 1

    async def _watch(self, process: Supervised, fork: Fork) -> int:
        """Note when it is ready; give its exit status."""
        probing = asyncio.create_task(self._until_ready(process))
        try:
            return await fork.wait()
        finally:
            probing.cancel()

    async def _until_ready(self, process: Supervised) -> None:
        async def is_ready() -> bool:
            port = process.specification.port
            return port is None or await asyncio.to_thread(says_it_is_ready, port)

        await until(is_ready, math.inf)
        process.phase = Phase.READY
        process.ready.set()

    async def _fork(self, specification: Specification, log: Path) -> Fork:
        async with self._zygote_lock:
            if not self._zygote.running:
                await self._zygote.stop()
                self._zygote.start()
        return await self._zygote.fork(
            specification.name, specification.entry, specification.arguments, log, specification.environment
        )

    def _log(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    async def _trim_logs(self) -> None:
        while True:
            await asyncio.sleep(_TRIM_SECONDS)
            for log in self._logs.glob("*.log"):
                trim_log(log)


def says_it_is_ready(port: int) -> bool:
    """Whether a process on this machine says that it is."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False  # it does not listen yet, or ends just now
    finally:
        connection.close()


def _status(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"exit status {status}"
