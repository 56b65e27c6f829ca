"""Deadlines in working days, to the close of business."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.messages.plans import Limit
from contracts.working_time import (
    CountingMethod,
    CountingRules,
    Due,
    OfficeHours,
    due_after,
    due_uninterrupted,
    published_calendar,
    working_days_before,
    working_days_between,
)
from contracts.working_time.hours import parse_sessions

CALENDAR = published_calendar()
HOURS = OfficeHours()
RULES = CountingRules(CALENDAR, HOURS)
SHANGHAI = ZoneInfo("Asia/Shanghai")
INSTANTS = st.timedeltas(timedelta(), timedelta(days=365 * 31)).map(
    lambda passed: datetime(2005, 1, 1, tzinfo=UTC) + passed
)
LIMITS = st.integers(0, 120)


def local(year: int, month: int, day: int, hour: int = 10, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=SHANGHAI)


@pytest.mark.parametrize(
    ("start", "days", "due"),
    [
        (local(2026, 3, 2), 1, local(2026, 3, 3, 17, 30)),
        (local(2026, 3, 6, 23, 59), 1, local(2026, 3, 9, 17, 30)),  # Friday night: Monday
        (local(2026, 3, 7), 1, local(2026, 3, 9, 17, 30)),  # Saturday: Monday is the first day
        (local(2026, 2, 13), 1, local(2026, 2, 14, 17, 30)),  # the Saturday is worked
        (local(2026, 9, 30), 3, local(2026, 10, 10, 17, 30)),  # across the holiday, with a worked Saturday
        (local(2026, 3, 2), 20, local(2026, 3, 30, 17, 30)),
        (local(2026, 3, 2), 45, local(2026, 5, 8, 17, 30)),  # 6 April and 1, 4, 5 May are off
    ],
)
def test_the_day_of_the_event_does_not_count_and_the_last_counts_to_closing(
    start: datetime, days: int, due: datetime
) -> None:
    assert due_after(start, days, CALENDAR, HOURS) == Due(due, provisional=False)


def test_the_day_is_the_local_one() -> None:
    late_evening_in_utc = datetime(2026, 3, 2, 16, 30, tzinfo=UTC)  # 00:30 of 3 March in Shanghai
    due = due_after(late_evening_in_utc, 1, CALENDAR, HOURS)
    assert due.at == local(2026, 3, 4, 17, 30)
    assert due.at.tzinfo is UTC


@pytest.mark.parametrize(
    ("start", "due"),
    [
        (local(2026, 3, 2, 8), local(2026, 3, 2, 17, 30)),
        (local(2026, 3, 2, 17, 30), local(2026, 3, 2, 17, 30)),
        (local(2026, 3, 2, 17, 31), local(2026, 3, 3, 17, 30)),
        (local(2026, 3, 7), local(2026, 3, 9, 17, 30)),
    ],
)
def test_a_filing_is_due_on_the_spot(start: datetime, due: datetime) -> None:
    assert due_after(start, 0, CALENDAR, HOURS).at == due


def test_a_deadline_in_unpublished_years_is_provisional() -> None:
    last_known = datetime(CALENDAR.first_unpublished.year - 1, 12, 1, 2, tzinfo=UTC)
    assert due_after(last_known, 5, CALENDAR, HOURS).provisional is False
    assert due_after(last_known, 60, CALENDAR, HOURS).provisional is True


def test_a_limit_is_never_negative_and_a_start_has_a_zone() -> None:
    with pytest.raises(ValueError, match="negative"):
        due_after(local(2026, 3, 2), -1, CALENDAR, HOURS)
    with pytest.raises(ValueError, match="time zone"):
        due_after(local(2026, 3, 2).replace(tzinfo=None), 1, CALENDAR, HOURS)


def test_a_limit_is_resolved_by_counting_or_by_its_fixed_moment() -> None:
    start, pinned = local(2026, 3, 2), local(2031, 3, 8, 3)
    assert due_uninterrupted(Limit(working_days=1), start, RULES) == due_after(start, 1, CALENDAR, HOURS)
    assert due_uninterrupted(Limit(due_at=pinned), start, RULES) == Due(pinned, provisional=False)
    by_the_second = CountingRules(CALENDAR, HOURS, CountingMethod.SECOND)
    assert due_uninterrupted(Limit(working_days=1), start, by_the_second) == Due(local(2026, 3, 3), provisional=False)


@pytest.mark.parametrize(
    ("at", "n", "opening"),
    [
        (local(2026, 3, 3, 17, 30), 0, local(2026, 3, 3, 9)),
        (local(2026, 3, 3, 17, 30), 1, local(2026, 3, 2, 9)),
        (local(2026, 3, 3, 17, 30), 2, local(2026, 2, 28, 9)),  # a worked Saturday
        (local(2026, 3, 8), 0, local(2026, 3, 6, 9)),
        (local(2026, 3, 8), 1, local(2026, 3, 6, 9)),
        (local(2026, 3, 8), 2, local(2026, 3, 5, 9)),
    ],
)
def test_working_days_before(at: datetime, n: int, opening: datetime) -> None:
    assert working_days_before(at, n, CALENDAR, HOURS) == opening


@given(INSTANTS, INSTANTS, LIMITS, LIMITS)
def test_later_and_longer_is_never_due_earlier(a: datetime, b: datetime, m: int, n: int) -> None:
    a, b, m, n = min(a, b), max(a, b), min(m, n), max(m, n)
    assert due_after(a, m, CALENDAR, HOURS).at <= due_after(b, n, CALENDAR, HOURS).at


@given(INSTANTS, LIMITS)
def test_nothing_is_due_before_it_begins(start: datetime, n: int) -> None:
    due = due_after(start, n, CALENDAR, HOURS).at
    assert start <= due
    assert CALENDAR.is_working(HOURS.local(due))


@given(INSTANTS, st.integers(1, 120))
def test_counting_inverts_adding(start: datetime, n: int) -> None:
    due = due_after(start, n, CALENDAR, HOURS).at
    assert working_days_between(start, due, CALENDAR, HOURS) == n
    assert working_days_between(due, start, CALENDAR, HOURS) == -n


@given(INSTANTS, st.integers(1, 120))
def test_counting_back_inverts_counting_forward(start: datetime, n: int) -> None:
    due = due_after(start, n, CALENDAR, HOURS).at
    back = working_days_before(due, n, CALENDAR, HOURS)
    last_working = working_days_before(start, 0, CALENDAR, HOURS)
    assert back == last_working
    assert HOURS.local(back).time() == time(9)


@given(INSTANTS, INSTANTS, INSTANTS)
def test_counted_days_add_up(a: datetime, b: datetime, c: datetime) -> None:
    def between(start: datetime, end: datetime) -> int:
        return working_days_between(start, end, CALENDAR, HOURS)

    assert between(a, b) + between(b, c) == between(a, c)


def test_impossible_office_hours_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot open"):
        OfficeHours(sessions=((timedelta(hours=18), timedelta(hours=9)),))
    with pytest.raises(ZoneInfoNotFoundError):
        OfficeHours(zone="Asia/Nowhere")


def test_another_zone_with_summer_time() -> None:
    amsterdam = OfficeHours(zone="Europe/Amsterdam", sessions=parse_sessions(["09:00-17:00"]))
    before_the_change = datetime(2026, 3, 27, 12, tzinfo=UTC)
    assert due_after(before_the_change, 1, CALENDAR, amsterdam).at == datetime(2026, 3, 30, 15, tzinfo=UTC)
    assert due_after(before_the_change - timedelta(days=1), 1, CALENDAR, amsterdam).at.hour == 16
