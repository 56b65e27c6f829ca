"""Deadlines a second in one process, beside other libraries for working days.

All have the same starts and limits: 1 to 45 working days from moments of the years 2022 and 2023, the last that all of
them know. Onedoor computes from instant to instant, with zones and closing
times; the others, in their favour, from date to date. ``business-duration`` counts the days between two dates and finds
no deadlines, so onedoor counts as well beside it. A figure gives the share of the other deadlines that is lawful.
"""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from random import Random

from contracts.messages.plans import Limit
from contracts.working_time import (
    CountingRules,
    LimitHistory,
    OfficeHours,
    Suspension,
    due,
    due_uninterrupted,
    published_calendar,
)
from contracts.working_time.deadlines import working_days_between
from contracts.working_time.explanation.explain import explain
from tests.benchmarks.figures import Figure, figure

TARGET = 500_000.0
SEED = 11
STARTS = 20_000
SECONDS = 2.0
"""Least seconds of each measurement."""

_CALENDAR = published_calendar()
_HOURS = OfficeHours()
_OPENS, _CLOSES = (datetime(2026, 1, 1, hour, minute, tzinfo=UTC).time() for hour, minute in ((9, 0), (17, 30)))
_RULES = CountingRules(_CALENDAR, _HOURS)


def build_limits() -> list[tuple[datetime, int]]:
    """Starts and limits."""
    random = Random(SEED)
    first = datetime(2022, 1, 1, tzinfo=UTC)
    return [(first + timedelta(seconds=random.randrange(86_400 * 600)), random.randrange(1, 46)) for _ in range(STARTS)]


def rate(work: Callable[[], int]) -> float:
    """The rate a second, over rounds of at least `SECONDS` together."""
    done, began = 0, time.perf_counter()
    while (took := time.perf_counter() - began) < SECONDS:
        done += work()
    return done / took


def measure() -> list[Figure]:
    """Rates of deadlines and counts, of onedoor and the others."""
    made = build_limits()
    limited = [(start, Limit(working_days=days)) for start, days in made]
    stays = [(start, limit, (_suspension(start),)) for start, limit in limited]

    def ours() -> int:
        for start, limit in limited:
            due_uninterrupted(limit, start, _RULES)
        return len(limited)

    def suspended() -> int:
        for start, limit, stay in stays:
            due(LimitHistory(limit, start, stay), _RULES)
        return len(stays)

    def explained() -> int:
        for start, limit in limited[:200]:
            explain(LimitHistory(limit, start), _RULES)
        return 200

    deadlines = rate(ours)
    figures = [
        figure("deadlines a second", deadlines, "1/s", TARGET),
        figure("deadlines a second, with a suspension", rate(suspended), "1/s"),
        figure("deadlines a second, each explained", rate(explained), "1/s"),
    ]
    days = [(_HOURS.local(start).date(), limit) for start, limit in made]
    lawful = [_CALENDAR.add_working_days(day, n) for day, n in days]
    for name, deadline in (("workalendar", _workalendar()), ("holidays", _holidays())):
        theirs, right = _rate_and_correct_share(deadline, days, lawful)
        figures += [
            figure(f"deadlines a second against {name}", deadlines / theirs, "times", ratio_to=name),
            figure(f"share of {name}'s deadlines that are lawful", right, "1"),
        ]
    counting = _count_ratio(made)
    return [*figures, figure("counts a second against business-duration", counting, "times")]


def _suspension(start: datetime) -> Suspension:
    return Suspension(start + timedelta(days=2), start + timedelta(days=5))


def _rate_and_correct_share(
    deadline: Callable[[date, int], date], days: Sequence[tuple[date, int]], lawful: Sequence[date]
) -> tuple[float, float]:
    right = sum(deadline(day, n) == expected for (day, n), expected in zip(days[:1000], lawful, strict=False)) / 1000

    def work() -> int:
        for day, n in days[:200]:
            deadline(day, n)
        return 200

    return rate(work), right


def _workalendar() -> Callable[[date, int], date]:
    from workalendar.asia import China

    calendar = China()

    def deadline(day: date, n: int) -> date:
        found: date = calendar.add_working_days(day, n)
        return found

    return deadline


def _holidays() -> Callable[[date, int], date]:
    import holidays

    calendar = holidays.country_holidays("CN", years=range(2021, 2025))

    def deadline(day: date, n: int) -> date:
        found: date = calendar.get_nth_working_day(day, n)
        return found

    return deadline


def _count_ratio(made: Sequence[tuple[datetime, int]]) -> float:
    """How many times faster than business-duration the working days between two moments are counted."""
    from business_duration import businessDuration

    off = [day for day, entry in _CALENDAR.days.items() if entry.off and day.year in (2022, 2023, 2024)]
    spans = [(start, start + timedelta(days=2 * days)) for start, days in made]
    naive = [(a.replace(tzinfo=None), b.replace(tzinfo=None)) for a, b in spans[:200]]

    def ours() -> int:
        for start, end in spans:
            working_days_between(start, end, _CALENDAR, _HOURS)
        return len(spans)

    def theirs() -> int:
        for start, end in naive:
            businessDuration(start, end, _OPENS, _CLOSES, holidaylist=off, unit="hour")
        return len(naive)

    return rate(ours) / rate(theirs)
