"""``onedoor demo``: some hundred cases of three bundles, from application to decision, in fast time."""

import asyncio
import json
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from contracts.bilingual import both
from contracts.rights.table import Role
from contracts.working_time import published_calendar
from contracts.zone import CHINA
from deploy.local.clients import IMPORTING
from deploy.local.platform import Platform
from deploy.local.processes.child import Notify
from deploy.local.terminal import Terminal
from deploy.local.wiring import Options
from onedoor.applicants import applications
from onedoor.program_login import ProgramLogin, directory_with_program
from onedoor.temporary_run import RunFailed, local_client, run_in_temporary_folder, write_json
from services.intake.catalogue.load import sample_catalogue
from services.intake.core.catalogue.models import Catalogue
from services.registry import default_systems
from services.runtime.clock import Clock, FileClock

BEGINS = datetime(2026, 3, 2, 9, 0, tzinfo=CHINA)
"""A Monday morning."""

DAYS_A_SECOND = 0.5
"""Speed of the demo's clock while applications arrive. Delays of the machine count as working time: with a faster
clock, the departments would seem slower than they are."""

LATER_DAYS_A_SECOND = 2.0
"""Speed of the clock when few cases are undecided."""

FEW_SHARE = 0.12
"""Share of all cases that counts as few."""

ARRIVAL_DAYS = 5
"""Working days on which the applications arrive."""

HOURS_A_DAY = 8
"""Hours of a working day in which applications arrive."""

MORE = 600
"""Different applications that come in while somebody looks."""

AT_MOST = timedelta(days=180)
"""The demo fails if a case is undecided after this time of its clock."""

COLUMNS = ("received", "closed", "on_time", "warnings", "yellow_cards", "red_cards")
"""The figures of the board that are shown."""

YEAR = str(BEGINS.year)
"""The period of the figures: the clock does not leave it."""

NEXT = {
    ".venv/bin/onedoor demo --stay": both("the same, and it keeps running, with its addresses", "同上，结束后继续运行"),
    ".venv/bin/onedoor up": both("the platform in production, with the system clock", "正式运行，用系统时钟"),
    ".venv/bin/onedoor replay FILE.csv": both(
        "another system's cases, through the whole platform", "重放其他系统的办件"
    ),
}

Figures = dict[str, Any]


@dataclass(slots=True)
class Progress:
    """The progress of the demo."""

    wanted: int
    began: float = field(default_factory=time.monotonic)
    first_decided_s: float | None = None
    bundles: Figures = field(default_factory=dict)
    departments: Figures = field(default_factory=dict)
    """The board by bundle and by department."""
    accelerated: bool = False


def run(cases: int, output: Path | None, stay: bool, plain: bool) -> int:
    """Run the demo; gives the exit status.

    ``output`` receives the result as JSON. With ``stay`` everything keeps running until Ctrl-C.
    """
    progress = Progress(cases)
    console = Terminal(plain=plain)
    return run_in_temporary_folder("demo", console, partial(_demo, progress, output, stay, console))


async def _demo(
    progress: Progress, output: Path | None, stay: bool, console: Console, folder: Path, notify: Notify
) -> None:
    clock = FileClock.create(folder / "clock", BEGINS, speed=0)
    options = _options(sample_catalogue(), folder / "clock", stay=stay)
    started = f"{len(options.services)} services and {len(options.systems)} department systems"
    notify(both(f"starting Apache Kafka, PostgreSQL, {started} in {folder}", "正在启动"))
    async with Platform(folder, options, notify) as platform:
        day = f"{1 / DAYS_A_SECOND:g}"
        notify(
            both(
                f"ready; {progress.wanted} cases over {ARRIVAL_DAYS} working days, a day in {day} s",
                f"已就绪；{ARRIVAL_DAYS} 个工作日内 {progress.wanted} 件，每天 {day} 秒",
            )
        )
        clock.set(BEGINS, DAYS_A_SECOND * 86_400)
        login = ProgramLogin(platform.front, IMPORTING, platform.importing_secret)
        async with local_client(timeout_s=30) as applicants, local_client(timeout_s=30, auth=login) as client:
            arriving = asyncio.create_task(_arrive(applicants, platform.api("intake"), clock, progress))
            await _follow(client, platform.api("monitor"), clock, progress, arriving, console, notify)
        result = _result(progress)
        console.print(_tables(result))
        if output is not None:
            write_json(output, result)
        if stay:
            await _stay(platform, clock, console, notify, result["first_decided_s"])
        _print_next_steps(console, result["first_decided_s"])


async def _stay(
    platform: Platform, clock: FileClock, console: Console, notify: Notify, first_decided_s: float | None
) -> None:
    """Keep everything running, with a supervisor's day in it, without end."""
    from onedoor import demo_day  # its libraries are needed here only

    more = list(applications(sample_catalogue(), MORE, seed=8))
    notify(both("more cases come in, for a supervisor's day", "更多办件陆续进来，准备一个督查工作日"))
    async with local_client(timeout_s=30) as client:

        async def apply(number: int) -> None:
            await _post(client, platform.api("intake"), f"day-{number}", more[number % MORE])

        number = await demo_day.lead_to_a_day(clock, apply)
        accounts = await demo_day.accounts_and_appeal(client, platform, notify)
        _print_addresses(console, platform, first_decided_s)
        demo_day.print_accounts(console, platform.front, accounts)
        await demo_day.go_on(clock, apply, number)


def _options(catalogue: Catalogue, clock: Path, *, stay: bool) -> Options:
    """Departments that take about a third of the time they promised, and now and then far too long."""
    days = {item.code: max(0.15, item.limits.committed * 0.3) for item in catalogue.items}
    behaviour = {
        "ONEDOOR_SANDBOX_ITEM_DAYS": json.dumps(days),
        "ONEDOOR_SANDBOX_SPREAD": "0.35",
        "ONEDOOR_SANDBOX_LATE_SHARE": "0.06" if stay else "0.03",
        "ONEDOOR_SANDBOX_LATE_DAYS": "24",
        "ONEDOOR_SANDBOX_REFUSED_SHARE": "0.03",
        "ONEDOOR_SANDBOX_POLL_S": "0.02",
    }
    extra: dict[str, dict[str, str]] = {"*": {"ONEDOOR_CLOSED_RETENTION_DAYS": str(2 * AT_MOST.days)}}
    for system in default_systems():
        extra[f"sandbox-{system}"] = behaviour | {"ONEDOOR_SANDBOX_SEED": system}
        extra[system] = {"ONEDOOR_POLL_INTERVAL_S": "0.05"}
    extra["monitor"] = {"ONEDOOR_FIGURES_LONGEST_S": "1"}
    directory = directory_with_program(Role.SUPERVISOR)
    return Options(clock=str(clock), limited=False, throwaway=True, extra=extra, issuer=True, directory=directory)


def _arrivals(count: int) -> list[datetime]:
    """The moments at which applications arrive: evenly over the hours of the first working days."""
    calendar, day = published_calendar(), BEGINS.date()
    days: list[datetime] = []
    while len(days) < ARRIVAL_DAYS:
        if calendar.is_working(day):
            days.append(datetime.combine(day, BEGINS.time(), CHINA))
        day += timedelta(days=1)
    hours = [number * HOURS_A_DAY * ARRIVAL_DAYS / count for number in range(count)]
    return [days[int(hour // HOURS_A_DAY)] + timedelta(hours=hour % HOURS_A_DAY) for hour in hours]


async def _arrive(client: httpx2.AsyncClient, intake: str, clock: Clock, progress: Progress) -> None:
    """Post each application at its time."""
    async with asyncio.TaskGroup() as posts:
        arrivals = zip(_arrivals(progress.wanted), applications(sample_catalogue(), progress.wanted), strict=True)
        for number, (at, application) in enumerate(arrivals):
            await asyncio.sleep(max(0.0, clock.machine_seconds(at)))
            posts.create_task(_post(client, intake, f"demo-{number}", application))


async def _post(client: httpx2.AsyncClient, intake: str, key: str, application: dict[str, Any]) -> None:
    headers = {"Idempotency-Key": key}
    answer = await client.post(f"{intake}/cases", json=application, headers=headers)
    if answer.status_code != httpx2.codes.CREATED:
        raise RunFailed(
            f"intake answered {answer.status_code}: {answer.text}; its log tells why",
            f"intake 答复 {answer.status_code}，原因见其日志",
        )


async def _follow(
    client: httpx2.AsyncClient,
    monitor: str,
    clock: FileClock,
    progress: Progress,
    arriving: "asyncio.Task[None]",
    console: Console,
    notify: Notify,
) -> None:
    """Show the progress until every case is decided and monitor has closed its commitments."""
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            if arriving.done() and (error := arriving.exception()):
                raise error.exceptions[0] if isinstance(error, BaseExceptionGroup) else error
            progress.bundles = await _board(client, monitor, by="item")
            total = progress.bundles["total"]["figures"]
            if total["closed"] and progress.first_decided_s is None:
                progress.first_decided_s = round(time.monotonic() - progress.began, 2)
                if not console.is_terminal:
                    notify(both("the first case is decided", "第一件已办结"))
            if console.is_terminal:
                live.update(_picture(progress, clock.now()), refresh=True)
            if arriving.done() and total["closed"] == progress.wanted:
                progress.departments = await _board(client, monitor, by="owner", kind="step")
                return
            if arriving.done() and not progress.accelerated and total["closed"] >= (1 - FEW_SHARE) * progress.wanted:
                progress.accelerated = True
                clock.set(clock.now(), LATER_DAYS_A_SECOND * 86_400)
            if clock.now() > BEGINS + AT_MOST:
                left = progress.wanted - total["closed"]
                raise RunFailed(
                    f"after {AT_MOST.days} days {left} cases are undecided; the logs of the services tell why",
                    f"{AT_MOST.days} 天后仍有 {left} 件未办结，原因见各服务的日志",
                )
            await asyncio.sleep(0.1)


async def _board(client: httpx2.AsyncClient, monitor: str, **query: str) -> Figures:
    """The board of monitor."""
    board: Figures = (await client.get(f"{monitor}/board", params={"period": YEAR, **query})).json()
    return board


def _picture(progress: Progress, now: datetime) -> Group:
    total = progress.bundles["total"]["figures"] if progress.bundles else {}
    day = Text(f"{now.astimezone(CHINA):%A %d %B %Y, %H:%M}", style="bold")
    bars = Table.grid(padding=(0, 2))
    for name in COLUMNS:
        value = total.get(name, 0)
        style = {"warnings": "cyan", "yellow_cards": "yellow", "red_cards": "red"}.get(name, "green")
        bar = ProgressBar(progress.wanted, value, width=50, complete_style=style, finished_style=style)
        bars.add_row(name.replace("_", " "), bar, str(value))
    return Group(day, bars)


def _result(progress: Progress) -> dict[str, Any]:
    return {
        **_shown(progress.bundles["total"]),
        "first_decided_s": progress.first_decided_s,
        "by_bundle": {row["name"]: _shown(row) for row in progress.bundles["rows"]},
        "by_department": {row["name"]: _shown(row) for row in progress.departments["rows"]},
    }


def _shown(row: Figures) -> Figures:
    return {name: row["figures"][name] for name in (*COLUMNS, "late", "mean_days")}


def _tables(result: dict[str, Any]) -> Group:
    return Group(
        _table("Cases by bundle / 按“一件事”", result["by_bundle"], result),
        _table("Steps by department / 按部门", result["by_department"], None),
    )


def _text(figure: float | None) -> str:
    return "—" if figure is None else str(figure)


def _table(title: str, rows: dict[str, Figures], total: Figures | None) -> Table:
    table = Table(title=title, show_footer=total is not None, title_justify="left", padding=(0, 0, 0, 1))
    table.add_column("", footer="all", no_wrap=True)
    for name in (*COLUMNS, "mean_days"):
        style = {"yellow_cards": "yellow", "red_cards": "red"}.get(name)
        footer = _text(total[name]) if total else ""
        table.add_column(name.replace("_", " "), footer=footer, justify="right", style=style)
    for name, row in rows.items():
        table.add_row(name, *(_text(row[column]) for column in (*COLUMNS, "mean_days")))
    return table


def _print_first(console: Console, first_decided_s: float | None) -> None:
    console.print(both("Days are working days.", "天数均为工作日。"))
    first = f"The first case was decided {first_decided_s} s after the start."
    console.print(both(first, f"第一件在启动 {first_decided_s} 秒后办结。"))


def _print_next_steps(console: Console, first_decided_s: float | None) -> None:
    _print_first(console, first_decided_s)
    console.print(both("What to try next:", "接下来可以试试："))
    for command, meaning in NEXT.items():
        console.print(f"  {command:34} {meaning}", markup=False, soft_wrap=True)


def _print_addresses(console: Console, platform: Platform, first_decided_s: float | None) -> None:
    _print_first(console, first_decided_s)
    console.print(both("Everything still runs, until Ctrl-C. Look at", "一切仍在运行，按 Ctrl-C 停止。请查看"))
    intake, monitor = platform.api("intake"), platform.api("monitor")
    for address, meaning in (
        (f"{intake}/catalogue", both("what applicants may apply for", "可申请的事项")),
        (f"{monitor}/alerts", both("the warnings and cards", "预警和黄牌、红牌")),
        (f"{monitor}/board?period={YEAR}", both("the figures above, and those of later cases", "以上数字及后续办件")),
    ):
        console.print(f"  {address:34} {meaning}", soft_wrap=True)
    console.print(f"  {platform.folder}/logs", soft_wrap=True)
