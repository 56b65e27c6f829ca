"""The figures of a test's monitor: as they are kept, and as an oracle counts them from the states of all cases."""

from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from contracts.messages.alerts import Rung
from contracts.messages.commitments import step_key
from services.monitor.core.board.figures import COUNTED
from services.monitor.core.case_time import suspension_end
from services.monitor.core.rules import Rules
from services.monitor.core.state import MonitoredCase
from services.monitor.jobs.figure_counter import FigureCounter
from services.monitor.store.board.counting import ITEM, LEVELS, MONTH, OWNER, REGION
from tests.support.monitor_process import MonitorProcess

Figures = dict[tuple[Any, ...], dict[str, int]]
"""Level, kind, day, owner, region and matter -> what is counted there, without zeros."""

EVENTS = {
    Rung.WARNING: "warnings",
    Rung.YELLOW: "yellow_cards",
    Rung.RED: "red_cards",
    Rung.OVERSIGHT: "oversights",
}


def calm(_: float) -> float:
    """No task waits for a processor."""
    return 0.0


async def count(monitor: MonitorProcess) -> None:
    """Count all changes."""
    counter = FigureCounter(monitor.process.database, 0, calm)
    while await counter.run_once():
        pass


async def kept(monitor: MonitorProcess) -> Figures:
    """The figures as they are kept."""
    columns = ", ".join(("level", "kind", "day", "owner", "region", "matter", *COUNTED))
    rows = await monitor.rows(f"SELECT {columns} FROM figures")
    found = {row[:6]: {name: n for name, n in zip(COUNTED, row[6:], strict=True) if n} for row in rows}
    return {key: counts for key, counts in found.items() if counts}


def expected(states: dict[str, MonitoredCase], rules: Rules) -> Figures:
    """The figures of these cases, counted one by one."""
    counted: dict[tuple[Any, ...], Counter[str]] = {}
    for case in states.values():
        for kind, owner, day, name, amount in _of_case(case, rules):
            for level in LEVELS:
                for by_month in (0, MONTH):
                    key = (
                        level | by_month,
                        kind,
                        day.replace(day=1) if by_month else day,
                        owner if level & OWNER else "",
                        case.region if level & REGION else "",
                        case.matter if level & ITEM else "",
                    )
                    counted.setdefault(key, Counter())[name] += amount
    plain = {key: {name: n for name, n in counts.items() if n} for key, counts in counted.items()}
    return {key: counts for key, counts in plain.items() if counts}


def _of_case(case: MonitoredCase, rules: Rules) -> Iterable[tuple[str, str, date, str, int]]:
    if case.region is None:
        return
    counting = rules.counting_rules(case.region)

    def day(at: datetime) -> date:
        return counting.hours.local(at).date()

    spans = {
        commitment.key: [
            (record.since, suspension_end(case, record))
            for record in case.suspensions
            if rules.suspends(record.kind, record.step, commitment.key)
            and (ended_at is None or record.since < ended_at)
        ]
        for commitment, ended_at in case.commitment_ends()
    }

    def days(key: str, start: datetime, end: datetime) -> int:
        """Working days after that of the start, walked one by one; those of suspensions do not count."""
        found = 0
        for ordinal in range(day(start).toordinal() + 1, day(end).toordinal() + 1):
            one = date.fromordinal(ordinal)
            suspended = any(day(since) <= one and (not until or one < day(until)) for since, until in spans[key])
            found += counting.calendar.is_working(one) and not suspended
        return found

    for commitment, ended_at in case.commitment_ends():
        published = commitment.as_message()
        if published is None:
            continue
        place = commitment.key.split("/")[0], published.owner
        opened, due = day(published.opened_at), day(published.committed_due)
        yield *place, opened, "received", 1
        if ended_at is None:
            if published.pause is None:
                yield *place, due, "due_open", 1
        else:
            ended = day(ended_at)
            on_time = ended_at <= published.committed_due
            yield *place, ended, "closed", 1
            yield *place, ended, "on_time", on_time
            yield *place, ended, "early", on_time and ended < due
            yield *place, ended, "same_day", ended == opened
            start = max(published.opened_at, case.restarted_at or published.opened_at)
            yield *place, ended, "days_used", days(commitment.key, start, ended_at)
            extended = case.extension and commitment.key in ("case", *map(step_key, case.extension.steps))
            more = case.extension.days if case.extension and extended and case.extension.notified_at < ended_at else 0
            limits = commitment.limits
            for name, limit, end in (
                ("days_committed", limits.committed if limits else None, published.committed_due),
                ("days_statutory", limits.statutory if limits else None, published.statutory_due),
            ):
                length = limit.working_days if limit is not None and limit.due_at is None else None
                yield *place, ended, name, days(commitment.key, start, end) if length is None else length + more
        for alert in commitment.raised:
            if not alert.withdrawn:
                yield *place, day(alert.raised_at), EVENTS[alert.rung], 1
                taken = alert.acknowledgement
                if alert.rung is Rung.WARNING and taken and taken.acknowledged_at <= published.committed_due:
                    yield *place, day(alert.raised_at), "acknowledged_in_time", 1
            if alert.appeal is not None:
                yield *place, day(alert.appeal.appealed_at), "appeals", 1
                if alert.appeal.answer is not None:
                    outcome = "appeals_upheld" if alert.appeal.answer.upheld else "appeals_rejected"
                    yield *place, day(alert.appeal.appealed_at), outcome, 1
        for issue in case.platform_issues:
            if issue.commitment == commitment.key:
                yield *place, day(issue.raised_at), "platform_faults", 1
