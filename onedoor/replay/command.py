"""Runs a replay, from the file to the printed result."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from rich.console import Console
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from contracts.bilingual import both
from contracts.rights.table import Role
from deploy.local.clients import IMPORTING
from deploy.local.platform import Platform
from deploy.local.processes.child import Notify
from deploy.local.terminal import Terminal
from deploy.local.wiring import Options
from onedoor.program_login import ProgramLogin, directory_with_program
from onedoor.replay.history import History, read
from onedoor.replay.player import CREEP, STEP, Player
from onedoor.replay.report import Report, ladder_table, rejections, remarks, result, tables, write_ladder
from onedoor.replay.store import put_rules_in_force
from onedoor.temporary_run import local_client, run_in_temporary_folder, write_json
from services.departments.recorded.department import DEPARTMENT as RECORDED
from services.departments.recorded.department import LEDGER
from services.departments.recorded.store import RecordedLedger
from services.files import file_fault, limited_content
from services.monitor.core.rules import RuleFile, RuleSet, rule_set
from services.monitor.store import rule_store
from services.runtime.clock import FileClock
from services.runtime.files.encoding import InvalidFile, read_text

RETENTION_DAYS = 100_000
"""Months pass in seconds; no case may be deleted before it has been reported."""


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """Options of a replay.

    ``limit_days`` replaces the recorded deadlines, ``rules`` the rules that onedoor comes with. ``output`` receives
    the result as JSON, ``ladder`` the rungs as CSV.
    """

    output: Path | None = None
    ladder: Path | None = None
    limit_days: int | None = None
    rules: Path | None = None


def run(file: Path, options: ReplayOptions, zone: str, plain: bool) -> int:
    """Replay a file; gives the exit status."""
    console = Terminal(plain=plain)
    notify = partial(console.print, markup=False, soft_wrap=True)
    try:
        history = _read_history(file, zone, notify)
        rules = rule_set(_read_rules(options.rules, notify)) if options.rules is not None else None
    except _Unusable as reason:
        notify(str(reason))
        return 1
    return run_in_temporary_folder("replay", console, partial(_replay, history, options, rules, console))


class _Unusable(Exception):
    """An input of the command cannot be used. The message tells which, and why."""


def _read_history(file: Path, zone: str, notify: Notify) -> History:
    try:
        history = read(_content(file), ZoneInfo(zone))
    except InvalidFile as faults:
        raise _Unusable(_placed(file, faults)) from None
    except (KeyError, ValueError, OSError):  # no file of the time zone database has this name
        en, zh = f"--zone {zone} is no time zone; write for example Asia/Shanghai", f"{zone} 不是时区"
        raise _Unusable(both(en, f"{zh}，请填写例如 Asia/Shanghai")) from None
    for note in history.notes:
        notify(f"{file}: {note}")
    if not history.cases:
        reason = both("no row can be replayed", "没有可以重放的行")
        if not history.rejected:
            reason += ": " + both("there are no rows below the names of the columns", "列名之下没有数据行")
        raise _Unusable("\n".join([f"{file}: {reason}", *rejections(history)]))
    return history


def _read_rules(file: Path, notify: Notify) -> RuleFile:
    try:
        text = read_text(_content(file))
        rules = rule_store.read(text.text)
    except InvalidFile as faults:
        raise _Unusable(_placed(file, faults)) from None
    if text.note is not None:
        notify(f"{file}: {text.note}")
    return rules


def _content(file: Path) -> bytes:
    try:
        return limited_content(file)
    except OSError as error:
        raise _Unusable(file_fault(error)) from None


def _placed(file: Path, faults: InvalidFile) -> str:
    return "\n".join(f"{file}: {fault}" for fault in str(faults).splitlines())


async def _replay(
    history: History, options: ReplayOptions, rules: RuleSet | None, console: Console, folder: Path, notify: Notify
) -> None:
    starts = min(case.started_at for case in history.cases) - STEP
    clock = FileClock.create(folder / "clock", starts, CREEP)
    department_clock = FileClock.create(folder / "department-clock", starts, CREEP)
    notify(both(f"starting Apache Kafka, PostgreSQL and the services in {folder}", "正在启动"))
    async with Platform(folder, _platform_options(folder), notify) as platform:
        async with _database(platform, "onedoor_monitor") as monitor, _database(platform, LEDGER.database) as ledger:
            if rules is not None:
                async with _database(platform, "onedoor_intake") as intake:
                    await put_rules_in_force(monitor, intake, rules)
            days = f"{starts + STEP:%Y-%m-%d}", f"{history.ends:%Y-%m-%d}"
            en = f"replaying {len(history.cases)} cases, {days[0]} to {days[1]}"
            notify(both(en, f"正在重放 {len(history.cases)} 件，{days[0]} 至 {days[1]}"))
            login = ProgramLogin(platform.front, IMPORTING, platform.importing_secret)
            async with local_client(timeout_s=60, auth=login) as client:
                player = Player(
                    history,
                    options.limit_days,
                    client=client,
                    intake=platform.api("intake"),
                    monitor=platform.api("monitor"),
                    clock=clock,
                    department_clock=department_clock,
                    ledger=RecordedLedger(ledger),
                    monitor_database=monitor,
                )
                await player.run(console)
                report = await player.report()
        notify(both("done", "完成"))
    _show(history, report, options, console)


def _platform_options(folder: Path) -> Options:
    return Options(
        clock=str(folder / "clock"),
        systems=(RECORDED.system,),
        throwaway=True,
        issuer=True,
        directory=directory_with_program(Role.IMPORTING_SYSTEM, Role.SUPERVISOR),
        extra={
            "*": {"ONEDOOR_CLOSED_RETENTION_DAYS": str(RETENTION_DAYS)},
            RECORDED.system: {
                "ONEDOOR_CLOCK": str(folder / "department-clock"),
                "ONEDOOR_POLL_INTERVAL_S": "0.02",
            },
        },
    )


@asynccontextmanager
async def _database(platform: Platform, name: str) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(platform.engines.database_url(name))
    try:
        yield engine
    finally:
        await engine.dispose()


def _show(history: History, report: Report, options: ReplayOptions, console: Console) -> None:
    if options.output is not None:
        write_json(options.output, result(history, report))
    console.print(tables(report))
    if options.ladder is not None:
        write_ladder(options.ladder, report)
        console.print(ladder_table(report))
    for line in remarks(history, report):
        console.print(line, markup=False, soft_wrap=True)
