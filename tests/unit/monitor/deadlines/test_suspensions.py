"""Time that does not count, is added, or restarts: the Administrative Licensing Law (行政许可法) by its articles.

Given messages, when one more comes, then this is published.
"""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.core import InvalidMessage
from contracts.envelope import Message, TimerFired
from contracts.messages.alerts import AlertWithdrawn, Rung
from contracts.messages.cases import CaseExtended, CaseRestarted, CaseSuspended, StepState, SuspensionKind
from contracts.messages.commitments import Cause, Commitment, CommitmentsMoved, CommitmentsOpened, Pause
from contracts.messages.tasks import TaskSuspended
from services.monitor.core.alerts.lifecycle import DEADLINE_MOVED
from services.monitor.core.state import MonitoredCase
from services.monitor.core.suspensions import MAX_SUSPENSIONS
from tests.support.monitor_histories import (
    CASE_ID,
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

MONDAY = at("2026-03-02 10:00")
TUESDAY, WEDNESDAY, THURSDAY = (at(f"2026-03-0{day} 10:00") for day in (3, 4, 5))
INSTANT = timedelta(microseconds=1)
Timed = tuple[Message, datetime]


def procedure(
    since: datetime,
    until: datetime | None = None,
    *,
    step: str = "licence",
    system: str = "commerce",
    name: str = "P1",
) -> TaskSuspended:
    return TaskSuspended(
        task_id=f"{CASE_ID}/{step}",
        step=step,
        department="Market office",
        system=system,
        procedure=name,
        name="听证",
        reason="涉及重大公共利益",
        article="行政许可法第四十五条",
        since=since,
        until=until,
        reported_at=until or since,
    )


def correction(since: datetime, until: datetime | None = None, change: str = "w1") -> CaseSuspended:
    return CaseSuspended(
        change_id=change,
        suspension="C1",
        kind=SuspensionKind.CORRECTION,
        reason="材料不齐",
        article="行政许可法第三十二条",
        since=since,
        until=until,
        recorded_at=until or since,
    )


def extension(days: int, notified_at: datetime, change: str = "w2") -> CaseExtended:
    return CaseExtended(
        change_id=change, days=days, reason="案情复杂", article="行政许可法第四十二条", notified_at=notified_at
    )


def opened() -> Monitor:
    """Five and ten days for the case, three and five for the licence; for tax, once that is there, two and four."""
    of = plan(licence=limits(3, 5), tax=limits(2, 4))
    return Monitor().process_all([(accepted(MONDAY, of), MONDAY), (delivered(MONDAY), MONDAY)])


def held(monitor: Monitor, key: str) -> Commitment:
    assert monitor.state is not None
    tracked = monitor.state.commitment(key)
    commitment = tracked.as_message() if tracked is not None else None
    assert commitment is not None
    return commitment


# -- article 45: special procedures ------------------------------------------------------------------------------------


def test_art_45_a_departments_hearing_stops_its_step_and_the_case() -> None:
    monitor = opened()
    (moved,) = monitor.process(procedure(TUESDAY), TUESDAY)
    assert isinstance(moved, CommitmentsMoved)
    assert moved.cause is Cause.SUSPENDED
    assert {m.commitment.key: m.commitment.pause for m in moved.moves} == {
        "case": Pause(since=TUESDAY, left=5, unit="working days"),
        "step/licence": Pause(since=TUESDAY, left=3, unit="working days"),
    }
    assert monitor.timer_at is None, "nothing falls due while time stands still"


def test_art_45_the_days_of_the_hearing_do_not_count_and_the_day_of_resumption_does() -> None:
    monitor = opened()
    monitor.process(procedure(TUESDAY), TUESDAY)
    (moved,) = monitor.process(procedure(TUESDAY, THURSDAY), THURSDAY)
    assert isinstance(moved, CommitmentsMoved)
    assert moved.cause is Cause.RESUMED
    assert all(move.paused_before and move.commitment.pause is None for move in moved.moves)
    # Tuesday and Wednesday are not counted: Thursday, Friday, Monday are the three days.
    assert held(monitor, "step/licence").committed_due == at("2026-03-09 17:30")
    assert held(monitor, "case").committed_due == at("2026-03-11 17:30")
    assert monitor.timer_at is not None


def test_art_45_another_departments_step_runs_on() -> None:
    monitor = opened()
    before = held(monitor, "step/licence")
    monitor.process(procedure(TUESDAY, step="tax", system="tax"), TUESDAY)
    assert held(monitor, "step/licence") == before
    assert held(monitor, "case").pause is not None


@pytest.mark.parametrize(("step", "system"), [("nosuch", "commerce"), ("licence", "tax"), ("tax", "commerce")])
def test_art_45_a_system_without_a_request_stops_no_clock(step: str, system: str) -> None:
    published = procedure(TUESDAY, step=step, system=system)
    for messages in ([accepted(MONDAY), published], [published, accepted(MONDAY)]):
        monitor = Monitor().process_all([(message, TUESDAY) for message in messages])
        assert held(monitor, "case").pause is None


@pytest.mark.parametrize("limited", [True, False], ids=["a step with a limit", "a step without one"])
def test_art_45_a_hearing_that_nobody_ended_ends_with_its_step(limited: bool) -> None:
    of = plan(licence=limits(3, 5), tax=limits(2, 4) if limited else None)
    messages: list[Timed] = [
        (accepted(MONDAY, of), MONDAY),
        (done(MONDAY), MONDAY),
        (procedure(TUESDAY, step="tax", system="tax"), TUESDAY),
        (done(THURSDAY, "tax"), THURSDAY),
    ]
    for order in (messages, [messages[3], *messages[:3]], [messages[0], messages[1], messages[3], messages[2]]):
        monitor = Monitor().process_all(order)
        assert held(monitor, "case").pause is None
        assert held(monitor, "case").committed_due == at("2026-03-11 17:30"), "Tuesday and Wednesday do not count"


def test_art_45_a_card_that_fell_due_in_time_that_does_not_count_is_withdrawn() -> None:
    monitor = opened()
    card_at = at("2026-03-05 17:30") + INSTANT
    monitor.process(TimerFired(), card_at)
    monitor.process(reported(report("licence", StepState.DELIVERED, MONDAY)), card_at)
    assert ("step/licence", Rung.YELLOW) in {(key, rung) for key, rung, _ in monitor.standing()}
    # The department's change that it had opened a hearing on Tuesday was late on its way.
    _, *published = monitor.process(procedure(TUESDAY), at("2026-03-06 09:00"))
    assert {(w.commitment, w.rung, w.reason) for w in published if isinstance(w, AlertWithdrawn)} >= {
        ("step/licence", Rung.YELLOW, DEADLINE_MOVED)
    }
    assert monitor.standing() == set()


def test_art_45_what_was_late_before_the_hearing_stays_late() -> None:
    monitor = opened()
    card_at = at("2026-03-05 17:30") + INSTANT
    monitor.process(TimerFired(), card_at)
    monitor.process(reported(report("licence", StepState.DELIVERED, MONDAY)), card_at)
    monitor.process(procedure(at("2026-03-06 10:00")), at("2026-03-06 10:00"))
    assert ("step/licence", Rung.YELLOW) in {(key, rung) for key, rung, _ in monitor.standing()}


def test_a_suspension_after_the_answer_moves_nothing() -> None:
    monitor = opened()
    monitor.process(done(TUESDAY), TUESDAY)
    before = held(monitor, "step/licence")
    monitor.process(procedure(WEDNESDAY), WEDNESDAY)
    assert held(monitor, "step/licence") == before


@pytest.mark.parametrize(
    "change",
    [
        CaseRestarted(change_id="r1", reason="重新受理", restarted_at=at("2026-03-12 11:00")),
        CaseExtended(change_id="e1", days=10, reason="案情复杂", notified_at=at("2026-03-12 11:00")),
    ],
)
def test_a_change_after_the_decision_withdraws_no_card(change: Message) -> None:
    monitor = Monitor().process_all([(accepted(MONDAY), MONDAY), (delivered(MONDAY), MONDAY)])
    late = at("2026-03-12 10:00")
    monitor.process(decided(late), late)
    before = monitor.standing()
    assert ("case", Rung.YELLOW) in {(key, rung) for key, rung, _ in before}
    monitor.process(change, at("2026-03-12 11:00"))
    assert monitor.standing() == before


# -- article 32: corrections; article 42: extension; restart -----------------------------------------------------------


def test_art_32_a_correction_stops_the_case_and_all_its_steps_and_intake_is_answered() -> None:
    monitor = opened()
    (moved,) = monitor.process(correction(TUESDAY), TUESDAY)
    assert isinstance(moved, CommitmentsMoved)
    assert moved.change_ids == ("w1",)
    assert {m.commitment.key for m in moved.moves if m.commitment.pause} == {"case", "step/licence"}
    (again,) = monitor.process(correction(TUESDAY), TUESDAY)
    assert isinstance(again, CommitmentsOpened), "who asks again is answered again"
    assert again.change_ids == ("w1",)


def test_art_42_an_extension_is_added_to_the_case_once() -> None:
    monitor = opened()
    (moved,) = monitor.process(extension(10, TUESDAY), TUESDAY)
    assert isinstance(moved, CommitmentsMoved)
    assert moved.cause is Cause.EXTENDED
    assert [m.commitment.key for m in moved.moves] == ["case"]
    assert held(monitor, "case").committed_due == at("2026-03-23 17:30")
    assert held(monitor, "case").statutory_due == at("2026-03-30 17:30")
    (published,) = monitor.process(extension(15, WEDNESDAY, "w3"), WEDNESDAY)
    assert isinstance(published, CommitmentsOpened)
    assert held(monitor, "case").committed_due == at("2026-03-23 17:30")


def test_a_restart_begins_anew() -> None:
    monitor = opened()
    (moved,) = monitor.process(CaseRestarted(change_id="w1", reason="重新受理", restarted_at=THURSDAY), THURSDAY)
    assert isinstance(moved, CommitmentsMoved)
    assert moved.cause is Cause.RESTARTED
    assert held(monitor, "case").committed_due == at("2026-03-12 17:30")


def test_suspensions_of_a_department_are_limited() -> None:
    monitor = opened()
    for number in range(MAX_SUSPENSIONS):
        monitor.process(procedure(TUESDAY, name=f"P{number}"), TUESDAY)
    with pytest.raises(InvalidMessage, match="100 times already"):
        monitor.process(procedure(TUESDAY, name="one-more"), TUESDAY)
    monitor.process(procedure(TUESDAY, THURSDAY, name="P7"), THURSDAY)


# -- in any order ------------------------------------------------------------------------------------------------------


moments = st.integers(1, 14 * 24).map(lambda hours: MONDAY + timedelta(hours=hours))


@st.composite
def histories(draw: st.DrawFn) -> list[Timed]:
    of = plan(licence=limits(3, 5), tax=limits(2, 4))
    messages: list[Timed] = [(accepted(MONDAY, of), MONDAY), (delivered(MONDAY), MONDAY)]
    for number in range(draw(st.integers(0, 3))):
        since = draw(moments)
        messages.append((procedure(since, name=f"P{number}"), since))
        if draw(st.booleans()):
            until = since + timedelta(hours=draw(st.integers(0, 100)))
            messages.append((procedure(since, until, name=f"P{number}"), until))
    if draw(st.booleans()):
        since = draw(moments)
        messages.append((correction(since), since))
        if draw(st.booleans()):
            until = since + timedelta(hours=draw(st.integers(1, 100)))
            messages.append((correction(since, until, "w4"), until))
    for number in range(draw(st.integers(0, 2))):
        notified_at = draw(moments)
        messages.append((extension(10 + number, notified_at, f"e{number}"), notified_at))
    if draw(st.booleans()):
        restarted_at = draw(moments)
        messages.append((CaseRestarted(change_id="r1", reason="重新受理", restarted_at=restarted_at), restarted_at))
    if draw(st.booleans()):
        answered = draw(moments)
        messages.append((done(answered), answered))
        if draw(st.booleans()):
            messages.append(
                (decided(answered, report("licence", StepState.DONE, MONDAY, decided_at=answered)), answered)
            )
    for time in draw(st.lists(moments, max_size=2)):
        messages.append((TimerFired(), time))
    return messages


def facts(state: MonitoredCase | None) -> MonitoredCase:
    assert state is not None
    commitments = tuple(tracked.replace(raised=(), open_at=None) for tracked in state.commitments)
    return state.replace(
        commitments=commitments, platform_issues=(), query_count=0, unanswered_queries=0, sequence=0, queried_at=None
    )


@given(st.data())
def test_any_order_and_repetition_leads_to_the_same_deadlines(data: st.DataObject) -> None:
    history = data.draw(histories())
    received = [one for one in history if not isinstance(one[0], TimerFired)]
    straight = Monitor().process_all(received)
    again = data.draw(st.lists(st.sampled_from(received), max_size=4))
    first, *rest = data.draw(
        st.permutations([*history, *again]).filter(lambda messages: not isinstance(messages[0][0], TimerFired))
    )
    other = Monitor().process_all([first, *rest])
    assert facts(other.state) == facts(straight.state)


@given(histories())
def test_no_rung_stands_that_is_not_due(history: list[Timed]) -> None:
    monitor = Monitor().process_all(history)
    assert monitor.state is not None
    for tracked in monitor.state.commitments:
        for fired in tracked.raised:
            due_at = tracked.due.of(fired.rung) if tracked.due is not None else None
            if not fired.withdrawn:
                assert due_at is not None and due_at <= fired.raised_at
