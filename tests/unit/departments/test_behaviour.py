"""When and how a sandbox decides."""

from datetime import UTC, datetime, timedelta
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.messages.plans import Outcome
from contracts.zone import CHINA
from services.departments.sandbox.behaviour import Behaviour, Mistake, after_office_days, simulated_outcome

MONDAY_TEN = datetime(2026, 3, 2, 2, tzinfo=UTC)


def china(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=CHINA)


@pytest.mark.parametrize(
    ("start", "days", "end"),
    [
        ("2026-03-02 10:00", 0.5, "2026-03-02 14:00"),
        ("2026-03-02 10:00", 1, "2026-03-03 10:00"),
        ("2026-03-02 07:00", 1, "2026-03-02 17:00"),
        ("2026-03-06 16:00", 1, "2026-03-09 16:00"),
        ("2026-03-07 12:00", 0.5, "2026-03-09 13:00"),
        ("2026-03-02 20:00", 5, "2026-03-09 17:00"),
    ],
)
def test_office_days_are_weekdays_from_nine_to_five(start: str, days: float, end: str) -> None:
    assert after_office_days(china(start), days) == china(end)


@given(st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)), st.floats(0.05, 100))  # noqa: DTZ001
def test_decisions_fall_into_office_hours(start: datetime, days: float) -> None:
    end = after_office_days(start, days).astimezone(CHINA)
    assert end >= start
    assert end.weekday() < 5
    assert timedelta(hours=9) <= end - end.replace(hour=0, minute=0, second=0, microsecond=0) <= timedelta(hours=17)


def test_the_same_task_has_the_same_outcome() -> None:
    behaviour = Behaviour(late_share=0.2, refused_share=0.2, mistake_share=0.2)
    assert simulated_outcome(behaviour, "task", "item", MONDAY_TEN) == simulated_outcome(
        behaviour, "task", "item", MONDAY_TEN
    )


def test_many_tasks_show_the_shares() -> None:
    behaviour = Behaviour(mean_days=5, late_share=0.1, late_days=60, refused_share=0.3, mistake_share=0.5)
    outcomes = [simulated_outcome(behaviour, f"task {number}", "item", MONDAY_TEN) for number in range(4000)]
    late = [one for one in outcomes if one.decide_at > MONDAY_TEN + timedelta(days=50)]
    assert mean(one.outcome is Outcome.REFUSED for one in outcomes) == pytest.approx(0.3, abs=0.03)
    assert len(late) / len(outcomes) == pytest.approx(0.1, abs=0.02)
    assert mean(one.mistake is not None for one in outcomes) == pytest.approx(0.5, abs=0.03)
    assert {one.mistake for one in outcomes} == {None, *Mistake}


def test_items_may_have_mean_days_of_their_own() -> None:
    behaviour = Behaviour(mean_days=20, item_days={"quick": 1}, spread=0)
    assert simulated_outcome(behaviour, "task", "quick", MONDAY_TEN).decide_at == MONDAY_TEN + timedelta(days=1)
    assert simulated_outcome(behaviour, "task", "other", MONDAY_TEN).decide_at == MONDAY_TEN + timedelta(weeks=4)


def test_at_once_decides_on_receipt() -> None:
    assert simulated_outcome(Behaviour(at_once=True, late_share=1), "task", "item", MONDAY_TEN).decide_at == MONDAY_TEN
