"""The periods of the board, by examples and against counting day by day."""

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.monitor.core.board import periods
from services.monitor.core.board.periods import LINE, Days, Period, parse_period

days = st.dates(date(2001, 1, 1), date(2198, 12, 31))


@pytest.mark.parametrize(
    ("text", "first", "last", "previous"),
    [
        ("2026-04", date(2026, 4, 1), date(2026, 4, 30), "2026-03"),
        ("2024-02", date(2024, 2, 1), date(2024, 2, 29), "2024-01"),
        ("2026-01", date(2026, 1, 1), date(2026, 1, 31), "2025-12"),
        ("2026-Q1", date(2026, 1, 1), date(2026, 3, 31), "2025-Q4"),
        ("2026-q4", date(2026, 10, 1), date(2026, 12, 31), "2026-Q3"),
        ("2026", date(2026, 1, 1), date(2026, 12, 31), "2025"),
        ("2026-04-03..2026-05-06", date(2026, 4, 3), date(2026, 5, 6), "2026-02-28..2026-04-02"),
        ("2026-03-01..2026-03-01", date(2026, 3, 1), date(2026, 3, 1), "2026-02-28..2026-02-28"),
        ("2009-01-01..2009-05-31", date(2009, 1, 1), date(2009, 5, 31), "2008-08-01..2008-12-31"),
    ],
)
def test_a_period_has_days_and_one_before_it(text: str, first: date, last: date, previous: str) -> None:
    period = parse_period(text)
    assert (period.first, period.last) == (first, last)
    assert str(periods.before(period)) == previous
    assert parse_period(str(period)) == period


@pytest.mark.parametrize(
    "text",
    [
        "",
        "26-04",
        "2026-13",
        "2026-Q5",
        "2026-4",
        "0000",
        "9999",
        "2026-05-06..2026-05-05",
        "2026-02-30..2026-03-01",
        "2016-01-01..2026-01-02",
    ],
)
def test_anything_else_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match="2026-Q1"):
        parse_period(text)


@given(days, days)
def test_days_and_months_cover_a_period_once(one: date, other: date) -> None:
    span = Days(*sorted((one, other)))
    found = periods.parts(span)
    covered = [*found.days]
    if found.months is not None:
        assert found.months.first.day == found.months.last.day == 1
        covered.append(Days(found.months.first, periods.month_of(found.months.last).last))
    covered.sort()
    assert covered[0].first == span.first
    assert covered[-1].last == span.last
    assert all(after.first - before.last == timedelta(days=1) for before, after in pairwise(covered))
    assert sum((part.last - part.first).days + 1 for part in found.days) <= 61


@given(days, st.integers(0, 800))
def test_the_period_before_ends_the_day_before_and_is_as_long(first: date, more: int) -> None:
    period = periods.period_of(first, min(first + timedelta(days=more), date(2199, 12, 31)))
    previous = periods.before(period)
    assert period.first - previous.last == timedelta(days=1)
    assert previous.months == period.months
    if not period.months:
        assert previous.last - previous.first == period.last - period.first


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [("2026-04", "2025-05", "2026-04"), ("2026-Q2", "2023-Q3", "2026-Q2"), ("2026", "2015", "2026")],
)
def test_the_line_has_the_last_twelve_periods(text: str, first: str, last: str) -> None:
    line = periods.line(parse_period(text))
    assert (len(line), str(line[0]), str(line[-1])) == (LINE, first, last)
    assert [periods.before(later) for later in line[1:]] == list(line[:-1])


def test_the_longest_period_has_a_line_too() -> None:
    for text in ("2000-01-01..2009-12-31", "2000-01-02..2010-01-01"):
        assert len(periods.line(parse_period(text))) == LINE


def test_the_line_of_any_days_has_calendar_months() -> None:
    line = periods.line(Period(date(2026, 4, 3), date(2026, 5, 6), 0))
    assert [str(one) for one in line[-2:]] == ["2026-04", "2026-05"]
