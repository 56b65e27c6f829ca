"""Verify before a card (先核实后发牌): no department answers for a failure of the platform.

Given messages, when one more comes, then this is published.
"""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from contracts.envelope import TimerFired
from contracts.messages.alerts import AlertClosed, AlertRaised, AlertWithdrawn, IssueKind, OperationsAlerted, Rung
from contracts.messages.cases import CaseStateRequested, StepState
from services.monitor.core.alerts.lifecycle import DELIVERED_LATE
from services.monitor.core.alerts.verification import MAX_QUERIES
from services.monitor.core.state import MonitoredCase
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
    monitor = Monitor().process_all([(accepted(MONDAY), MONDAY), (reported(UNDELIVERED_STEP), MONDAY)])
    monitor.process(TimerFired(), STEP_YELLOW + INSTANT)
    return monitor


def cards(monitor: Monitor) -> set[tuple[str, Rung]]:
    return {(key, rung) for key, rung, _ in monitor.standing() if rung is not Rung.WARNING}


def state(monitor: Monitor) -> MonitoredCase:
    assert monitor.state is not None
    return monitor.state


def test_a_step_that_was_not_delivered_draws_no_card_and_operations_are_alerted() -> None:
    monitor = accepted_only()
    (alert,) = monitor.process(reported(UNDELIVERED_STEP), LATE)
    assert alert == OperationsAlerted(
        commitment="step/licence",
        issue=IssueKind.UNDELIVERED,
        owner="Market office",
        matter="start-business",
        region="440305",
        raised_at=LATE,
    )
    assert cards(monitor) == set()
    assert monitor.process(reported(UNDELIVERED_STEP), LATE + timedelta(hours=1)) == (), "operations are alerted once"
    assert monitor.retry_after is not None, "and routing is asked on"


def test_the_delivery_settles_the_platform_issue_of_the_case() -> None:
    monitor = accepted_only()
    monitor.process(reported(UNDELIVERED_STEP), LATE)
    (alert,) = monitor.process(delivered(LATE + timedelta(hours=2)), LATE + timedelta(hours=2))
    assert isinstance(alert, OperationsAlerted)
    assert (alert.raised_at, alert.settled_at) == (LATE, LATE + timedelta(hours=2))
    (mark,) = state(monitor).platform_issues
    assert (mark.issue, mark.settled_at) == (IssueKind.UNDELIVERED, LATE + timedelta(hours=2))


def test_a_step_delivered_after_its_first_card_was_due_draws_only_later_cards() -> None:
    monitor = accepted_only()
    at_last = LATE + timedelta(hours=2)
    monitor.process(delivered(at_last), at_last)
    monitor.process(reported(DELIVERED_STEP.replace(delivered_at=at_last)), at_last + timedelta(hours=1))
    assert cards(monitor) == set()
    monitor.process(TimerFired(), STEP_RED + INSTANT)
    monitor.process(reported(DELIVERED_STEP.replace(delivered_at=at_last)), STEP_RED + timedelta(hours=1))
    assert ("step/licence", Rung.RED) in cards(monitor)
    assert ("step/licence", Rung.YELLOW) not in cards(monitor)


def test_a_step_that_is_answered_late_but_was_delivered_late_draws_no_card() -> None:
    monitor = accepted_only()
    published = monitor.process(done(LATE + timedelta(hours=3), delivered_at=LATE), LATE + timedelta(hours=3))
    assert [type(message) for message in published] == [AlertClosed, OperationsAlerted]
    assert cards(monitor) == set()


def test_a_card_is_withdrawn_if_the_delivery_turns_out_late() -> None:
    """Somebody published that it was delivered in time; the department's own change is earlier known than received."""
    monitor = Monitor().process_all([(accepted(MONDAY), MONDAY), (delivered(MONDAY), MONDAY)])
    monitor.process(TimerFired(), STEP_YELLOW + INSTANT)
    monitor.process(reported(DELIVERED_STEP), LATE)
    assert ("step/licence", Rung.YELLOW) in cards(monitor)
    tracked = state(monitor).commitment("step/licence")
    assert tracked is not None
    monitor.state = state(monitor).with_commitment(tracked.replace(delivered_at=LATE))
    published = monitor.process(TimerFired(), LATE + timedelta(hours=1))
    assert [(w.rung, w.reason) for w in published if isinstance(w, AlertWithdrawn)] == [(Rung.YELLOW, DELIVERED_LATE)]


def test_the_cases_own_card_waits_while_one_of_its_steps_is_not_delivered() -> None:
    monitor = accepted_only()
    long_after = at("2026-03-20 10:00")
    monitor.process(TimerFired(), long_after)
    monitor.process(reported(UNDELIVERED_STEP), long_after)
    assert cards(monitor) == set()
    received_at = long_after + timedelta(hours=1)
    published = monitor.process(
        reported(DELIVERED_STEP.replace(requested_at=MONDAY, delivered_at=long_after)), received_at
    )
    assert cards(monitor) == set(), "nor does it draw one for a time in which nobody could work on it"
    alert = {one.commitment: one.settled_at for one in published if isinstance(one, OperationsAlerted)}
    assert alert["case"] == received_at, "alerted and settled at once"
    assert monitor.timer_at is None or monitor.timer_at > received_at, "no query for a card that will not be issued"


def test_cards_of_the_case_after_a_late_delivery_are_issued() -> None:
    monitor = accepted_only()
    delivered_at = at("2026-03-10 10:00")  # after its yellow card of the 9th, before its red one of the 16th
    monitor.process(TimerFired(), delivered_at)
    monitor.process(reported(DELIVERED_STEP.replace(requested_at=MONDAY, delivered_at=delivered_at)), delivered_at)
    late = at("2026-03-17 10:00")
    monitor.process(TimerFired(), late)
    monitor.process(reported(DELIVERED_STEP.replace(requested_at=MONDAY, delivered_at=delivered_at)), late)
    assert {rung for key, rung in cards(monitor) if key == "case"} == {Rung.RED}


def test_a_delivery_of_usual_length_prevents_no_card() -> None:
    monitor = accepted_only()
    requested_at, delivered_at = at("2026-03-09 17:29"), at("2026-03-09 17:31")
    prompt = DELIVERED_STEP.replace(requested_at=requested_at, delivered_at=delivered_at)
    tracked = state(monitor).commitment("step/licence")
    assert tracked is not None
    monitor.state = state(monitor).with_commitment(tracked.replace(opened_at=requested_at))
    late = at("2026-03-10 10:00")
    monitor.process(TimerFired(), late)
    monitor.process(reported(prompt), late)
    assert ("case", Rung.YELLOW) in cards(monitor)


def test_the_evidence_of_a_card_has_the_moment_at_which_the_step_was_open() -> None:
    monitor = Monitor().process_all([(accepted(MONDAY), MONDAY), (delivered(MONDAY), MONDAY)])
    monitor.process(TimerFired(), STEP_YELLOW + INSTANT)
    (card,) = monitor.process(reported(DELIVERED_STEP), LATE)
    assert isinstance(card, AlertRaised)
    assert (card.open_at, card.ended_at) == (LATE, None)
    answered = STEP_RED + timedelta(hours=1)
    red = [published for published in monitor.process(done(answered), answered) if isinstance(published, AlertRaised)][
        -1
    ]
    assert (red.rung, red.ended_at) == (Rung.RED, answered)


def test_unanswered_queries_are_repeated_and_operations_are_alerted_until_the_answer() -> None:
    monitor = Monitor().process_all([(accepted(MONDAY), MONDAY), (delivered(MONDAY), MONDAY)])
    alerts = []
    for minute in range(MAX_QUERIES + 3):
        published = monitor.process(TimerFired(), STEP_YELLOW + timedelta(minutes=minute + 1))
        assert CaseStateRequested() in published
        alerts += [(minute + 1, one) for one in published if isinstance(one, OperationsAlerted)]
    ((minutes, alert),) = alerts
    assert (minutes, alert.issue, alert.settled_at) == (MAX_QUERIES, IssueKind.UNVERIFIED, None)
    card, settled = monitor.process(reported(DELIVERED_STEP), LATE)
    assert isinstance(card, AlertRaised)
    assert isinstance(settled, OperationsAlerted) and settled.settled_at == LATE


def test_a_decision_settles_the_issue_of_an_undelivered_step() -> None:
    monitor = accepted_only()
    monitor.process(reported(UNDELIVERED_STEP), LATE)
    ended = LATE + timedelta(days=1)
    monitor.process(decided(ended, report("licence", StepState.DROPPED, MONDAY)), ended)
    assert [mark.settled_at for mark in state(monitor).platform_issues] == [ended]
    assert ("step/licence", Rung.YELLOW) not in cards(monitor)


@given(st.integers(0, 200), st.integers(0, 200), st.lists(st.integers(0, 200), max_size=4), st.booleans(), st.randoms())
def test_no_order_of_messages_gives_a_department_a_card_for_what_it_did_not_have(
    delivered_after: int, answered_after: int, reports: list[int], answered: bool, random: "object"
) -> None:
    delivered_at = MONDAY + timedelta(hours=delivered_after)
    answered_at = delivered_at + timedelta(hours=answered_after)
    alert = [(accepted(MONDAY), MONDAY), (delivered(delivered_at).replace(requested_at=MONDAY), delivered_at)]
    if answered:
        alert.append((done(answered_at, delivered_at=delivered_at), answered_at))
    for hours in reports:
        time = MONDAY + timedelta(hours=hours)
        if time < delivered_at:
            alert.append((reported(UNDELIVERED_STEP), time))
        elif not answered or time < answered_at:
            alert.append((reported(DELIVERED_STEP.replace(delivered_at=delivered_at)), time))
    alert += [(TimerFired(), MONDAY + timedelta(hours=hours)) for hours in (30, 60, 120)]
    shuffled = alert[1:]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    monitor = Monitor().process_all([alert[0], *shuffled])
    tracked = state(monitor).commitment("step/licence")
    assert tracked is not None and tracked.due is not None
    for key, rung, due_at in monitor.standing():
        if key == "step/licence" and rung is not Rung.WARNING:
            assert delivered_at <= due_at


def test_routing_that_answers_each_time_is_no_platform_issue() -> None:
    monitor = accepted_only()
    for hour in range(2 * MAX_QUERIES):
        time = LATE + timedelta(hours=hour)
        published = (*monitor.process(TimerFired(), time), *monitor.process(reported(UNDELIVERED_STEP), time))
        assert [one.issue for one in published if isinstance(one, OperationsAlerted)] == [IssueKind.UNDELIVERED][
            : hour == 0
        ]
