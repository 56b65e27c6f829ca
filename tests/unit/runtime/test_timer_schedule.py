"""The schedule of timers and retries, and how long retries are suppressed."""

from datetime import UTC, datetime, timedelta

from services.runtime.batch.timer_schedule import MAX_SUPPRESS_S, NEVER, SUPPRESS_S, RetrySuppression, TimerSchedule

SOON = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)


def test_retries_are_suppressed_for_a_while_after_messages_were_last_held_up() -> None:
    now = [1000.0]
    suppression = RetrySuppression(now=lambda: now[0])
    assert suppression.remaining_s == 0
    suppression.extend()
    assert suppression.remaining_s == SUPPRESS_S
    now[0] += 10
    suppression.extend()
    assert suppression.remaining_s == SUPPRESS_S
    now[0] += SUPPRESS_S
    assert suppression.remaining_s == 0


def test_retries_are_not_suppressed_for_ever() -> None:
    """The messages held up may belong to one partition only."""
    now = [1000.0]
    suppression = RetrySuppression(now=lambda: now[0])
    while now[0] < 1000.0 + MAX_SUPPRESS_S:
        suppression.extend()
        now[0] += SUPPRESS_S / 2
    until = now[0] + suppression.remaining_s
    suppression.extend()
    assert now[0] + suppression.remaining_s == until
    now[0] = until + 1
    suppression.extend()
    assert suppression.remaining_s == SUPPRESS_S, "a new suppression begins"


def test_a_batch_signals_only_an_earlier_moment() -> None:
    schedule = TimerSchedule()
    schedule.bring_forward(NEVER, NEVER)
    assert not schedule.changed.is_set()
    schedule.bring_forward(SOON, NEVER)
    assert schedule.changed.is_set() and (schedule.next_timer_at, schedule.next_retry_at) == (SOON, NEVER)
    schedule.changed.clear()
    schedule.bring_forward(SOON + timedelta(seconds=1), NEVER)
    assert not schedule.changed.is_set() and schedule.next_timer_at == SOON
