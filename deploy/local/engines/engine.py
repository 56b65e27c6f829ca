"""The common part of the engines: a child process with a folder, a log and a lasting address."""

import asyncio
import os
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from deploy.local.failure import PlatformFailed
from deploy.local.processes.child import POLL_SECONDS, Notify, ended, launch, stop
from deploy.local.site import HOST, kept_port
from services.files import private_folder

ENVIRONMENT: Mapping[str, str] = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "TZ": "UTC"}
"""The environment of an engine. A JAVA_TOOL_OPTIONS or PGDATA of the user must not change its behaviour."""

_ATTEMPTS = 3
_START_SECONDS = 60


class EngineFailed(PlatformFailed):
    """An engine did not start, or ended during its start. The message ends with the last lines of its log."""


class Engine(ABC):
    """One engine. Start it from a thread that outlives it (see `launch`)."""

    name: str
    stop_signal: ClassVar[signal.Signals]
    quit_signal: ClassVar[signal.Signals]
    """The signal that stops it sooner when its data will not be read again."""
    throwaway = False
    """Whether its folder is deleted after it has stopped."""
    parent_death: ClassVar[signal.Signals]
    stop_seconds: ClassVar[float]

    def __init__(self, folder: Path, notify: Notify) -> None:
        self.folder = folder
        self.notify = notify
        self.process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def address(self) -> str:
        """Host and port, once it has started; the same after a restart, unless another program took the port."""
        return f"{HOST}:{self.port}"

    @property
    def log(self) -> Path:
        """The log file of its process."""
        return self.folder / f"{self.name}.log"

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self.process is not None and self.process.poll() is None

    async def start(self) -> None:
        """Start it and return when it is ready. Raises EngineFailed."""
        private_folder(self.folder)
        await self.prepare()
        for _ in range(_ATTEMPTS):  # another program may take the port in between: then it ends at once
            await self.clear_leftovers()
            self.port = kept_port(self.folder / "port")
            self.process = self.spawn()
            if await self._wait_until_ready():
                return
        raise EngineFailed(
            f"{self.name} did not start. Its log tells why", f"{self.name} 未能启动，原因见其日志", self.log
        )

    async def _wait_until_ready(self) -> bool:
        deadline = asyncio.get_running_loop().time() + _START_SECONDS
        while self.running:
            try:
                if await self.is_ready():
                    return True
            except OSError:
                pass  # it does not listen yet
            if asyncio.get_running_loop().time() > deadline:
                self.kill()
                raise EngineFailed(
                    f"{self.name} does not answer after {_START_SECONDS} s. Its log tells why",
                    f"{self.name} 启动 {_START_SECONDS} 秒后仍无应答，原因见其日志",
                    self.log,
                )
            await asyncio.sleep(POLL_SECONDS)
        return False

    async def stop(self) -> None:
        """Stop it with a clean shutdown; nothing happens if it does not run."""
        if self.process is not None:
            await stop(self.process, self.quit_signal if self.throwaway else self.stop_signal, self.stop_seconds)
            await self.after_stop()

    def kill(self) -> None:
        """Kill it at once, as a power cut would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    async def run(self, *command: str | Path, unprivileged: Path | None = None) -> None:
        """Run a tool of the engine to its end, in its folder. Raises EngineFailed with its output."""
        log = self.folder / f"{Path(command[0]).name}.log"
        process = launch(command, log=log, env=ENVIRONMENT, unprivileged=unprivileged, folder=self.folder)
        try:
            await ended(process, _START_SECONDS)
        finally:  # also when the start is cancelled: the tool must not write into a deleted folder
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)  # with its children: it is the leader of a session
            status = process.wait()
        if status != 0:
            tool = Path(command[0]).name
            raise EngineFailed(
                f"{self.name}: {tool} failed. Its log tells why", f"{self.name}：{tool} 失败，原因见其日志", log
            )

    @abstractmethod
    async def prepare(self) -> None:
        """Make the files that the engine needs before a start."""

    @abstractmethod
    def spawn(self) -> "subprocess.Popen[bytes]":
        """Start its process, to listen on ``self.port``."""

    @abstractmethod
    async def is_ready(self) -> bool:
        """Whether it serves clients now. May raise OSError."""

    @abstractmethod
    async def clear_leftovers(self) -> None:
        """Remove files of a killed run that would prevent a start."""

    @abstractmethod
    async def after_stop(self) -> None:
        """Save files of a run that ended cleanly for the next run."""
