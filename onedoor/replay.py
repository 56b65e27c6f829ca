"""``onedoor replay``: another system's cases through the whole platform, under a clock of their own time.

Time goes forward step by step. At each step the department's clock goes first: what happened by then is let in and
answered. When all of it has arrived, the clock of the others follows. So a deadline is never judged before everything
that was said by then is known, however long the machine takes.
"""

import asyncio
import csv
import shutil
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import httpx2
from rich.console import Console, Group
from rich.progress import Progress
from rich.table import Table
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from contracts.messages.alerts import Rung
from deploy.local.engine import EngineFailed
from deploy.local.platform import Platform
from deploy.local.supervisor import NotReady
from deploy.local.up import until_asked_to_stop, write_json
from deploy.local.wiring import RECORDED, Options
from onedoor.history import History, RecordedCase, RowRemark, UnreadableHistory, read
from services.departments.recorded.ledger import RecordedLedger
from services.monitor.core.rules import RuleSet, rule_set
from services.monitor.store import rule_store
from services.runtime.clock import FileClock
from services.runtime.store import documents
from services.runtime.yaml_file import InvalidFile

STEP = timedelta(days=7)
CREEP = 1e-6
"""Speed of the clocks between steps: all but standing, so that nothing happens by itself and yet patience ends."""

REGION = "450100"
"""Where the replayed cases are taken to be; the history does not say."""

FOR_GOOD_DAYS = 100_000

ROWS = 500
"""Cases a request to ``POST /imports``."""

STUCK_S = 120.0
"""Machine seconds without any progress after which the replay gives up."""

_ARRIVED = text("""
    SELECT count(*) FILTER (WHERE state LIKE '%"matter":%') AS opened,
        count(*) FILTER (WHERE closed_at IS NOT NULL) AS closed FROM cases
""")
_PENDING = text("""
    SELECT count(*) FILTER (WHERE timer_at <= :now) + count(*) FILTER (WHERE state LIKE '%"query_count":%') FROM cases
""")


class ReplayFailed(Exception):
    """The replay did not come to its end; the message says why."""


@dataclass(slots=True)
class Count:
    """How the cases of a group went."""

    cases: int = 0
    closed: int = 0
    late: int = 0
    open: int = 0
    open_late: int = 0


class Fired(NamedTuple):
    """A rung that would have fired."""

    case_id: str
    department: str
    rung: str
    due_at: str


@dataclass(slots=True)
class Report:
    """What the platform made of a history."""

    total: Count = field(default_factory=Count)
    by_department: dict[str, Count] = field(default_factory=lambda: defaultdict(Count))
    by_channel: dict[str, Count] = field(default_factory=lambda: defaultdict(Count))
    alerts: dict[str, dict[str, str]] = field(default_factory=dict)
    """Of cases closed late: case -> rung -> when it fell due."""
    open_alerts: dict[str, dict[str, str]] = field(default_factory=dict)
    """Of open cases that are late when the log ends."""
    withdrawn: int = 0
    ladder: list[Fired] = field(default_factory=list)
    """Every rung that fired and stands, in the order in which they fell due."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to come of a replay. ``limit_days`` takes the place of the deadlines on file, ``rules`` of the rules that
    onedoor comes with."""

    output: Path | None = None
    ladder: Path | None = None
    limit_days: int | None = None
    rules: Path | None = None


def run(file: Path, wanted: Wanted, zone: str, plain: bool) -> int:
    """Replay a file; the exit status."""
    console = Console(force_terminal=False if plain else None, highlight=False)
    folder = Path(tempfile.mkdtemp(prefix="onedoor-replay-"))
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            history = read(lines, ZoneInfo(zone))
        if not history.cases:
            raise UnreadableHistory("no row of the file is a case that can be replayed")
        rules = rule_set(rule_store.read(wanted.rules)) if wanted.rules is not None else None
        until_asked_to_stop(_replay(history, wanted, rules, folder, console))
    except InvalidFile as faults:
        console.print(f"{wanted.rules}: {faults}", markup=False, soft_wrap=True)
        return 1
    except (OSError, UnicodeDecodeError, UnreadableHistory) as failure:
        console.print(f"{file}: {failure}", markup=False, soft_wrap=True)
        return 1
    except (ReplayFailed, EngineFailed, NotReady) as failure:
        console.print(f"{failure}\nThe logs are in {folder / 'logs'}", markup=False, soft_wrap=True)
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    return 0


async def _replay(history: History, wanted: Wanted, rules: RuleSet | None, folder: Path, console: Console) -> None:
    began = time.monotonic()

    def say(message: str) -> None:
        console.print(f"{time.monotonic() - began:5.1f} s  {message}", markup=False, soft_wrap=True)

    starts = min(case.started_at for case in history.cases) - STEP
    clock = FileClock.create(folder / "clock", starts, CREEP)
    departments = FileClock.create(folder / "department-clock", starts, CREEP)
    options = Options(
        clock=str(folder / "clock"),
        systems=(RECORDED,),
        throwaway=True,
        extra={
            # Months pass in seconds; nothing may be forgotten before it has been reported.
            "*": {"ONEDOOR_CLOSED_RETENTION_DAYS": str(FOR_GOOD_DAYS)},
            RECORDED: {
                "ONEDOOR_CLOCK": str(folder / "department-clock"),
                "ONEDOOR_POLL_INTERVAL_S": "0.02",
            },
        },
    )
    say(f"starting Apache Kafka, PostgreSQL and four services in {folder}")
    async with Platform(folder, options, say) as platform:
        if rules is not None:
            await _put_in_force(platform, rules)
        say(f"replaying {len(history.cases)} cases, {starts + STEP:%Y-%m-%d} to {history.ends:%Y-%m-%d}")
        book = create_async_engine(platform.engines.database_url("office_recorded"))
        database = create_async_engine(platform.engines.database_url("onedoor_monitor"))
        try:
            async with httpx2.AsyncClient(timeout=60) as client:
                replay = _Replay(
                    history, wanted.limit_days, platform, client, clock, departments, RecordedLedger(book), database
                )
                await replay.run(console)
                report = await replay.report()
        finally:
            await book.dispose()
            await database.dispose()
        say("done")
    result = _result(history, report)
    if wanted.output is not None:
        write_json(wanted.output, result)
    console.print(_tables(report))
    if wanted.ladder is not None:
        _write_ladder(wanted.ladder, report)
        console.print(_ladder_table(report))
    for line in _remarks(history, report):
        console.print(line, markup=False, soft_wrap=True)


async def _put_in_force(platform: Platform, rules: RuleSet) -> None:
    """Judge by these rules: before the first case, so that nothing has to be reckoned anew."""
    for name, said in (("onedoor_monitor", rules), ("onedoor_intake", rules.almanac)):
        engine = create_async_engine(platform.engines.database_url(name))
        async with engine.begin() as connection:
            await documents.put(connection, said.model_dump(mode="json", by_alias=True), f"rules {rules.rules.version}")
        await engine.dispose()


class _Replay:
    """The course of one replay."""

    def __init__(
        self,
        history: History,
        limit_days: int | None,
        platform: Platform,
        client: httpx2.AsyncClient,
        clock: FileClock,
        departments: FileClock,
        book: RecordedLedger,
        monitor: AsyncEngine,
    ) -> None:
        self._history = history
        self._limit_days = limit_days
        self._intake = platform.address("intake")
        self._monitor = platform.address("monitor")
        self._client = client
        self._clock = clock
        self._departments = departments
        self._book = book
        self._database = monitor
        self._numbers: dict[str, str] = {}
        """Reference -> case number."""

    async def run(self, console: Console) -> None:
        """From the first case to the log's end."""
        await self._book.create()
        await self._book.write((case.reference, case.ended_at) for case in self._history.cases)
        waiting = sorted(self._history.cases, key=lambda case: case.started_at)
        with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task("", total=len(waiting))
            for until in _steps(waiting[0].started_at, self._history.ends):
                self._departments.set(until, CREEP)
                arrived = [case for case in waiting if case.started_at <= until]
                waiting = waiting[len(arrived) :]
                for rows in _chunks(arrived, ROWS):
                    await self._import(rows)
                await _until(self._all_arrived, f"everything of {until:%Y-%m-%d} to arrive")
                self._clock.set(until, CREEP)
                await _until(self._all_judged, f"monitor to judge the deadlines of {until:%Y-%m-%d}")
                progress.update(task, completed=len(self._numbers), description=f"{until:%Y-%m-%d}")

    async def _import(self, cases: Sequence[RecordedCase]) -> None:
        answer = await self._client.post(f"{self._intake}/imports", json=[self._row(case) for case in cases])
        if answer.status_code != httpx2.codes.OK:
            raise ReplayFailed(f"intake answered {answer.status_code}: {answer.text}")
        for case, row in zip(cases, answer.json(), strict=True):
            if "number" not in row:
                raise ReplayFailed(f"line {case.line}: intake will not take it: {row['errors']}")
            self._numbers[case.reference] = row["number"]

    def _row(self, case: RecordedCase) -> dict[str, Any]:
        row: dict[str, Any] = {
            "reference": case.reference,
            "matter_name": case.reference,
            "department": case.department,
            "system": RECORDED,
            "region": REGION,
            "channel": case.channel,
            "accepted_at": case.started_at.isoformat(),
        }
        if self._limit_days is not None:
            row["working_days"] = self._limit_days
        elif case.deadline is not None:
            row["due_at"] = case.deadline.isoformat()
        return row

    async def _all_arrived(self) -> tuple[bool, object]:
        """Whether monitor knows every case let in so far, and every answer given by now."""
        now = self._departments.now()
        decided = sum(
            case.ended_at is not None and case.ended_at <= now
            for case in self._history.cases
            if case.reference in self._numbers
        )
        async with self._database.connect() as connection:
            opened, closed = (await connection.execute(_ARRIVED)).one()
        return opened == len(self._numbers) and closed == decided, (opened, closed)

    async def _all_judged(self) -> tuple[bool, object]:
        """Whether monitor has dealt with every deadline that has come."""
        async with self._database.connect() as connection:
            pending = await connection.scalar(_PENDING, {"now": self._clock.now()})
        return pending == 0, pending

    async def report(self) -> Report:
        """How every case went, as monitor tells it."""
        alerts: dict[str, dict[str, str]] = defaultdict(dict)
        report = Report()
        async for alert in self._alerts():
            if alert["withdrawn_at"]:
                report.withdrawn += 1
            elif alert["rung"] in alerts[alert["case_id"]]:
                raise ReplayFailed(f"case {alert['case_id']} drew two alerts of the rung {alert['rung']}")
            else:
                alerts[alert["case_id"]][alert["rung"]] = alert["due_at"]
        for cases in _chunks(self._history.cases, 20):
            numbers = [self._numbers[case.reference] for case in cases]
            told = await asyncio.gather(*(self._get(f"/commitments/{number}") for number in numbers))
            for case, number, view in zip(cases, numbers, told, strict=True):
                self._count(report, case, view, alerts[number])
                report.ladder += [
                    Fired(case.reference, case.department, rung, due_at) for rung, due_at in alerts[number].items()
                ]
        report.ladder.sort(key=lambda fired: (datetime.fromisoformat(fired.due_at), fired))
        return report

    def _count(self, report: Report, case: RecordedCase, view: dict[str, Any], alerts: dict[str, str]) -> None:
        due = next((datetime.fromisoformat(one["committed_due"]) for one in view["commitments"]), None)
        decided_at = datetime.fromisoformat(view["decided_at"]) if view["decided_at"] else None
        late = due is not None and (decided_at or self._history.ends) > due
        for count in (report.total, report.by_department[case.department], report.by_channel[case.label]):
            count.cases += 1
            count.closed += decided_at is not None
            count.late += decided_at is not None and late
            count.open += decided_at is None
            count.open_late += decided_at is None and late
        if late:
            kept = report.alerts if decided_at else report.open_alerts
            kept[case.reference] = {rung: alerts[rung] for rung in Rung if rung in alerts}

    async def _alerts(self) -> Any:
        after: str | None = None
        while True:
            page = await self._get("/alerts", limit=1000, **({"after": after} if after else {}))
            for alert in page["alerts"]:
                yield alert
            if (after := page["next"]) is None:
                return

    async def _get(self, path: str, **query: object) -> dict[str, Any]:
        answer = await self._client.get(f"{self._monitor}{path}", params={k: str(v) for k, v in query.items()})
        if answer.status_code != httpx2.codes.OK:
            raise ReplayFailed(f"monitor answered {answer.status_code} to {path}: {answer.text}")
        content: dict[str, Any] = answer.json()
        return content


def _steps(first: datetime, last: datetime) -> Iterator[datetime]:
    """The moments to which the clock is set, ending exactly with the log."""
    at = first + STEP
    while at < last:
        yield at
        at += STEP
    yield last


def _chunks(cases: Sequence[RecordedCase], size: int) -> Iterator[Sequence[RecordedCase]]:
    for start in range(0, len(cases), size):
        yield cases[start : start + size]


async def _until(condition: Callable[[], Awaitable[tuple[bool, object]]], what: str) -> None:
    """Wait until the condition holds; give up when nothing has changed for long."""
    seen: object = None
    deadline = time.monotonic() + STUCK_S
    while True:
        holds, progress = await condition()
        if holds:
            return
        if progress != seen:
            seen, deadline = progress, time.monotonic() + STUCK_S
        elif time.monotonic() > deadline:
            raise ReplayFailed(f"waited {STUCK_S:.0f} s in vain for {what} ({progress})")
        await asyncio.sleep(0.01)


def _result(history: History, report: Report) -> dict[str, Any]:
    return {
        **asdict(report.total),
        "rejected": [asdict(remark) for remark in history.rejected],
        "odd": [asdict(remark) for remark in history.odd],
        "alerts": report.alerts,
        "open_alerts": report.open_alerts,
        "withdrawn_alerts": report.withdrawn,
        "log_ends": history.ends.isoformat(),
        "by_department": {name: asdict(count) for name, count in sorted(report.by_department.items())},
        "by_channel": {name: asdict(count) for name, count in sorted(report.by_channel.items())},
    }


def _tables(report: Report) -> Group:
    return Group(
        _table("By department", report.by_department, report.total),
        _table("By channel", report.by_channel, report.total),
    )


def _write_ladder(file: Path, report: Report) -> None:
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(Fired._fields)
        writer.writerows(report.ladder)


def _ladder_table(report: Report) -> Table:
    """How many of each rung fall due in each month."""
    months: dict[str, Counter[str]] = defaultdict(Counter)
    for fired in report.ladder:
        months[fired.due_at[:7]][fired.rung] += 1
    table = Table(title="Rungs by the month in which they fall due", title_justify="left", show_footer=True)
    table.add_column("", footer="all")
    for rung in Rung:
        table.add_column(rung, footer=str(sum(count[rung] for count in months.values())), justify="right")
    for month in sorted(months):
        table.add_row(month, *(str(months[month][rung]) for rung in Rung))
    return table


def _table(title: str, groups: dict[str, Count], total: Count) -> Table:
    table = Table(title=title, title_justify="left", show_footer=True)
    table.add_column("", footer="all")
    for name, value in asdict(total).items():
        table.add_column(name.replace("_", " "), footer=str(value), justify="right")
    for name, count in sorted(groups.items()):
        table.add_row(name, *(str(value) for value in asdict(count).values()))
    return table


def _remarks(history: History, report: Report) -> Iterator[str]:
    complete = sum(len(rungs) == len(Rung) for rungs in report.alerts.values())
    yield f"{len(report.alerts)} cases were closed late; {complete} of them drew each rung exactly once."
    yield f"{len(report.open_alerts)} open cases were late when the log ended, at {history.ends}."
    yield from _listed("rejected", history.rejected)
    yield from _listed("odd, and replayed all the same", history.odd)


def _listed(what: str, remarks: Iterable[RowRemark]) -> Iterator[str]:
    found = list(remarks)
    if found:
        yield f"{len(found)} row{'s' if len(found) > 1 else ''} {what}:"
    for remark in found[:20]:
        yield f"  line {remark.line}, {remark.case_id or 'no case_id'}: {remark.reason}"
    if len(found) > 20:
        yield f"  and {len(found) - 20} more; --json lists them all"
