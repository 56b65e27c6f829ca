"""Our side of the zygote: processes forked from it, as objects that can be awaited and signalled."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.local.forkserver import PACKET_BYTES
from deploy.local.processes import launch, log_tail, stop, trim_log

_STARTUP_SECONDS = 60


class ForkServerDied(Exception):
    """The process from which the others are forked has ended, and they with it."""


class Fork:
    """One forked process. ``status`` is its exit status once it has ended: below zero, the signal that ended it."""

    def __init__(self, name: str, pid: int, log: Path, zygote: "ForkServer") -> None:
        self.name = name
        self.pid = pid
        self.log = log
        self._zygote = zygote
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    @property
    def running(self) -> bool:
        """Whether it lives, as far as we have heard."""
        return not self._ended.done()

    async def wait(self) -> int:
        """Wait for its end and give its exit status."""
        return await asyncio.shield(self._ended)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; nothing happens if it has ended."""
        if self.running:
            self._zygote.send({"signal": int(number), "pid": self.pid})

    async def stop(self, grace_seconds: float) -> int:
        """Ask it to stop, insist after the grace, and give its exit status."""
        self.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(grace_seconds):
                return await self.wait()
        except TimeoutError:
            self.signal(signal.SIGKILL)
            return await self.wait()

    def end(self, status: int) -> None:
        """It has been heard that it ended."""
        if not self._ended.done():
            self._ended.set_result(status)


class ForkServer:
    """Starts the zygote, asks it for forks, hears of their ends. Call `start` on a thread that lives on."""

    def __init__(self, log: Path, preload: Sequence[str]) -> None:
        self._log = log
        self._preload = preload
        self._forks: dict[int, Fork] = {}
        self._starting: dict[str, tuple[asyncio.Future[Fork], Path]] = {}
        self._socket: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it imports while we go on."""
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        checkout = Path(__file__).resolve().parents[2]
        paths = filter(None, (str(checkout), os.environ.get("PYTHONPATH")))
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        with its:
            self._process = launch(
                (sys.executable, "-m", "deploy.local.forkserver", str(its.fileno())),
                log=self._log,
                env=environment,
                inherit=(its.fileno(),),
            )
        self._socket = ours
        asyncio.get_running_loop().add_reader(ours, self._hear, ours)
        self.send({"preload": list(self._preload)})

    @property
    def running(self) -> bool:
        """Whether it lives."""
        return self._socket is not None

    def kill(self) -> None:
        """End it at once, and with it all its children."""
        if self._process is not None:
            self._process.kill()

    async def fork(
        self, name: str, entry: str, arguments: Sequence[str], log: Path, environment: Mapping[str, str]
    ) -> Fork:
        """Start a process that calls ``entry`` (``module:function``) with the arguments. Raises ZygoteDied.

        Its environment is exactly this one, and both its outputs go to the log.
        """
        trim_log(log)
        started: asyncio.Future[Fork] = asyncio.get_running_loop().create_future()
        self._starting[name] = started, log
        self.send(
            {
                "start": name,
                "entry": entry,
                "arguments": list(arguments),
                "log": str(log),
                "environment": dict(environment),
            }
        )
        try:
            async with asyncio.timeout(_STARTUP_SECONDS):
                return await started
        except TimeoutError:
            raise ForkServerDied(f"no answer in {_STARTUP_SECONDS} s. {log_tail(self._log)}") from None

    def send(self, request: Mapping[str, object]) -> None:
        """Say something to the zygote. Raises ZygoteDied."""
        if self._socket is None:
            raise ForkServerDied(log_tail(self._log))
        packet = json.dumps(request).encode()
        if len(packet) > PACKET_BYTES:
            raise ValueError(f"a request of {len(packet)} bytes: the environment is larger than {PACKET_BYTES} bytes")
        try:
            self._socket.send(packet)
        except OSError:
            self._lost()
            raise ForkServerDied(log_tail(self._log)) from None

    def _hear(self, control: socket.socket) -> None:
        try:
            packet = control.recv(PACKET_BYTES)
        except BlockingIOError:
            return
        except OSError:
            packet = b""
        if not packet:
            self._lost()
            return
        match json.loads(packet):
            case {"started": str(name), "pid": int(pid)}:
                started, log = self._starting.pop(name)
                self._forks[pid] = Fork(name, pid, log, self)
                if not started.done():
                    started.set_result(self._forks[pid])
            case {"ended": int(pid), "status": int(status)}:
                self._forks.pop(pid).end(status)

    def _lost(self) -> None:
        """It has died: its children were killed by the kernel in the same moment."""
        if self._socket is None:
            return
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        self._socket = None
        for fork in self._forks.values():
            fork.end(-signal.SIGKILL)
        self._forks.clear()
        for started, _ in self._starting.values():
            if not started.done():
                started.set_exception(ForkServerDied(log_tail(self._log)))
        self._starting.clear()

    async def stop(self) -> None:
        """End it. Its children should have been stopped before."""
        if self._process is not None:
            self._lost()
            await stop(self._process, signal.SIGTERM, 5)
