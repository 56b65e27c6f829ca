"""The client of the fork server: its processes as objects that can be awaited and signalled."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path

from deploy.local.failure import PlatformFailed
from deploy.local.processes.child import launch, stop, trim_log
from deploy.local.processes.forkserver import PACKET_BYTES

_STARTUP_SECONDS = 60


class ForkServerDied(PlatformFailed):
    """The fork server has died, and all its processes with it."""

    def __init__(self, log: Path) -> None:
        super().__init__(
            "the fork server has ended, and all services with it. Its log tells why",
            "派生服务进程的程序已结束，所有服务随之结束，原因见其日志",
            log,
        )


class ForkedProcess:
    """A process of the fork server."""

    def __init__(self, pid: int, server: "ForkServer") -> None:
        self.pid = pid
        self._server = server
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    @property
    def running(self) -> bool:
        """Whether the process lives, as far as the fork server has reported."""
        return not self._ended.done()

    async def wait(self) -> int:
        """Wait for its end and give its exit status: below zero, the signal that ended it."""
        return await asyncio.shield(self._ended)

    def signal(self, number: signal.Signals) -> None:
        """Send the process a signal; nothing happens if it has ended."""
        if self.running:
            with suppress(ForkServerDied):  # then it has ended too
                self._server.send({"signal": int(number), "pid": self.pid})

    async def stop(self, grace_seconds: float) -> int:
        """Send SIGTERM, then SIGKILL after the grace period; give its exit status."""
        self.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(grace_seconds):
                return await self.wait()
        except TimeoutError:
            self.signal(signal.SIGKILL)
            return await self.wait()

    def set_ended(self, status: int) -> None:
        """The fork server has reported its end."""
        self._ended.set_result(status)


class ForkServer:
    """Starts the fork server and requests processes from it. Call `start` on a thread that outlives them."""

    def __init__(self, log: Path, preload: Iterable[str]) -> None:
        self._log = log
        self._preload = list(preload)
        self._running: dict[int, ForkedProcess] = {}
        self._starting: dict[int, asyncio.Future[ForkedProcess]] = {}
        self._request_numbers = count()
        self._socket: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the fork server; it preloads its modules in the background."""
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        checkout = Path(__file__).resolve().parents[3]
        paths = filter(None, (str(checkout), os.environ.get("PYTHONPATH")))
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        with its:
            self._process = launch(
                (sys.executable, "-m", "deploy.local.processes.forkserver", str(its.fileno())),
                log=self._log,
                env=environment,
                inherit=(its.fileno(),),
            )
        self._socket = ours
        asyncio.get_running_loop().add_reader(ours, self._receive, ours)
        self.send({"preload": self._preload})

    @property
    def running(self) -> bool:
        """Whether the fork server lives."""
        return self._socket is not None

    async def fork(
        self, entry: str, arguments: Sequence[str], log: Path, environment: Mapping[str, str]
    ) -> ForkedProcess:
        """Start a process that calls ``entry`` (``module:function``) with the arguments. Raises ForkServerDied.

        Its environment is exactly this one, and both its outputs go to the log.
        """
        trim_log(log)
        number = next(self._request_numbers)
        command = {"entry": entry, "arguments": list(arguments), "log": str(log), "environment": dict(environment)}
        self.send({"start": number, **command})
        started: asyncio.Future[ForkedProcess] = asyncio.get_running_loop().create_future()
        self._starting[number] = started
        try:
            async with asyncio.timeout(_STARTUP_SECONDS):
                return await started
        except TimeoutError:
            raise ForkServerDied(self._log) from None

    def send(self, request: Mapping[str, object]) -> None:
        """Send a request. Raises ForkServerDied."""
        if self._socket is None:
            raise ForkServerDied(self._log)
        packet = json.dumps(request).encode()
        if len(packet) > PACKET_BYTES:
            raise PlatformFailed(
                f"the environment has {len(packet)} bytes, more than {PACKET_BYTES}: unset variables that nobody needs",
                f"环境变量共 {len(packet)} 字节，超过 {PACKET_BYTES}：请删除不需要的环境变量",
            )
        try:
            self._socket.send(packet)
        except OSError:
            self._died()
            raise ForkServerDied(self._log) from None

    def _receive(self, control: socket.socket) -> None:
        try:
            packet = control.recv(PACKET_BYTES)
        except BlockingIOError:
            return
        except OSError:
            packet = b""
        if not packet:
            self._died()
            return
        match json.loads(packet):
            case {"started": int(number), "pid": int(pid)}:
                process = self._running[pid] = ForkedProcess(pid, self)
                started = self._starting.pop(number)
                if started.done():  # the request was cancelled
                    process.signal(signal.SIGKILL)
                else:
                    started.set_result(process)
            case {"ended": int(pid), "status": int(status)}:
                self._running.pop(pid).set_ended(status)

    def _died(self) -> None:
        """Mark all processes as ended: the kernel killed them with the fork server."""
        if self._socket is None:
            return
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        self._socket = None
        for process in self._running.values():
            process.set_ended(-signal.SIGKILL)
        self._running.clear()
        for started in self._starting.values():
            if not started.done():
                started.set_exception(ForkServerDied(self._log))
        self._starting.clear()

    async def stop(self) -> None:
        """Stop the fork server. Stop its processes before."""
        if self._process is not None:
            self._died()
            await stop(self._process, signal.SIGTERM, 5)
