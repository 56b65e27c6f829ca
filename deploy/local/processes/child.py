"""Child processes that die with their parent, and their logs."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

Notify = Callable[[str], None]
"""Called with a line of text for a person about the current step."""

POLL_SECONDS = 0.03
_LAUNCHER = Path(__file__).with_name("launch.py")
_LOG_LIMIT_BYTES = 20 * 1024 * 1024


def launch(
    command: Sequence[str | Path],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    parent_death: signal.Signals = signal.SIGKILL,
    unprivileged: Path | None = None,
    inherit: Sequence[int] = (),
    folder: Path | None = None,
) -> "subprocess.Popen[bytes]":
    """Start a child that gets the signal ``parent_death`` when this process dies.

    The child has a session of its own: Ctrl-C in the terminal reaches only this process, which stops its children in
    order. Call it from a thread that outlives the child, because Linux takes the thread for the parent.
    ``unprivileged`` is the folder of a program that refuses to run as root (see ``launch.py``). Both outputs of the
    child go to ``log``. It runs in ``folder``, by default in that of this process.
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
            cwd=folder,
            start_new_session=True,
        )


async def run_together(work: Iterable[Coroutine[Any, Any, object]]) -> None:
    """Await all. The first failure cancels the others and is raised as it is, after they have ended."""
    try:
        async with asyncio.TaskGroup() as tasks:
            for one in work:
                tasks.create_task(one)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None


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
    """Move the content of a log of more than 20 MiB to ``NAME.1``, in place of the file before.

    The content is copied and the file truncated, because its writer has it open in append mode.
    """
    if log.exists() and log.stat().st_size > _LOG_LIMIT_BYTES:
        log.with_name(f"{log.name}.1").write_bytes(log.read_bytes())
        os.truncate(log, 0)


def log_tail(log: Path) -> str:
    """The last lines of a log, for an error message."""
    if not log.exists():
        return f"(no log at {log})"
    with log.open(errors="replace") as file:
        return f"{log}:\n" + "".join(deque(file, maxlen=15)).rstrip()
