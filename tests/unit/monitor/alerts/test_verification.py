"""Verify before a card (先核实后发牌): no department answers for a failure of the platform."""

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from contracts.envelope import TimerFired
from contracts.messages.alerts import AlertClosed, AlertRaised, AlertWithdrawn, IssueKind, OperationsAlerted, Rung
from contracts.messages.cases import CaseReported, CaseStateRequested, StepState
from services.monitor.core.alerts.lifecycle import DELIVERED_LATE
from services.monitor.core.alerts.verification import MAX_REQUESTS
from tests.support.messages import MONDAY, at, report
from tests.support.monitor_histories import (
    BUSINESS,
    INSTANT,
    LICENCE_OPEN,
    REPORTED_OPEN,
    STEP_RED,
    STEP_YELLOW,
    Monitor,
    opened,
)
from tests.support.scenario import At, of_type, only

LATE = STEP_YELLOW + timedelta(hours=1)
UNDELIVERED = BUSINESS.reported(report("licence", StepState.REQUESTED, MONDAY))


def undelivered() -> Monitor:
    """A case accepted on Monday. Its step is not delivered, and its first card is being verified."""
    return Monitor().given(
        (BUSINESS.accepted(MONDAY), MONDAY), (UNDELIVERED, MONDAY), (TimerFired(), STEP_YELLOW + INSTANT)
    )


def reported_delivery(delivered_at: datetime) -> CaseReported:
    return BUSINESS.reported(LICENCE_OPEN.replace(delivered_at=delivered_at))


def cards(monitor: Monitor) -> set[tuple[str, Rung]]:
    return {(key, rung) for key, rung in monitor.standing_rungs() if rung is not Rung.WARNING}


def test_a_step_that_was_not_delivered_draws_no_card_and_operations_are_alerted() -> None:
    monitor = undelivered()
    (alert,) = monitor.when(UNDELIVERED, LATE)
    assert alert == OperationsAlerted(
        commitment="step/licence",
        issue=IssueKind.UNDELIVERED,
        owner="Market office",
        matter="start-business",
        region="440305",
        raised_at=LATE,
    )
    assert cards(monitor) == set()
    assert monitor.when(UNDELIVERED, LATE + timedelta(hours=1)) == (), "operations are alerted once"
    assert monitor.last.retry_after is not None, "routing gets another request"


def test_the_delivery_settles_the_platform_issue_of_the_case() -> None:
    monitor = undelivered().given((UNDELIVERED, LATE))
    at_last = LATE + timedelta(hours=2)
    alert = only(OperationsAlerted, monitor.when(BUSINESS.delivered("licence", at_last), at_last))
    assert (alert.raised_at, alert.settled_at) == (LATE, at_last)
    (issue,) = monitor.case.platform_issues
    assert (issue.issue, issue.settled_at) == (IssueKind.UNDELIVERED, at_last)


def test_a_step_delivered_after_its_first_card_was_due_draws_only_later_cards() -> None:
    at_last = LATE + timedelta(hours=2)
    monitor = undelivered().given(
        (BUSINESS.delivered("licence", at_last), at_last), (reported_delivery(at_last), at_last + timedelta(hours=1))
    )
    assert cards(monitor) == set()
    monitor.given((TimerFired(), STEP_RED + INSTANT), (reported_delivery(at_last), STEP_RED + timedelta(hours=1)))
    assert ("step/licence", Rung.RED) in cards(monitor)
    assert ("step/licence", Rung.YELLOW) not in cards(monitor)


def test_a_step_that_is_answered_late_but_was_delivered_late_draws_no_card() -> None:
    monitor, answered_at = undelivered(), LATE + timedelta(hours=3)
    published = monitor.when(BUSINESS.done("licence", answered_at, delivered_at=LATE), answered_at)
    assert [type(message) for message in published] == [AlertClosed, OperationsAlerted]
    assert cards(monitor) == set()


def test_a_card_is_withdrawn_if_the_delivery_turns_out_late() -> None:
    monitor = opened().given((TimerFired(), STEP_YELLOW + INSTANT), (REPORTED_OPEN, LATE))
    assert ("step/licence", Rung.YELLOW) in cards(monitor)
    monitor.change("step/licence", delivered_at=LATE)
    published = monitor.when(TimerFired(), LATE + timedelta(hours=1))
    assert [(w.rung, w.reason) for w in of_type(AlertWithdrawn, published)] == [(Rung.YELLOW, DELIVERED_LATE)]


def test_the_cases_own_card_waits_while_one_of_its_steps_is_not_delivered() -> None:
    long_after = at("2026-03-20 10:00")
    monitor = undelivered().given((TimerFired(), long_after), (UNDELIVERED, long_after))
    assert cards(monitor) == set()
    received_at = long_after + timedelta(hours=1)
    published = monitor.when(reported_delivery(long_after), received_at)
    assert cards(monitor) == set(), "nor does it draw one for a time in which no department could work on it"
    settled = {alert.commitment: alert.settled_at for alert in of_type(OperationsAlerted, published)}
    assert settled["case"] == received_at, "alerted and settled at once"
    timer_at = monitor.last.timer_at
    assert timer_at is None or timer_at > received_at, "no request for a card that will not be issued"


def test_cards_of_the_case_after_a_late_delivery_are_issued() -> None:
    delivered_at = at("2026-03-10 10:00")  # after its yellow card of the 9th, before its red one of the 16th
    monitor = undelivered()
    for time in (delivered_at, at("2026-03-17 10:00")):
        monitor.given((TimerFired(), time), (reported_delivery(delivered_at), time))
    assert {rung for key, rung in cards(monitor) if key == "case"} == {Rung.RED}


def test_a_delivery_of_usual_length_prevents_no_card() -> None:
    monitor, late = undelivered(), at("2026-03-10 10:00")
    requested_at, delivered_at = at("2026-03-09 17:29"), at("2026-03-09 17:31")
    monitor.change("step/licence", opened_at=requested_at)
    prompt = LICENCE_OPEN.replace(requested_at=requested_at, delivered_at=delivered_at)
    monitor.given((TimerFired(), late), (BUSINESS.reported(prompt), late))
    assert ("case", Rung.YELLOW) in cards(monitor)


def test_the_evidence_of_a_card_has_the_moment_at_which_the_step_was_open() -> None:
    monitor = opened().given((TimerFired(), STEP_YELLOW + INSTANT))
    (card,) = of_type(AlertRaised, monitor.when(REPORTED_OPEN, LATE))
    assert (card.open_at, card.ended_at) == (LATE, None)
    answered = STEP_RED + timedelta(hours=1)
    *_, red = of_type(AlertRaised, monitor.when(BUSINESS.done("licence", answered), answered))
    assert (red.rung, red.ended_at) == (Rung.RED, answered)


def test_unanswered_requests_are_repeated_and_operations_are_alerted_until_the_answer() -> None:
    monitor, alerts = opened(), []
    for minute in range(MAX_REQUESTS + 3):
        published = monitor.when(TimerFired(), STEP_YELLOW + timedelta(minutes=minute + 1))
        assert CaseStateRequested() in published
        alerts += [(minute + 1, alert) for alert in of_type(OperationsAlerted, published)]
    ((minutes, alert),) = alerts
    assert (minutes, alert.issue, alert.settled_at) == (MAX_REQUESTS, IssueKind.UNVERIFIED, None)
    card, settled = monitor.when(REPORTED_OPEN, LATE)
    assert isinstance(card, AlertRaised)
    assert isinstance(settled, OperationsAlerted) and settled.settled_at == LATE


def test_a_decision_settles_the_issue_of_an_undelivered_step() -> None:
    ended = LATE + timedelta(days=1)
    dropped = BUSINESS.decided(ended, report("licence", StepState.DROPPED, MONDAY))
    monitor = undelivered().given((UNDELIVERED, LATE), (dropped, ended))
    assert [issue.settled_at for issue in monitor.case.platform_issues] == [ended]
    assert ("step/licence", Rung.YELLOW) not in cards(monitor)


hours = st.integers(0, 200).map(lambda count: timedelta(hours=count))


@given(hours, hours, st.lists(hours, max_size=4), st.booleans(), st.data())
def test_no_order_of_messages_gives_a_department_a_card_for_a_task_that_it_did_not_have(
    delivered_after: timedelta, answered_after: timedelta, reports: list[timedelta], answered: bool, data: st.DataObject
) -> None:
    delivered_at = MONDAY + delivered_after
    answered_at = delivered_at + answered_after
    history: list[At] = [(BUSINESS.delivered("licence", delivered_at, requested_at=MONDAY), delivered_at)]
    if answered:
        history.append((BUSINESS.done("licence", answered_at, delivered_at=delivered_at), answered_at))
    for after in reports:
        time = MONDAY + after
        if time < delivered_at:
            history.append((UNDELIVERED, time))
        elif not answered or time < answered_at:
            history.append((reported_delivery(delivered_at), time))
    history += [(TimerFired(), MONDAY + timedelta(hours=after)) for after in (30, 60, 120)]
    monitor = Monitor().given((BUSINESS.accepted(MONDAY), MONDAY), *data.draw(st.permutations(history)))
    for key, rung, due_at in monitor.standing():
        assert key != "step/licence" or rung is Rung.WARNING or delivered_at <= due_at


def test_routing_that_answers_each_time_is_no_platform_issue() -> None:
    monitor = undelivered()
    for hour in range(2 * MAX_REQUESTS):
        time = LATE + timedelta(hours=hour)
        published = (*monitor.when(TimerFired(), time), *monitor.when(UNDELIVERED, time))
        issues = [alert.issue for alert in of_type(OperationsAlerted, published)]
        assert issues == ([IssueKind.UNDELIVERED] if hour == 0 else [])
