"""How long a session lasts."""

from datetime import UTC, datetime, timedelta

import pytest

from services.front.core.sessions import (
    USED_EVERY,
    EndReason,
    SessionLimits,
    SessionTimes,
    ended,
    ends_at,
    idle_at,
    is_use_recorded,
)

BEGAN = datetime(2026, 4, 1, 9, tzinfo=UTC)
LIMITS = SessionLimits(timedelta(minutes=15), timedelta(hours=12))


@pytest.mark.parametrize(
    ("used_after", "now_after", "reason"),
    [
        (timedelta(), timedelta(minutes=15), None),
        (timedelta(), timedelta(minutes=15) + USED_EVERY, "idle"),
        (timedelta(hours=11, minutes=50), timedelta(hours=11, minutes=59), None),
        (timedelta(hours=11, minutes=59), timedelta(hours=12), "too-long"),
    ],
)
def test_a_session_ends_when_it_is_not_used_and_after_a_day(
    used_after: timedelta, now_after: timedelta, reason: EndReason | None
) -> None:
    assert ended(SessionTimes(BEGAN, BEGAN + used_after), LIMITS, BEGAN + now_after) == reason


def test_a_use_is_recorded_now_and_then() -> None:
    times = SessionTimes(BEGAN, BEGAN)
    assert is_use_recorded(times, BEGAN + USED_EVERY / 2) and not is_use_recorded(times, BEGAN + USED_EVERY)


def test_the_end_of_a_day_comes_before_the_end_by_idleness() -> None:
    times = SessionTimes(BEGAN, BEGAN + timedelta(hours=11, minutes=50))
    assert idle_at(times, LIMITS) == ends_at(times, LIMITS) == BEGAN + timedelta(hours=12)
    assert idle_at(SessionTimes(BEGAN, BEGAN), LIMITS) == BEGAN + timedelta(minutes=15)
