"""Deadlines reckoned day by day and second by second, as one would with a wall calendar: slow, and another's logic."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

from contracts.working_time import Calendar, OfficeHours, Suspension

DAY = timedelta(days=1)
FOREVER = datetime(9999, 1, 1)  # noqa: DTZ001 - on the clock of the place, like all here


def _suspended(day: date, suspensions: Sequence[Suspension], hours: OfficeHours) -> bool:
    return any(
        hours.local(one.since).date() <= day and (one.until is None or day < hours.local(one.until).date())
        for one in suspensions
    )


def due_by_the_day(
    start: datetime, working_days: int, suspensions: Sequence[Suspension], calendar: Calendar, hours: OfficeHours
) -> datetime | None:
    """Go from day to day; None if an open suspension is met before the last."""
    day, left = hours.local(start).date(), working_days
    while left:
        day += DAY
        if _suspended(day, suspensions, hours):
            if any(one.until is None and hours.local(one.since).date() <= day for one in suspensions):
                return None
            continue
        left -= calendar.is_working(day)
    return (datetime.combine(day, time.min) + hours.closes).replace(tzinfo=hours.tz).astimezone(UTC)


def days_used(
    start: datetime, end: datetime, suspensions: Sequence[Suspension], calendar: Calendar, hours: OfficeHours
) -> int:
    """Go from day to day and count."""
    day, last, used = hours.local(start).date(), hours.local(end).date(), 0
    while day < last:
        day += DAY
        used += calendar.is_working(day) and not _suspended(day, suspensions, hours)
    return used


def elapsed(
    start: datetime, until: datetime, suspensions: Sequence[Suspension], calendar: Calendar, hours: OfficeHours
) -> timedelta:
    """Working time from start to until: each piece of each working day less what suspensions take of it."""
    start, until = (at.astimezone(hours.tz).replace(tzinfo=None) for at in (start, until))
    taken = [
        (
            one.since.astimezone(hours.tz).replace(tzinfo=None),
            one.until.astimezone(hours.tz).replace(tzinfo=None) if one.until else FOREVER,
        )
        for one in suspensions
    ]
    total, day = timedelta(), start.date()
    while day <= until.date():
        if calendar.is_working(day):
            midnight = datetime.combine(day, time.min)
            total += _free(max(start, midnight), min(until, midnight + DAY), taken)
        day += DAY
    return total


def _free(begins: datetime, ends: datetime, taken: Sequence[tuple[datetime, datetime]]) -> timedelta:
    """How much of a piece of time nothing takes."""
    borders = sorted({begins, ends, *(at for span in taken for at in span if begins < at < ends)})
    return sum(
        (b - a for a, b in pairwise(borders) if not any(s <= a and b <= e for s, e in taken)),
        timedelta(),
    )
