"""Monitor's core by property: order, repetition and delay of messages change neither its facts nor its alerts."""

from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from contracts.envelope import TimerFired
from contracts.messages.alerts import AlertRaised, Rung
from contracts.messages.cases import CaseStateRequested
from contracts.messages.commitments import CASE, CommitmentKey
from services.monitor.core.delivery import was_delivered
from services.monitor.core.state import MonitoredCase
from tests.support.messages import MONDAY, limits
from tests.support.monitor_histories import (
    REPORTED_OPEN,
    Monitor,
    business,
    disturbed,
    facts,
    histories,
    limit_ends,
    moments,
    opened,
)
from tests.support.scenario import of_type


def broken(case: MonitoredCase) -> set[tuple[CommitmentKey, Rung, datetime]]:
    """The rungs that fell due before their commitment was answered, of a case that is decided."""
    found = set()
    for tracked in case.commitments:
        ended_at = case.ended_at(tracked)
        assert ended_at is not None and tracked.due is not None
        found |= {
            (tracked.key, rung, due_at)
            for rung, due_at in tracked.due.ladder()
            if due_at < ended_at and (rung is Rung.WARNING or was_delivered(case, tracked, due_at))
        }
    return found


@given(st.data())
def test_any_order_and_repetition_leads_to_the_same_facts_and_alerts(data: st.DataObject) -> None:
    history = data.draw(histories())
    straight = Monitor().given(*history)
    other = Monitor().given(*data.draw(disturbed(history)))
    assert facts(other.case) == facts(straight.case)
    assert other.standing() == straight.standing()
    assert (other.last.timer_at, other.last.closed) == (straight.last.timer_at, straight.last.closed)


@given(st.data())
def test_a_finished_case_has_exactly_its_alerts_whenever_timers_fired(data: st.DataObject) -> None:
    history = data.draw(histories(finished=True))
    timers = [(TimerFired(), time) for time in sorted(data.draw(st.lists(moments, max_size=5)))]
    messages = data.draw(disturbed(history))
    monitor = Monitor()
    for place in sorted(data.draw(st.lists(st.integers(1, len(messages)), min_size=len(timers), max_size=len(timers)))):
        messages.insert(place, timers.pop())
    monitor.given(*messages)
    assert monitor.standing() == broken(monitor.case)
    assert (monitor.last.timer_at, monitor.last.retry_after, monitor.last.closed) == (None, None, True)


@given(limit_ends, limit_ends, limit_ends, limit_ends)
def test_each_rung_of_an_unanswered_case_fires_if_its_timers_fire(
    committed: int | datetime, statutory: int | datetime, step_committed: int | datetime, step_statutory: int | datetime
) -> None:
    monitor = opened(business(whole=limits(committed, statutory), licence=limits(step_committed, step_statutory)))
    now = MONDAY
    while monitor.last.timer_at is not None:
        now = max(now, monitor.last.timer_at)
        published = monitor.when(TimerFired(), now)
        assert published, "each timer leads to a message, or it would fire for ever"
        if CaseStateRequested() in published:
            assert monitor.last.timer_at is None or monitor.last.timer_at > now
            monitor.when(REPORTED_OPEN, now)
    assert monitor.standing() == {
        (tracked.key, rung, due_at)
        for tracked in monitor.case.commitments
        if tracked.due is not None
        for rung, due_at in tracked.due.ladder()
    }
    assert len(monitor.standing()) == 6
    assert all(alert.raised_at >= alert.due_at for alert in of_type(AlertRaised, monitor.published))
    assert {tracked.key for tracked in monitor.case.commitments} == {CASE, "step/licence"}
