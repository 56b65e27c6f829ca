"""Routing's core, by examples and properties."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.core import EarlyRequest, UnknownCase
from contracts.envelope import Envelope, Message, TimerFired, derive_id
from contracts.messages.cases import CaseAccepted, CaseDecided, CaseReported, CaseStateRequested, StepState
from contracts.messages.plans import Outcome
from contracts.messages.tasks import TaskRequested
from services.routing.core.handle import handle
from services.routing.core.lifecycle import CaseState, state_of
from services.routing.core.state import RoutedCase
from tests.support.messages import MONDAY, CaseMessages
from tests.support.scenario import Scenario, enveloped, only
from tests.unit.routing.cases import TUESDAY, case_of, requested, routed

ONE_STEP = case_of(tax=())
SIDE_BY_SIDE = case_of(tax=(), land=())
IN_TURN = case_of(licence=(), tax=("licence",))
"""Tax comes after the licence."""
DAY = timedelta(days=1)


def test_all_steps_that_can_start_are_requested_at_once() -> None:
    case = case_of(licence=(), land=(), tax=("licence",))
    assert requested(routed(case).published) == ["licence", "land"]


def test_an_answer_starts_the_steps_that_waited_and_passes_on_its_document() -> None:
    (request,) = routed(IN_TURN).when(IN_TURN.done("licence", TUESDAY, document="licence-1"), TUESDAY)
    assert isinstance(request, TaskRequested)
    assert request.step == "tax"
    assert [document.number for document in request.documents] == ["licence-1"]
    assert request.requested_at == TUESDAY


def test_a_step_begins_when_the_last_answer_that_it_waits_for_arrived_and_not_when_it_was_decided() -> None:
    case = case_of(licence=(), land=(), tax=("licence", "land"))
    late, early = MONDAY + 3 * DAY, MONDAY + 2 * DAY
    answers = case.done("licence", TUESDAY, arrived_at=late), case.done("land", early, arrived_at=early)
    for first, second in (answers, answers[::-1]):
        scenario = routed(case, first)
        request = only(TaskRequested, scenario.when(second))
        assert request.requested_at == late
        report = only(CaseReported, scenario.when(CaseStateRequested()))
        licence = report.steps[0]
        assert (licence.decided_at, licence.arrived_at) == (TUESDAY, late)


def test_an_answer_with_a_corrected_time_does_not_move_the_steps_after_it() -> None:
    late = MONDAY + 3 * DAY
    scenario = routed(IN_TURN, IN_TURN.done("licence", late))
    assert not scenario.when(IN_TURN.done("licence", TUESDAY, arrived_at=late))
    licence, tax = scenario.case.steps
    assert (licence.decided_at, licence.arrived_at, tax.requested_at) == (TUESDAY, late, late)


def test_the_last_answer_decides_the_case_at_the_time_of_the_last_decision() -> None:
    late, early = SIDE_BY_SIDE.done("land", MONDAY + 3 * DAY), SIDE_BY_SIDE.done("tax", MONDAY + 2 * DAY)
    scenario = routed(SIDE_BY_SIDE, late)
    (decision,) = scenario.when(early)
    assert isinstance(decision, CaseDecided)
    assert decision.outcome is Outcome.APPROVED
    assert decision.decided_at == MONDAY + 3 * DAY
    assert state_of(scenario.case) is CaseState.DECIDED


def test_a_refusal_drops_the_steps_that_waited_and_lets_the_others_finish() -> None:
    case = case_of(licence=(), tax=("licence",), land=())
    scenario = routed(case, case.done("licence", TUESDAY, outcome=Outcome.REFUSED), case.done("land", TUESDAY))
    assert requested(scenario.published) == ["licence", "land"]
    (decision,) = scenario.last.out
    assert isinstance(decision, CaseDecided)
    assert decision.outcome is Outcome.REFUSED
    assert {step.name: step.state for step in scenario.case.steps}["tax"] is StepState.DROPPED


def test_unanswered_steps_are_requested_again_at_growing_intervals() -> None:
    scenario = routed(SIDE_BY_SIDE)
    first = scenario.last.retry_after
    assert requested(scenario.when(TimerFired())) == ["tax", "land"]
    second = scenario.last.retry_after
    assert requested(scenario.when(TimerFired())) == ["tax", "land"]
    assert first is not None and second == 2 * first and scenario.last.retry_after == 4 * first


def test_the_present_state_is_published_on_request() -> None:
    scenario = routed(ONE_STEP, ONE_STEP.delivered("tax", MONDAY))
    (report,) = scenario.when(CaseStateRequested())
    assert isinstance(report, CaseReported)
    assert [step.state for step in report.steps] == [StepState.DELIVERED]
    scenario.given(ONE_STEP.done("tax", TUESDAY))
    (decision,) = scenario.when(ONE_STEP.accepted(MONDAY))
    assert isinstance(decision, CaseDecided)


def test_a_decided_case_requests_nothing() -> None:
    scenario = routed(ONE_STEP, ONE_STEP.done("tax", TUESDAY))
    assert scenario.when(TimerFired()) == ()
    assert scenario.last.retry_after is None and scenario.last.closed


@pytest.mark.parametrize(
    "message",
    [ONE_STEP.done("tax", TUESDAY), ONE_STEP.delivered("tax", MONDAY), TimerFired()],
)
def test_a_message_about_an_unknown_case_is_refused(message: Message) -> None:
    assert type(Scenario(handle).refuses(message)) is UnknownCase


def test_a_request_before_the_acceptance_is_an_early_one() -> None:
    Scenario(handle).refuses(CaseStateRequested(), error=EarlyRequest)


def test_an_answer_to_an_unrequested_step_is_invalid() -> None:
    scenario = routed(IN_TURN)
    scenario.refuses(IN_TURN.done("tax", TUESDAY), reason="has not been requested")
    scenario.refuses(IN_TURN.done("tax", TUESDAY).replace(step="land"), reason="no step")


def test_a_department_cannot_change_its_decision() -> None:
    scenario = routed(SIDE_BY_SIDE, SIDE_BY_SIDE.done("tax", TUESDAY))
    scenario.refuses(SIDE_BY_SIDE.done("tax", TUESDAY, outcome=Outcome.REFUSED), reason="was approved")


CASES = [
    case_of(licence=(), tax=("licence",), land=()),
    case_of(tax=(), land=(), register=("tax", "land")),
    case_of(a=(), b=("a",), c=("b",), d=("a",)),
]


Answers = dict[str, dict[str, Any]]
"""The answer to each step, as fields."""


@st.composite
def histories(draw: st.DrawFn) -> tuple[CaseMessages, Answers, list[int]]:
    case = draw(st.sampled_from(CASES))
    answers: Answers = {}
    for index, step in enumerate(case.plan.steps, 1):
        decided_at = MONDAY + index * DAY
        arrived_at = decided_at + draw(st.integers(0, 5)) * DAY
        times = {"delivered_at": MONDAY, "decided_at": decided_at, "arrived_at": arrived_at}
        answers[step.step] = times | {"outcome": draw(st.sampled_from(Outcome))}
    return case, answers, draw(st.lists(st.integers(0, 10**6), min_size=40, max_size=200))


@given(histories())
def test_any_order_repetition_and_delay_leads_to_the_same_end(
    history: tuple[CaseMessages, Answers, list[int]],
) -> None:
    """Departments answer every request; the network repeats, delays and shuffles all messages."""
    case, answers, choices = history
    pending: list[Envelope[Message]] = [enveloped(case.accepted(MONDAY), MONDAY)]
    state: RoutedCase | None = None
    decisions: set[CaseDecided] = set()
    requested_steps: list[str] = []

    def receive(received: Envelope[Message]) -> None:
        nonlocal state
        if state is None and not isinstance(received.data, CaseAccepted):
            return
        transition = handle(state, received)
        state = transition.state
        for index, message in enumerate(transition.out):
            answer_id = derive_id(received.id, "/test", index)
            match message:
                case TaskRequested(step=name):
                    requested_steps.append(name)
                    done = case.done(name, MONDAY, **answers[name])
                    for answer in (case.delivered(name, MONDAY), done):
                        pending.append(enveloped(answer, MONDAY, id=answer_id))
                case CaseDecided():
                    decisions.add(message)

    for choice in choices:
        receive(pending[choice % len(pending)])
    while state is None or state_of(state) is CaseState.OPEN:
        for received in list(pending):
            receive(received)

    expected = _in_order(case, answers)
    assert state.model_copy(update={"attempts": 1}) == expected.model_copy(update={"attempts": 1})
    assert len(decisions) == 1
    assert len(requested_steps) == len(set(requested_steps)), "no step is requested twice without a timer"
    for step in state.steps:
        if step.requested_at is not None:
            assert step.requested_at == max((answers[name]["arrived_at"] for name in step.plan.after), default=MONDAY)


def _in_order(case: CaseMessages, answers: Answers) -> RoutedCase:
    scenario = routed(case)
    while state_of(scenario.case) is CaseState.OPEN:
        name = next(step.name for step in scenario.case.steps if step.state is StepState.REQUESTED)
        scenario.given(case.done(name, MONDAY, **answers[name]))
    return scenario.case


def test_of_two_times_of_one_decision_the_earlier_counts_and_is_reported() -> None:
    scenario = routed(ONE_STEP, ONE_STEP.done("tax", MONDAY + 3 * DAY))
    (decided,) = scenario.when(ONE_STEP.done("tax", MONDAY + DAY))
    assert isinstance(decided, CaseDecided)
    assert decided.decided_at == MONDAY + DAY
    assert not scenario.when(ONE_STEP.done("tax", MONDAY + 3 * DAY))
