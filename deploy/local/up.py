"""``onedoor up``: runs the platform on this machine until a signal stops it."""

import asyncio
import os
import signal
from collections.abc import Coroutine, Iterator
from contextlib import suppress
from pathlib import Path

from rich.live import Live
from rich.table import Table

from contracts.bilingual import both
from deploy.local.failure import PlatformFailed
from deploy.local.platform import Platform
from deploy.local.terminal import OutputClosed, Terminal
from deploy.local.wiring import Options
from services.files import file_fault

_REFRESH_SECONDS = 0.5

CLOSED_TO_OTHERS = 0o077
"""The umask under which no other account can read a file or enter a folder."""

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_until_signal(work: Coroutine[None, None, None]) -> None:
    """Run the work. Ctrl-C, ``kill`` or the end of the terminal cancels it once; a second signal is ignored.

    Files that this process and its children make are for their owner alone.
    """
    os.umask(CLOSED_TO_OTHERS)
    asyncio.run(_run_until_signal(work))


async def _run_until_signal(work: Coroutine[None, None, None]) -> None:
    task = asyncio.create_task(work)
    stopping = False

    def stop() -> None:
        nonlocal stopping
        if not stopping:
            stopping = True
            task.cancel()

    for number in _STOP_SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, stop)
    try:
        await task
    except asyncio.CancelledError:
        if not stopping:
            raise


def run(folder: Path, options: Options, plain: bool) -> int:
    """Run until a stop signal; gives the exit status."""
    console = Terminal(plain=plain)
    try:
        run_until_signal(_up(folder, options, console))
    except PlatformFailed as failure:
        console.print(str(failure), markup=False, soft_wrap=True)
        return 1
    except OSError as failure:
        if failure.filename is None:
            raise
        remedy = both("choose another --folder", "或另选 --folder")
        console.print(f"{file_fault(failure)}: {remedy}", markup=False, soft_wrap=True)
        return 1
    console.print(both("stopped", "已停止"))
    return 0


async def _up(folder: Path, options: Options, console: Terminal) -> None:
    def notify(text: str) -> None:
        with suppress(OutputClosed):  # the platform runs whether somebody reads or not
            console.print(text, markup=False, soft_wrap=True)

    async with Platform(folder, options, notify) as platform:
        notify(
            both(
                f"ready; data, logs and addresses are in {platform.folder}; Ctrl-C stops everything",
                "已就绪；数据、日志和地址在该文件夹中；按 Ctrl-C 停止",
            )
        )
        notify(
            both(
                f"people open {platform.front} and log in; 'onedoor people add' adds them",
                "登录地址如上；用 onedoor people add 添加人员",
            )
        )
        if not console.is_terminal:
            for name, _, address, operators, *_ in _rows(platform):
                notify(f"{name} {address} {operators}".rstrip())
            await asyncio.Event().wait()
        with Live(_table(platform), console=console, auto_refresh=False) as live:
            while True:
                await asyncio.sleep(_REFRESH_SECONDS)
                live.update(_table(platform), refresh=True)


def _table(platform: Platform) -> Table:
    table = Table("process", "state", "address", "for operators", "pid", "restarts")
    for row in _rows(platform):
        table.add_row(*row)
    return table


def _rows(platform: Platform) -> Iterator[tuple[str, str, str, str, str, str]]:
    """Name, state, public address, operators' address, process number and number of restarts of each process."""
    for engine in platform.engines.all:
        pid = str(engine.process.pid) if engine.process else ""
        yield engine.name, "ready" if engine.running else "down", engine.address, "", pid, ""
    for process in platform.processes.values():
        own, pid = process.specification, str(process.pid or "")
        yield own.name, process.phase, own.address, own.operator_address, pid, str(process.restarts)
