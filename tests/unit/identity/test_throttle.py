"""Attempts to guess, slowed down."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.identity.core.throttle import LONGEST_WAIT, Attempts, counted, opens_at

START = datetime(2026, 1, 1, tzinfo=UTC)
NONE = Attempts(0, START)


def after(number: int, free: int = 5) -> Attempts:
    """So many attempts at one moment."""
    attempts = NONE
    for _ in range(number):
        attempts = counted(attempts, free, START)
    return attempts


def test_the_free_attempts_wait_for_nothing_and_each_later_one_twice_as_long() -> None:
    waits = [opens_at(after(number), 5) for number in range(12)]
    assert waits[:5] == [None] * 5
    assert [(one - START).total_seconds() for one in waits[5:] if one] == [1, 2, 4, 8, 16, 32, 64]


@given(st.integers(5, 100_000))
def test_the_wait_has_an_end_however_many_attempts_there_were(number: int) -> None:
    opens = opens_at(after(min(number, 200)), 5)
    assert opens is not None and opens - START <= LONGEST_WAIT


def test_attempts_are_forgotten_within_hours() -> None:
    later = START + timedelta(hours=3)
    assert counted(after(200), 5, later) == Attempts(1, later)


def test_a_day_of_guesses_without_pause_has_few_hundred() -> None:
    attempts, now, guesses = NONE, START, 0
    while now < START + timedelta(days=1):
        now = max(now, opens_at(attempts, 5) or now)
        attempts = counted(attempts, 5, now)
        guesses += 1
    assert 200 < guesses < 400
