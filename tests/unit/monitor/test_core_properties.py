"""Monitor's core by property: order, repetition and delay of messages change neither its facts nor its alerts."""

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from contracts.envelope import Message, TimerFired
from contracts.messages.alerts import AlertRaised, Rung
from contracts.messages.cases import CaseStateRequested, StepState
from contracts.messages.commitments import CommitmentKey
from services.monitor.core.commitment import CASE
from services.monitor.core.state import MonitoredCase
from tests.support.monitor_histories import (
    Monitor,
    accepted,
    at,
    decided,
    delivered,
    done,
    limits,
    plan,
    report,
    reported,
)

START = at("2026-03-02 10:00")
Timed = tuple[Message, datetime]

# Deadlines and answers meet on few moments, so that "exactly when it is due" comes up often.
moments = st.one_of(
    st.sampled_from([at("2026-03-03 09:00"), at("2026-03-03 17:30"), at("2026-03-05 17:30"), at("2026-03-09 17:30")]),
    st.integers(0, 20 * 24).map(lambda hours: START + timedelta(hours=hours)),
).flatmap(lambda moment: st.sampled_from([moment, moment + timedelta(microseconds=1)]))

ends = st.one_of(st.integers(0, 6), moments)


@st.composite
def histories(draw: st.DrawFn, *, finished: bool = False) -> list[Timed]:
    """Possible histories of a case: each event at one moment, reported in messages of that moment or later."""
    of = plan(*(limits(draw(ends), draw(ends)) for _ in range(3)))
    step_at, tax_at, case_at = sorted((draw(moments), draw(moments), draw(moments)))
    messages: list[Timed] = [(accepted(START, of), START), (delivered(START), START)]
    answered = finished or draw(st.booleans())
    if answered:
        messages.append((done(step_at), step_at))
    for time in draw(st.lists(moments, max_size=3)):
        if answered and time >= step_at:
            steps = [report("licence", StepState.DONE, START, decided_at=step_at)]
            steps.append(report("tax", StepState.DELIVERED, step_at))
        else:
            steps = [report("licence", StepState.DELIVERED, START), report("tax", StepState.WAITING, None)]
        if not answered or time <= tax_at:
            messages.append((reported(*steps), time))
    if finished or (answered and draw(st.booleans())):
        messages.append((done(tax_at, "tax"), tax_at))
        steps = [report("licence", StepState.DONE, START, decided_at=step_at)]
        steps.append(report("tax", StepState.DONE, step_at, decided_at=tax_at))
        messages.append((decided(case_at, *steps), case_at))
    return messages


def disturbed(history: list[Timed]) -> st.SearchStrategy[list[Timed]]:
    """The same messages in another order, some of them more than once."""
    repeats = st.lists(st.sampled_from(history), max_size=6)
    return repeats.flatmap(lambda again: st.permutations([*history, *again]))


def facts(state: MonitoredCase | None) -> MonitoredCase:
    """The state without the moments of alerts and platform issues, which depend on the order of messages."""
    assert state is not None
    commitments = tuple(tracked.model_copy(update={"raised": ()}) for tracked in state.commitments)
    return state.model_copy(
        update={"commitments": commitments, "platform_issues": (), "unanswered_queries": 0, "sequence": 0}
    )


def broken(state: MonitoredCase | None) -> set[tuple[CommitmentKey, Rung, datetime]]:
    """The rungs that fell due before their commitment was answered, of a case that is decided."""
    assert state is not None
    found = set()
    for tracked in state.commitments:
        ended_at = state.ended_at(tracked)
        assert ended_at is not None
        assert tracked.due is not None
        found |= {
            (tracked.key, rung, due_at)
            for rung, due_at in tracked.due.ladder()
            if due_at < ended_at and (rung is Rung.WARNING or state.was_delivered(tracked, due_at))
        }
    return found


@given(st.data())
def test_any_order_and_repetition_leads_to_the_same_facts_and_alerts(data: st.DataObject) -> None:
    history = data.draw(histories())
    straight = Monitor().process_all(history)
    other = Monitor().process_all(data.draw(disturbed(history)))
    assert facts(other.state) == facts(straight.state)
    assert other.standing() == straight.standing()
    assert other.step is not None
    assert straight.step is not None
    assert (other.step.timer_at, other.step.closed) == (straight.step.timer_at, straight.step.closed)


@given(st.data())
def test_a_finished_case_has_exactly_its_alerts_whenever_timers_fired(data: st.DataObject) -> None:
    history = data.draw(histories(finished=True))
    alarms = [(TimerFired(), time) for time in sorted(data.draw(st.lists(moments, max_size=5)))]
    messages = data.draw(disturbed(history))
    monitor = Monitor()
    for place in sorted(data.draw(st.lists(st.integers(1, len(messages)), min_size=len(alarms), max_size=len(alarms)))):
        messages.insert(place, alarms.pop())
    monitor.process_all(messages)
    assert monitor.standing() == broken(monitor.state)
    assert monitor.step is not None
    assert (monitor.step.timer_at, monitor.step.retry_after, monitor.step.closed) == (None, None, True)


@given(ends, ends, ends, ends)
def test_each_rung_of_an_unanswered_case_fires_if_its_timers_fire(
    committed: int | datetime, statutory: int | datetime, step_committed: int | datetime, step_statutory: int | datetime
) -> None:
    of = plan(whole=limits(committed, statutory), licence=limits(step_committed, step_statutory))
    monitor = Monitor().process_all([(accepted(START, of), START), (delivered(START), START)])
    now = START
    while monitor.timer_at is not None:
        now = max(now, monitor.timer_at)
        published = monitor.process(TimerFired(), now)
        assert published, "an alarm that leads to nothing would ring for ever"
        if CaseStateRequested() in published:
            assert monitor.timer_at is None or monitor.timer_at > now
            monitor.process(reported(report("licence", StepState.DELIVERED, START)), now)
    assert monitor.standing() == {
        (tracked.key, rung, due_at)
        for tracked in (monitor.state.commitments if monitor.state else ())
        if tracked.due is not None
        for rung, due_at in tracked.due.ladder()
    }
    assert len(monitor.standing()) == 6
    early = [a for a in monitor.published if isinstance(a, AlertRaised) and a.raised_at < a.due_at]
    assert not early, "no rung fires before it is due"
    assert {tracked.key for tracked in monitor.state.commitments if monitor.state} == {CASE, "step/licence"}  # type: ignore[union-attr]
