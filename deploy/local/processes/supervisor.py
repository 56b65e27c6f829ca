"""Keeps processes alive: starts each by the fork server, and again, after growing pauses, when it ends."""

import asyncio
import http.client
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from contracts.bilingual import both
from deploy.local.failure import PlatformFailed
from deploy.local.processes.child import Notify, trim_log, until
from deploy.local.processes.forkserver_client import ForkedProcess, ForkServer, ForkServerDied
from deploy.local.site import HOST
from services.files import private_folder

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
STEADY_SECONDS = 30.0
"""A process that lived this long has recovered: its next restart comes after the first pause again."""

STOP_SECONDS = 10.0
"""The time that a service has to finish its batch and exit."""

_TRIM_SECONDS = 60.0


class NotReady(PlatformFailed):
    """A process was not ready in time, or a one-time task failed. The message ends with its log."""


class Phase(StrEnum):
    """The phase of a supervised process."""

    STARTING = "starting"
    READY = "ready"
    PAUSING = "pausing before a restart"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Specification:
    """A process to keep alive: ``entry`` (``module:function``) called with the arguments, in this environment.

    ``port`` is its public port. On ``operator_port`` it answers ``/health/ready``; a process without one is ready when
    it runs.
    """

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    port: int | None = None
    operator_port: int | None = None
    entry: str = "onedoor.cli:main"

    @property
    def address(self) -> str:
        """The address of its public HTTP server, or the empty string."""
        return f"http://{HOST}:{self.port}" if self.port else ""

    @property
    def operator_address(self) -> str:
        """The address of its HTTP server for operators, or the empty string."""
        return f"http://{HOST}:{self.operator_port}" if self.operator_port else ""


@dataclass(slots=True)
class Supervised:
    """A process that is kept alive, and its state."""

    specification: Specification
    log: Path
    phase: Phase = Phase.STARTING
    restarts: int = 0
    forked: ForkedProcess | None = None
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    keeper: "asyncio.Task[None]" = field(init=False)
    """Starts the process again when it ends. Cancelled, it stops the process."""

    @property
    def pid(self) -> int | None:
        """Its process number while it runs."""
        return self.forked.pid if self.forked is not None and self.forked.running else None


class Supervisor:
    """Starts the fork server and keeps processes alive. Use it on a thread that outlives them."""

    def __init__(self, logs: Path, preload: Iterable[str], notify: Notify) -> None:
        private_folder(logs)
        self._logs = logs
        self._notify = notify
        self._fork_server = ForkServer(logs / "forkserver.log", preload)
        self._restart_lock = asyncio.Lock()
        self._trimming: list[asyncio.Task[None]] = []
        self.processes: dict[str, Supervised] = {}

    def start(self) -> None:
        """Start the fork server; it preloads its modules in the background."""
        self._fork_server.start()
        self._trimming.append(asyncio.create_task(self._trim_logs()))

    async def run(self, specification: Specification, timeout_seconds: float = 120) -> None:
        """Run a one-time task to its end. Raises NotReady if it fails."""
        log = self._log(specification.name)
        forked = await self._start(specification, log)
        try:
            async with asyncio.timeout(timeout_seconds):
                status = await forked.wait()
        except TimeoutError:
            await forked.stop(0)
            name = specification.name
            raise NotReady(
                f"{name} took more than {timeout_seconds:.0f} s. Its log tells why",
                f"{name} 超过 {timeout_seconds:.0f} 秒仍未完成，原因见其日志",
                log,
            ) from None
        if status != 0:
            raise NotReady(
                f"{specification.name} failed ({_status(status)}). Its log tells why",
                f"{specification.name} 失败，原因见其日志",
                log,
            )

    def keep(self, specification: Specification) -> Supervised:
        """Start a process and keep it alive until `drop` or `stop`."""
        process = Supervised(specification, self._log(specification.name))
        self.processes[specification.name] = process
        process.keeper = asyncio.create_task(self._keep(process), name=f"keep {specification.name}")
        return process

    async def drop(self, *names: str) -> None:
        """Stop these processes together, and do not start them again."""
        await _cancel([self.processes.pop(name).keeper for name in names])

    async def all_ready(self, timeout_seconds: float) -> None:
        """Wait until every process has been ready. Raises NotReady."""
        try:
            async with asyncio.timeout(timeout_seconds):
                for process in self.processes.values():
                    await process.ready.wait()
        except TimeoutError:
            late = [process for process in self.processes.values() if not process.ready.is_set()]
            names = ", ".join(process.specification.name for process in late)
            raise NotReady(
                f"not ready after {timeout_seconds:.0f} s: {names}. The log of the first tells why",
                f"{timeout_seconds:.0f} 秒后仍未就绪：{names}。原因见第一个的日志",
                late[0].log,
            ) from None

    async def stop(self) -> None:
        """Stop all processes together, then the fork server."""
        try:
            await _cancel([*(process.keeper for process in self.processes.values()), *self._trimming])
        finally:
            await self._fork_server.stop()

    async def _keep(self, process: Supervised) -> None:
        pause = FIRST_PAUSE_SECONDS
        try:
            while True:
                process.phase = Phase.STARTING
                began = time.monotonic()
                ending = await self._run_once(process)
                if time.monotonic() - began > STEADY_SECONDS:
                    pause = FIRST_PAUSE_SECONDS
                process.ready.clear()
                process.phase = Phase.PAUSING
                name = process.specification.name
                self._notify(
                    both(
                        f"{name} ended ({ending}): again in {pause:.1f} s, see {process.log}",
                        f"{name} 已结束，{pause:.1f} 秒后重新启动，见其日志",
                    )
                )
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
                process.restarts += 1
        finally:
            if process.forked is not None:
                await process.forked.stop(STOP_SECONDS)
            process.phase = Phase.STOPPED

    async def _run_once(self, process: Supervised) -> str:
        """Start the process, set ``ready`` when it is, and return how it ended, or why it could not be started."""
        try:
            process.forked = await self._start(process.specification, process.log)
        except ForkServerDied:
            return "the fork server ended"
        except Exception as failure:  # a full disk, for example
            return f"it cannot be started: {failure}"
        probing = asyncio.create_task(self._until_ready(process))
        try:
            return _status(await process.forked.wait())
        finally:
            probing.cancel()

    async def _until_ready(self, process: Supervised) -> None:
        async def is_ready() -> bool:
            port = process.specification.operator_port
            return port is None or await asyncio.to_thread(answers_ready, port)

        await until(is_ready, math.inf)
        process.phase = Phase.READY
        process.ready.set()

    async def _start(self, specification: Specification, log: Path) -> ForkedProcess:
        async with self._restart_lock:
            if not self._fork_server.running:
                await self._fork_server.stop()
                self._fork_server.start()
        return await self._fork_server.fork(
            specification.entry, specification.arguments, log, specification.environment
        )

    def _log(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    async def _trim_logs(self) -> None:
        untrimmed: set[Path] = set()
        while True:
            await asyncio.sleep(_TRIM_SECONDS)
            for log in self._logs.glob("*.log"):
                try:
                    trim_log(log)
                    untrimmed.discard(log)
                except OSError as failure:  # a full disk, for example
                    if log not in untrimmed:
                        self._notify(
                            both(
                                f"{log} cannot be trimmed and keeps growing; make room: {failure}",
                                "日志无法截短，会继续增大，请清理磁盘",
                            )
                        )
                    untrimmed.add(log)


async def _cancel(tasks: "Sequence[asyncio.Task[None]]") -> None:
    """Cancel the tasks, and wait until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def answers_ready(port: int) -> bool:
    """Whether the process with this operator's port answers that it is ready."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False  # it does not listen yet, or is just ending
    finally:
        connection.close()


def _status(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"exit status {status}"
