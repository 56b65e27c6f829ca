"""Verify before a card (先核实后发牌): what the platform itself has failed in is no department's.

Given messages, when one more comes, then this is said.
"""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from contracts.envelope import TimerFired
from contracts.messages.alerts import AlertClosed, AlertRaised, AlertWithdrawn, IssueKind, OperationsAlerted, Rung
from contracts.messages.cases import CaseStateRequested, StepState
from services.monitor.core.alerts import DELIVERED_LATE
from services.monitor.core.state import MonitoredCase
from services.monitor.core.verification import MAX_QUERIES
from tests.support.monitor_histories import Monitor, accepted, at, decided, delivered, done, report, reported

MONDAY = at("2026-03-02 10:00")
STEP_YELLOW = at("2026-03-03 17:30")
STEP_RED = at("2026-03-05 17:30")
INSTANT = timedelta(microseconds=1)
LATE = STEP_YELLOW + timedelta(hours=1)
UNDELIVERED_STEP = report("licence", StepState.REQUESTED, MONDAY)
DELIVERED_STEP = report("licence", StepState.DELIVERED, MONDAY)


def accepted_only() -> Monitor:
    """A case accepted on Monday; nothing shows that the department has its step."""
    monitor = Monitor().hear_all([(accepted(MONDAY), MONDAY), (reported(UNDELIVERED_STEP), MONDAY)])
    monitor.hear(TimerFired(), STEP_YELLOW + INSTANT)
    return monitor


def cards(monitor: Monitor) -> set[tuple[str, Rung]]:
    return {(key, rung) for key, rung, _ in monitor.standing() if rung is not Rung.WARNING}


def state(monitor: Monitor) -> MonitoredCase:
    assert monitor.state is not None
    return monitor.state


def test_a_step_that_was_not_delivered_draws_no_card_and_operations_are_told() -> None:
    monitor = accepted_only()
    (told,) = monitor.hear(reported(UNDELIVERED_STEP), LATE)
    assert told == OperationsAlerted(
        commitment="step/licence",
        issue=IssueKind.UNDELIVERED,
        owner="Market office",
        matter="start-business",
        region="440305",
        raised_at=LATE,
    )
    assert cards(monitor) == set()
    assert monitor.hear(reported(UNDELIVERED_STEP), LATE + timedelta(hours=1)) == (), "operations are told once"
    assert monitor.again is not None, "and routing is asked on"


def test_the_case_is_marked_and_the_mark_is_settled_by_the_delivery() -> None:
    monitor = accepted_only()
    monitor.hear(reported(UNDELIVERED_STEP), LATE)
    (told,) = monitor.hear(delivered(LATE + timedelta(hours=2)), LATE + timedelta(hours=2))
    assert isinstance(told, OperationsAlerted)
    assert (told.raised_at, told.settled_at) == (LATE, LATE + timedelta(hours=2))
    (mark,) = state(monitor).platform_issues
    assert (mark.issue, mark.settled_at) == (IssueKind.UNDELIVERED, LATE + timedelta(hours=2))


def test_what_was_delivered_after_its_first_card_was_due_draws_that_card_never_and_a_later_one_in_its_time() -> None:
    monitor = accepted_only()
    at_last = LATE + timedelta(hours=2)
    monitor.hear(delivered(at_last), at_last)
    monitor.hear(reported(DELIVERED_STEP.replace(delivered_at=at_last)), at_last + timedelta(hours=1))
    assert cards(monitor) == set()
    monitor.hear(TimerFired(), STEP_RED + INSTANT)
    monitor.hear(reported(DELIVERED_STEP.replace(delivered_at=at_last)), STEP_RED + timedelta(hours=1))
    assert ("step/licence", Rung.RED) in cards(monitor)
    assert ("step/licence", Rung.YELLOW) not in cards(monitor)


def test_a_step_that_is_answered_late_but_was_delivered_late_draws_no_card() -> None:
    monitor = accepted_only()
    said = monitor.hear(done(LATE + timedelta(hours=3), delivered_at=LATE), LATE + timedelta(hours=3))
    assert [type(message) for message in said] == [AlertClosed, OperationsAlerted]
    assert cards(monitor) == set()


def test_a_card_of_which_the_delivery_is_heard_to_have_been_late_is_withdrawn() -> None:
    """Somebody said that it was delivered in time; the department's own word is earlier known than heard."""
    monitor = Monitor().hear_all([(accepted(MONDAY), MONDAY), (delivered(MONDAY), MONDAY)])
    monitor.hear(TimerFired(), STEP_YELLOW + INSTANT)
    monitor.hear(reported(DELIVERED_STEP), LATE)
    assert ("step/licence", Rung.YELLOW) in cards(monitor)
    watch = state(monitor).commitment("step/licence")
    assert watch is not None
    monitor.state = state(monitor).with_commitment(watch.replace(delivered_at=LATE))
    said = monitor.hear(TimerFired(), LATE + timedelta(hours=1))
    assert [(w.rung, w.reason) for w in said if isinstance(w, AlertWithdrawn)] == [(Rung.YELLOW, DELIVERED_LATE)]


def test_the_cases_own_card_waits_while_one_of_its_steps_is_not_delivered() -> None:
    monitor = accepted_only()
    long_after = at("2026-03-20 10:00")
    monitor.hear(TimerFired(), long_after)
    monitor.hear(reported(UNDELIVERED_STEP), long_after)
    assert cards(monitor) == set()
    heard_at = long_after + timedelta(hours=1)
    said = monitor.hear(reported(DELIVERED_STEP.replace(requested_at=MONDAY, delivered_at=long_after)), heard_at)
    assert cards(monitor) == set(), "nor does it draw one for a time in which nobody could work on it"
    told = {one.commitment: one.settled_at for one in said if isinstance(one, OperationsAlerted)}
    assert told["case"] == heard_at, "told and settled at once"
    assert monitor.wake is None or monitor.wake > heard_at, "and nobody is asked for a card that there will not be"


def test_the_case_answers_for_what_falls_due_after_a_late_delivery() -> None:
    monitor = accepted_only()
    delivered_at = at("2026-03-10 10:00")  # after its yellow card of the 9th, before its red one of the 16th
    monitor.hear(TimerFired(), delivered_at)
    monitor.hear(reported(DELIVERED_STEP.replace(requested_at=MONDAY, delivered_at=delivered_at)), delivered_at)
    late = at("2026-03-17 10:00")
    monitor.hear(TimerFired(), late)
    monitor.hear(reported(DELIVERED_STEP.replace(requested_at=MONDAY, delivered_at=delivered_at)), late)
    assert {rung for key, rung in cards(monitor) if key == "case"} == {Rung.RED}


def test_a_delivery_that_takes_its_usual_time_excuses_nobody() -> None:
    monitor = accepted_only()
    requested_at, delivered_at = at("2026-03-09 17:29"), at("2026-03-09 17:31")
    prompt = DELIVERED_STEP.replace(requested_at=requested_at, delivered_at=delivered_at)
    watch = state(monitor).commitment("step/licence")
    assert watch is not None
    monitor.state = state(monitor).with_commitment(watch.replace(opened_at=requested_at))
    late = at("2026-03-10 10:00")
    monitor.hear(TimerFired(), late)
    monitor.hear(reported(prompt), late)
    assert ("case", Rung.YELLOW) in cards(monitor)


def test_the_evidence_of_a_card_says_until_when_the_step_was_known_to_be_open() -> None:
    monitor = Monitor().hear_all([(accepted(MONDAY), MONDAY), (delivered(MONDAY), MONDAY)])
    monitor.hear(TimerFired(), STEP_YELLOW + INSTANT)
    (card,) = monitor.hear(reported(DELIVERED_STEP), LATE)
    assert isinstance(card, AlertRaised)
    assert (card.open_at, card.ended_at) == (LATE, None)
    answered = STEP_RED + timedelta(hours=1)
    red = [said for said in monitor.hear(done(answered), answered) if isinstance(said, AlertRaised)][-1]
    assert (red.rung, red.ended_at) == (Rung.RED, answered)


def test_who_does_not_answer_is_asked_again_and_then_operations_are_told_until_he_does() -> None:
    monitor = Monitor().hear_all([(accepted(MONDAY), MONDAY), (delivered(MONDAY), MONDAY)])
    told = []
    for minute in range(MAX_QUERIES + 3):
        said = monitor.hear(TimerFired(), STEP_YELLOW + timedelta(minutes=minute + 1))
        assert CaseStateRequested() in said
        told += [(minute + 1, one) for one in said if isinstance(one, OperationsAlerted)]
    ((asked, alert),) = told
    assert (asked, alert.issue, alert.settled_at) == (MAX_QUERIES, IssueKind.UNVERIFIED, None)
    card, settled = monitor.hear(reported(DELIVERED_STEP), LATE)
    assert isinstance(card, AlertRaised)
    assert isinstance(settled, OperationsAlerted) and settled.settled_at == LATE


def test_a_decision_settles_what_was_never_delivered() -> None:
    monitor = accepted_only()
    monitor.hear(reported(UNDELIVERED_STEP), LATE)
    ended = LATE + timedelta(days=1)
    monitor.hear(decided(ended, report("licence", StepState.DROPPED, MONDAY)), ended)
    assert [mark.settled_at for mark in state(monitor).platform_issues] == [ended]
    assert ("step/licence", Rung.YELLOW) not in cards(monitor)


@given(st.integers(0, 200), st.integers(0, 200), st.lists(st.integers(0, 200), max_size=4), st.booleans(), st.randoms())
def test_no_order_of_messages_gives_a_department_a_card_for_what_it_did_not_have(
    delivered_after: int, answered_after: int, reports: list[int], answered: bool, random: "object"
) -> None:
    delivered_at = MONDAY + timedelta(hours=delivered_after)
    answered_at = delivered_at + timedelta(hours=answered_after)
    told = [(accepted(MONDAY), MONDAY), (delivered(delivered_at).replace(requested_at=MONDAY), delivered_at)]
    if answered:
        told.append((done(answered_at, delivered_at=delivered_at), answered_at))
    for hours in reports:
        time = MONDAY + timedelta(hours=hours)
        if time < delivered_at:
            told.append((reported(UNDELIVERED_STEP), time))
        elif not answered or time < answered_at:
            told.append((reported(DELIVERED_STEP.replace(delivered_at=delivered_at)), time))
    told += [(TimerFired(), MONDAY + timedelta(hours=hours)) for hours in (30, 60, 120)]
    shuffled = told[1:]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    monitor = Monitor().hear_all([told[0], *shuffled])
    watch = state(monitor).commitment("step/licence")
    assert watch is not None and watch.due is not None
    for key, rung, due_at in monitor.standing():
        if key == "step/licence" and rung is not Rung.WARNING:
            assert delivered_at <= due_at


def test_routing_that_answers_each_time_is_not_said_to_be_silent() -> None:
    monitor = accepted_only()
    for hour in range(2 * MAX_QUERIES):
        time = LATE + timedelta(hours=hour)
        said = (*monitor.hear(TimerFired(), time), *monitor.hear(reported(UNDELIVERED_STEP), time))
        assert [one.issue for one in said if isinstance(one, OperationsAlerted)] == [IssueKind.UNDELIVERED][: hour == 0]
