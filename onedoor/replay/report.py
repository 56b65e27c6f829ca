"""The result of a replay: how the cases of each group went, and which rungs of the ladder fired."""

import csv
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Group
from rich.table import Table

from contracts.bilingual import both
from contracts.messages.alerts import Rung
from onedoor.replay.history import History, RecordedCase, RowRemark
from services.runtime.http.bodies.csv import escape_formula

LISTED = 20
"""Most rows that are printed one by one."""


@dataclass(slots=True)
class Count:
    """How the cases of a group went."""

    cases: int = 0
    closed: int = 0
    late: int = 0
    open: int = 0
    open_late: int = 0


class FiredRung(NamedTuple):
    """A rung that fired and was not withdrawn."""

    case_id: str
    department: str
    rung: str
    due_at: str


@dataclass(slots=True)
class Report:
    """The result of a replay: the cases, the late ones and the rungs."""

    total: Count = field(default_factory=Count)
    by_department: dict[str, Count] = field(default_factory=lambda: defaultdict(Count))
    by_channel: dict[str, Count] = field(default_factory=lambda: defaultdict(Count))
    alerts: dict[str, dict[str, str]] = field(default_factory=dict)
    """Cases closed late: reference -> rung -> when it fell due."""
    open_alerts: dict[str, dict[str, str]] = field(default_factory=dict)
    """The same of open cases that are late when the history ends."""
    withdrawn: int = 0
    ladder: list[FiredRung] = field(default_factory=list)
    """Every rung that fired and was not withdrawn, in the order in which they fell due."""

    def add(self, case: RecordedCase, view: dict[str, Any], rungs: dict[str, str], ends: datetime) -> None:
        """Add a case: monitor's view of it, and the rungs that fired. ``ends`` is the end of the history."""
        due = next((datetime.fromisoformat(one["committed_due"]) for one in view["commitments"]), None)
        decided_at = datetime.fromisoformat(view["decided_at"]) if view["decided_at"] else None
        late = due is not None and (decided_at or ends) > due
        for count in (self.total, self.by_department[case.department], self.by_channel[case.label]):
            count.cases += 1
            count.closed += decided_at is not None
            count.late += decided_at is not None and late
            count.open += decided_at is None
            count.open_late += decided_at is None and late
        if late:
            group = self.alerts if decided_at else self.open_alerts
            group[case.reference] = {rung: rungs[rung] for rung in Rung if rung in rungs}
        self.ladder += [FiredRung(case.reference, case.department, rung, due_at) for rung, due_at in rungs.items()]


def result(history: History, report: Report) -> dict[str, Any]:
    """The result for other programs."""
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


def tables(report: Report) -> Group:
    """The counts by department and by channel."""
    return Group(
        _table("By department / 按部门", report.by_department, report.total),
        _table("By channel / 按渠道", report.by_channel, report.total),
    )


def _table(title: str, groups: dict[str, Count], total: Count) -> Table:
    table = Table(title=title, title_justify="left", show_footer=True)
    table.add_column("", footer="all")
    for name, value in asdict(total).items():
        table.add_column(name.replace("_", " "), footer=str(value), justify="right")
    for name, count in sorted(groups.items()):
        table.add_row(name, *(str(value) for value in asdict(count).values()))
    return table


def write_ladder(file: Path, report: Report) -> None:
    """Write each rung that fired as a row of a CSV file."""
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(FiredRung._fields)
        writer.writerows([escape_formula(cell) for cell in fired] for fired in report.ladder)


def ladder_table(report: Report) -> Table:
    """How many of each rung fell due in each month."""
    months: dict[str, Counter[str]] = defaultdict(Counter)
    for fired in report.ladder:
        months[fired.due_at[:7]][fired.rung] += 1
    table = Table(
        title="Rungs by the month in which they fall due / 按到期月份统计的警示", title_justify="left", show_footer=True
    )
    table.add_column("", footer="all")
    rungs = [rung for rung in Rung if any(count[rung] for count in months.values())]
    for rung in rungs:
        table.add_column(rung, footer=str(sum(count[rung] for count in months.values())), justify="right")
    for month in sorted(months):
        table.add_row(month, *(str(months[month][rung]) for rung in rungs))
    return table


def remarks(history: History, report: Report) -> Iterator[str]:
    """Details beside the tables, a line each: late cases with their rungs, and rows that were rejected or odd."""
    drawn = Counter(rung for rungs in report.alerts.values() for rung in rungs)
    rungs = ", ".join(f"{drawn[rung]} {rung}" for rung in Rung if drawn[rung])
    late, open_late = len(report.alerts), len(report.open_alerts)
    yield both(
        f"{_count(late, 'case')} closed late; rungs drawn, each once a case: {rungs or 'none'}.",
        f"{late} 件逾期办结；触发的警示（每件每级一次）：{rungs or '无'}。",
    )
    yield both(
        f"{_count(open_late, 'open case')} late when the history ended, at {history.ends}.",
        f"记录结束时（{history.ends}）有 {open_late} 件在办件逾期。",
    )
    yield from rejections(history)
    yield from _listed("odd, and replayed all the same", "有疑问，仍已重放", history.odd)


def rejections(history: History) -> Iterator[str]:
    """How many rows were rejected for each reason, and the first of them."""
    yield from _listed("rejected", "不能重放", history.rejected, written=bool(history.cases))


def _count(number: int, what: str) -> str:
    return f"1 {what} was" if number == 1 else f"{number} {what}s were"


def _listed(en: str, zh: str, found: Sequence[RowRemark], *, written: bool = True) -> Iterator[str]:
    """``written``: whether a result is written, which has all of them."""
    if found:
        yield both(f"{len(found)} row{'s' if len(found) > 1 else ''} {en}:", f"{len(found)} 行{zh}：")
    kinds = Counter(remark.kind for remark in found)
    for kind, count in kinds.most_common() if len(kinds) < len(found) else ():
        yield f"  {count} × {kind}"
    for remark in found[:LISTED]:
        yield f"  {remark.case_id or 'no case_id'}: {remark.reason}"
    if len(found) > LISTED:
        left = len(found) - LISTED
        where, where_zh = ("; --json lists them all", "；--json 列出全部") if written else ("", "")
        yield "  " + both(f"and {left} more{where}", f"另有 {left} 行{where_zh}")
