"""Which days are working days, and counting them."""

import csv
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.working_time import Calendar, Day, published_calendar

ORACLE = Path(__file__).resolve().parents[4] / "shared" / "data" / "calendars" / "workdays-2007-2026.csv"
DAYS = st.dates(date(1990, 1, 1), date(2060, 12, 31))
CALENDAR = published_calendar()


@pytest.mark.skipif(not ORACLE.parent.is_dir(), reason="the table of agreed working days is not beside this checkout")
def test_agrees_with_three_independent_sources_on_every_day() -> None:
    with ORACLE.open(encoding="utf-8", newline="") as file:
        agreed = {date.fromisoformat(row["date"]): row["holiday_cn_workday"] == "1" for row in csv.DictReader(file)}
    assert len(agreed) == 7305
    assert [day for day, working in agreed.items() if CALENDAR.is_working(day) != working] == []


@pytest.mark.parametrize(
    ("day", "working"),
    [
        (date(2026, 2, 14), True),  # a Saturday worked for the Spring Festival
        (date(2026, 2, 17), False),  # a Tuesday, New Year's Day of the lunar calendar
        (date(2026, 10, 8), True),  # the Thursday after the National Day week
        (date(2026, 10, 10), True),  # a Saturday worked for the National Day week
        (date(2026, 10, 11), False),  # a plain Sunday
        (date(1999, 12, 31), True),  # a Friday before anything is published
        (date(2000, 1, 1), False),
        (date(2035, 5, 1), True),  # a Tuesday of a year not yet published: nobody knows that it is a holiday
        (date(2035, 5, 5), False),
    ],
)
def test_working_day(day: date, working: bool) -> None:
    assert CALENDAR.is_working(day) is working


def test_ranks_are_continuous_at_the_ends_of_the_published_years() -> None:
    for border in (CALENDAR.first_published, CALENDAR.first_unpublished):
        ordinals = range(border.toordinal() - 10, border.toordinal() + 10)
        for ordinal in ordinals:
            working = CALENDAR.is_working(date.fromordinal(ordinal))
            assert CALENDAR.rank(ordinal) - CALENDAR.rank(ordinal - 1) == int(working)


@given(DAYS, st.integers(1, 60))
def test_adding_counts_each_working_day_once(day: date, n: int) -> None:
    reached, left = day, n
    while left:
        reached += timedelta(days=1)
        left -= CALENDAR.is_working(reached)
    assert CALENDAR.add_working_days(day, n) == reached


@given(DAYS, st.integers(1, 60))
def test_subtracting_counts_each_working_day_once(day: date, n: int) -> None:
    reached, left = day, n
    while left:
        reached -= timedelta(days=1)
        left -= CALENDAR.is_working(reached)
    assert CALENDAR.add_working_days(day, -n) == reached


@given(DAYS)
def test_adding_nothing_stays(day: date) -> None:
    assert CALENDAR.add_working_days(day, 0) == day


@given(st.integers(-4000, 4000))
def test_ordinal_of_inverts_rank(n: int) -> None:
    rank = CALENDAR.rank(CALENDAR.first_unpublished.toordinal()) + n
    assert CALENDAR.rank(CALENDAR.ordinal_of(rank)) == rank


def test_a_custom_calendar() -> None:
    festival = date(2026, 4, 20)
    calendar = Calendar(
        version="test 1",
        region="450000",
        days={festival: Day(True, "三月三"), date(2026, 4, 25): Day(False, "三月三")},
        first_published=date(2026, 1, 1),
        first_unpublished=date(2027, 1, 1),
    )
    assert calendar.add_working_days(date(2026, 4, 17), 1) == date(2026, 4, 21)
    assert calendar.add_working_days(date(2026, 4, 24), 1) == date(2026, 4, 25)


def test_published_years_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ValueError, match="first unpublished"):
        Calendar("test", "CN", {}, date(2027, 1, 1), date(2026, 1, 1))


def test_the_published_calendar_is_built_once() -> None:
    assert published_calendar() is CALENDAR
    assert CALENDAR.region == "CN"
    assert CALENDAR.first_unpublished >= date(2027, 1, 1)
