"""When each rung falls due."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.messages.alerts import Rung
from contracts.messages.plans import Limits
from contracts.working_time import published_calendar
from services.monitor.core.ladder import ClockHistory, DueDates, due_dates
from services.monitor.core.rules import CountedLadder, RungRule
from services.monitor.store.rule_store import shipped
from tests.support.messages import at, limits

RULES = shipped()
LADDER = RULES.ladder("case", "440305", "any")
SCALE = RULES.counted_ladder("case", "440305", "any")
EARLY = CountedLadder({**LADDER, Rung.WARNING: RungRule(days_left=5)}, SCALE.counting_rules)
"""A limit of five days or less is warned of as soon as it begins."""


def found(of: Limits, opened: datetime) -> DueDates:
    return due_dates(of, ClockHistory(opened), SCALE)


@pytest.mark.parametrize(
    ("days", "before"),
    [(None, 2), (1, 0), (2, 1), (3, 1), (4, 2), (20, 2)],
)
def test_warning_comes_two_days_before_or_half_the_limit(days: int | None, before: int) -> None:
    assert LADDER[Rung.WARNING].days_before(days) == before


@pytest.mark.parametrize(
    ("opened", "committed", "statutory", "warning", "yellow", "red"),
    [
        # Monday; five days end the next Monday, ten the Monday after.
        ("2026-03-02 10:00", 5, 10, "2026-03-05 09:00", "2026-03-09 17:30", "2026-03-16 17:30"),
        # A limit of one day is warned of in the morning of that day.
        ("2026-03-02 10:00", 1, 3, "2026-03-03 09:00", "2026-03-03 17:30", "2026-03-05 17:30"),
        # On the spot: no warning before the card.
        ("2026-03-02 10:00", 0, 1, "2026-03-02 17:30", "2026-03-02 17:30", "2026-03-03 17:30"),
        # National Day 2025: eight days off, and Saturday the 11th is worked.
        ("2025-09-30 10:00", 3, 5, "2025-10-10 09:00", "2025-10-11 17:30", "2025-10-14 17:30"),
    ],
)
def test_moments_of_limits_in_working_days(
    opened: str, committed: int, statutory: int, warning: str, yellow: str, red: str
) -> None:
    assert found(limits(committed, statutory), at(opened)) == DueDates(
        warning=at(warning), yellow=at(yellow), red=at(red)
    )


@pytest.mark.parametrize(
    ("opened", "due", "warning"),
    [
        (at("2026-03-02 10:00"), at("2026-03-12 13:41"), at("2026-03-10 09:00")),
        # Pinned on a Sunday: the second working day before it is the Thursday.
        (at("2026-03-02 10:00"), at("2026-03-15 13:41"), at("2026-03-12 09:00")),
        # Opened with less left than that: warned at once.
        (at("2026-03-11 10:00"), at("2026-03-12 13:41"), at("2026-03-11 10:00")),
        # Broken when it was opened: the warning does not come after the card.
        (at("2026-03-13 10:00"), at("2026-03-12 13:41"), at("2026-03-12 13:41")),
    ],
)
def test_warning_of_a_pinned_moment(opened: datetime, due: datetime, warning: datetime) -> None:
    assert found(limits(due, due), opened).warning == warning


def test_a_deadline_in_an_unpublished_year_is_provisional() -> None:
    last = published_calendar().first_unpublished
    opened = datetime(last.year - 1, 12, 30, 2, tzinfo=at("2026-01-01 00:00").tzinfo)
    assert found(limits(1, 20), opened).provisional


@given(
    st.integers(0, 5 * 366 * 86_400).map(lambda seconds: at("2024-01-01 00:00") + timedelta(seconds=seconds)),
    st.integers(1, 30),
    st.integers(1, 60),
)
def test_cached_due_dates_hold_for_each_moment_of_the_day(opened: datetime, committed: int, more: int) -> None:
    of = limits(committed, committed + more)
    at_its_end = opened.astimezone(EARLY.counting_rules.hours.tz).replace(hour=23, minute=59, second=59)
    assert due_dates(of, ClockHistory(at_its_end), EARLY).warning  # the day is cached by now
    begun_anew = due_dates(of, ClockHistory(opened, restarted_at=opened), EARLY)  # which is computed by itself
    assert due_dates(of, ClockHistory(opened), EARLY) == begun_anew
