"""Child processes that die with their parent, the ports they listen on, and the lock of their folder."""

import asyncio
import contextlib
import fcntl
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

Notify = Callable[[str], None]
"""Called with a few words for a person about the current step."""

HOST = "127.0.0.1"
"""Everything that is started here listens on this machine only."""

POLL_SECONDS = 0.03
_LAUNCHER = Path(__file__).with_name("launch.py")
_LOG_LIMIT_BYTES = 20 * 1024 * 1024


class FolderInUse(Exception):
    """Another onedoor runs in this folder. Stop it, or choose another folder."""

    def __init__(self, folder: Path, pid: str) -> None:
        super().__init__(f"{folder} is in use by process {pid or '(unknown)'}: stop it, or choose another --folder")


class FolderLock:
    """Locks a folder for one process. The operating system releases the lock when the process ends, in any way."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / "lock").open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.seek(0)
            pid = self._file.read().strip()
            self._file.close()
            raise FolderInUse(folder, pid) from None
        self._file.truncate(0)
        self._file.write(f"{os.getpid()}\n")
        self._file.flush()

    def release(self) -> None:
        """Release the folder."""
        self._file.close()


def launch(
    command: Sequence[str | Path],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    parent_death: signal.Signals = signal.SIGKILL,
    unprivileged: Path | None = None,
    inherit: Sequence[int] = (),
) -> "subprocess.Popen[bytes]":
    """Start a child that gets the signal ``parent_death`` when this process dies.

    The child has a session of its own: Ctrl-C in the terminal reaches only this process, which stops its children in
    order. Call it from a thread that outlives the child, because Linux takes the thread for the parent.
    ``unprivileged`` is the folder of a program that refuses to run as root (see ``launch.py``). Both outputs of the
    child go to ``log``.
    """
    trim_log(log)
    options = [str(os.getpid()), str(int(parent_death)), str(unprivileged or "")]
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", str(_LAUNCHER), *options, *map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=None if env is None else dict(env),
            pass_fds=inherit,
            start_new_session=True,
        )


async def until(condition: Callable[[], Awaitable[bool]], timeout_seconds: float) -> bool:
    """Poll until the condition holds; False after the timeout."""
    deadline = time.monotonic() + timeout_seconds
    while not await condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(POLL_SECONDS)
    return True


async def ended(process: "subprocess.Popen[bytes]", timeout_seconds: float) -> bool:
    """Wait for the process to end; False after the timeout."""

    async def gone() -> bool:
        return process.poll() is not None

    return await until(gone, timeout_seconds)


async def stop(process: "subprocess.Popen[bytes]", how: signal.Signals, grace_seconds: float) -> int:
    """Send the process this signal, SIGKILL after the grace period, and give its exit status."""
    if process.poll() is None:
        process.send_signal(how)
        if not await ended(process, grace_seconds):
            process.kill()
    return process.wait()


def trim_log(log: Path) -> None:
    """Move the content of a log that is too long to ``NAME.1``, replacing the one before.

    The content is copied and the file truncated, because its writer has it open in append mode.
    """
    if log.exists() and log.stat().st_size > _LOG_LIMIT_BYTES:
        log.with_name(f"{log.name}.1").write_bytes(log.read_bytes())
        os.truncate(log, 0)


def log_tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log, for an error message."""
    if not log.exists():
        return f"(no log at {log})"
    with log.open(errors="replace") as file:
        return f"{log}:\n" + "".join(deque(file, maxlen=lines)).rstrip()


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """A free port below those of outgoing connections, which could take it while the server restarts."""
    last = _first_ephemeral_port() - 1
    while not is_free(port := random.randint(10_000, last)):
        pass
    return port


def _first_ephemeral_port() -> int:
    with contextlib.suppress(OSError, ValueError):
        first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
        if first > 12_000:
            return first
    return 32_768


def kept_port(file: Path) -> int:
    """The port in the file while it is free, else a new one, written there: addresses survive a restart."""
    with contextlib.suppress(OSError, ValueError):
        port = int(file.read_text())
        if is_free(port):
            return port
    port = free_port()
    file.write_text(f"{port}\n")
    return port


def secret(file: Path, make: Callable[[], str]) -> str:
    """The secret in the file, which only its owner can read; made at the first call."""
    if not file.exists():
        partial = file.with_name(f"{file.name}.partial")
        with contextlib.suppress(FileNotFoundError):
            partial.unlink()
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as output:
            output.write(make())
        partial.replace(file)
    return file.read_text()
