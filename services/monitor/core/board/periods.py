"""The periods for which the board has figures: a month, a quarter, a year, or any days. Pure."""

import re
from calendar import monthrange
from datetime import date, timedelta
from typing import NamedTuple

from contracts.faults import fault

EARLIEST, LATEST = date(2000, 1, 1), date(2199, 12, 31)
"""The days that a period may have."""

LONGEST = timedelta(days=3653)
"""The longest period: ten years, so that there are twelve before it."""

LINE = 12
"""Periods of the small line."""

_MONTH = re.compile(r"([0-9]{4})-([0-9]{2})")
_QUARTER = re.compile(r"([0-9]{4})-Q([1-4])")
_YEAR = re.compile(r"[0-9]{4}")
_DAYS = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})\.\.([0-9]{4}-[0-9]{2}-[0-9]{2})")


class Days(NamedTuple):
    """Days from ``first`` to ``last``, both included."""

    first: date
    last: date


class Parts(NamedTuple):
    """The same days as whole calendar months and single days, which are counted in tables of their own.

    ``months`` has the first days of the first and of the last month; None where there is nothing of the kind.
    """

    months: Days | None
    days: tuple[Days, ...]


class Period(NamedTuple):
    """A period. ``months``: the number of calendar months that it consists of, 0 for any other days."""

    first: date
    last: date
    months: int

    @property
    def span(self) -> Days:
        """Its days."""
        return Days(self.first, self.last)

    def __str__(self) -> str:
        year, month = self.first.year, self.first.month
        match self.months:
            case 1:
                return f"{year:04}-{month:02}"
            case 3 if month % 3 == 1:
                return f"{year:04}-Q{month // 3 + 1}"
            case 12 if month == 1:
                return f"{year:04}"
            case _:
                return f"{self.first}..{self.last}"


def parse_period(text: str) -> Period:
    """The period with this name: ``2026-04``, ``2026-Q1``, ``2026`` or ``2026-04-03..2026-05-06``.

    Raises `ValueError`.
    """
    try:
        return _checked(_parsed(text.strip().upper().replace("～", "..")))
    except (ValueError, OverflowError):
        raise fault(
            "is no period; write for example 2026-04, 2026-Q1, 2026 or 2026-04-03..2026-05-06, of ten years at most",
            "不是统计期间，请填写例如 2026-04、2026-Q1、2026 或 2026-04-03..2026-05-06，最长十年",
        ) from None


def _parsed(text: str) -> Period:
    if found := _MONTH.fullmatch(text):
        return _months(int(found[1]), int(found[2]), 1)
    if found := _QUARTER.fullmatch(text):
        return _months(int(found[1]), 3 * int(found[2]) - 2, 3)
    if _YEAR.fullmatch(text):
        return _months(int(text), 1, 12)
    if found := _DAYS.fullmatch(text):
        return period_of(date.fromisoformat(found[1]), date.fromisoformat(found[2]))
    raise ValueError(text)


def _checked(period: Period) -> Period:
    if not EARLIEST <= period.first <= period.last <= LATEST or period.last - period.first > LONGEST:
        raise ValueError(period)
    return period


def period_of(first: date, last: date) -> Period:
    """The period of these days."""
    whole = first.day == 1 and last == _end_of_month(last)
    return Period(first, last, 12 * (last.year - first.year) + last.month - first.month + 1 if whole else 0)


def month_of(day: date) -> Period:
    """The calendar month of a day."""
    return _months(day.year, day.month, 1)


def before(period: Period) -> Period:
    """The period of the same length that ends on the day before: so many calendar months, or so many days."""
    if period.months:
        year, month = divmod(12 * period.first.year + period.first.month - 1 - period.months, 12)
        return _months(year, month + 1, period.months)
    length = period.last - period.first
    last = period.first - timedelta(days=1)
    return Period(last - length, last, 0)


def line(period: Period) -> tuple[Period, ...]:
    """The last twelve periods, oldest first, this one included.

    Of any days, the last twelve calendar months up to that of the last day: twelve times as many single days would take
    twelve times as long to read.
    """
    last = period if period.months else month_of(period.last)
    found = [last]
    while len(found) < LINE:
        found.append(before(found[-1]))
    return tuple(reversed(found))


def parts(span: Days) -> Parts:
    """These days as whole months and single days, none twice."""
    first_month = span.first if span.first.day == 1 else _next_month(span.first)
    after = span.last + timedelta(days=1)
    end = after.replace(day=1)
    if first_month >= end:
        return Parts(None, (span,))
    singles = [
        Days(first, last)
        for first, last in (
            (span.first, first_month - timedelta(days=1)),
            (end, span.last),
        )
        if first <= last
    ]
    return Parts(Days(first_month, (end - timedelta(days=1)).replace(day=1)), tuple(singles))


def _months(year: int, month: int, count: int) -> Period:
    first = date(year, month, 1)
    index = 12 * year + month - 1 + count - 1
    return Period(first, _end_of_month(date(index // 12, index % 12 + 1, 1)), count)


def _end_of_month(day: date) -> date:
    return day.replace(day=monthrange(day.year, day.month)[1])


def _next_month(day: date) -> date:
    return _end_of_month(day) + timedelta(days=1)
