"""Hours of business as people write them."""

from datetime import UTC, datetime, timedelta

import pytest

from contracts.messages.plans import Limit
from contracts.working_time import (
    CountingMethod,
    CountingRules,
    Due,
    LimitHistory,
    OfficeHours,
    due,
    published_calendar,
)
from contracts.working_time.hours import Session, parse_sessions

CALENDAR = published_calendar()


def session(opens: float, closes: float) -> Session:
    return timedelta(hours=opens), timedelta(hours=closes)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (["09:00-17:30"], [session(9, 17.5)]),
        (["9:00-17:30"], [session(9, 17.5)]),
        ([" 9:00 - 12:00 ", "13:30-17:30"], [session(9, 12), session(13.5, 17.5)]),
        (["９：００－１２：００"], [session(9, 12)]),
        (["9:00–12:00:30"], [session(9, 12 + 30 / 3600)]),
        (["9:00—12:00", "13:00~17:00"], [session(9, 12), session(13, 17)]),
        (["9：00至12：00", "13:00 到 17:00"], [session(9, 12), session(13, 17)]),
        (["00:00-24:00"], [session(0, 24)]),
        (["24:00-08:00"], [session(0, 8)]),
        (["22:00-06:00"], [session(0, 6), session(22, 24)]),
        (["22:00-00:00"], [session(22, 24)]),
        (["13:00-17:00", "08:00-12:00"], [session(8, 12), session(13, 17)]),
    ],
)
def test_hours_are_understood(written: list[str], meant: list[Session]) -> None:
    assert parse_sessions(written) == tuple(meant)
    assert OfficeHours(sessions=parse_sessions(written)).closes == meant[-1][1]


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("9-17", "write for example 09:00-17:30"),
        ("morning", "write for example 09:00-17:30"),
        ("09:00", "write for example 09:00-17:30"),
        ("09:00+08:00-17:00", "write for example 09:00-17:30"),
        ("09:00-24:01", "from 00:00 to 24:00"),
        ("09:60-12:00", "from 00:00 to 24:00"),
        ("24:00-00:00", "never closes is open 00:00-24:00"),
        ("09:00-09:00", "never closes is open 00:00-24:00"),
    ],
)
def test_impossible_hours_are_refused_with_what_to_write(written: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_sessions([written])


def test_hours_that_overlap_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot have opened"):
        OfficeHours(sessions=parse_sessions(["22:00-06:00", "05:00-12:00"]))


def test_an_endless_day_loses_no_minute_and_ends_on_its_own_date() -> None:
    hours = OfficeHours(sessions=parse_sessions(["00:00-24:00"]))
    monday = datetime(2026, 3, 2, 2, tzinfo=UTC)
    minutes = LimitHistory(Limit(working_minutes=24 * 60), monday)
    for method in CountingMethod:
        found = due(minutes, CountingRules(CALENDAR, hours, method))
        assert found == Due(monday + timedelta(days=1), provisional=False)
    days = due(LimitHistory(Limit(working_days=1), monday), CountingRules(CALENDAR, hours, CountingMethod.DAY))
    assert isinstance(days, Due)
    assert hours.local(days.at).isoformat() == "2026-03-03T23:59:59.999999+08:00"
