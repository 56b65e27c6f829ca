"""Routing's core, by examples and properties."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.core import InvalidMessage, UnknownCase
from contracts.envelope import Envelope, Message, TimerFired, derive_id, envelop
from contracts.messages.cases import (
    CaseAccepted,
    CaseDecided,
    CaseReported,
    CaseStateRequested,
    StepState,
)
from contracts.messages.plans import Outcome
from contracts.messages.tasks import TaskRequested
from services.routing.core.handle import handle
from services.routing.core.lifecycle import CaseState, state_of
from services.routing.core.state import RoutedCase
from tests.unit.routing.cases import CASE, DAY, T0, accepted, delivered, done, envelope, process, requested


def test_all_steps_that_can_start_are_requested_at_once() -> None:
    step = handle(None, envelope(accepted(licence=(), land=(), tax=("licence",))))
    assert requested(list(step.out)) == ["licence", "land"]


def test_an_answer_starts_the_steps_that_waited_and_passes_on_its_document() -> None:
    _, published = process(accepted(licence=(), tax=("licence",)), done("licence"))
    request = published[-1]
    assert isinstance(request, TaskRequested)
    assert request.step == "tax"
    assert [document.number for document in request.documents] == ["licence-1"]
    assert request.requested_at == T0 + DAY


def test_the_last_answer_decides_the_case_at_the_time_of_the_last_decision() -> None:
    state, published = process(accepted(tax=(), land=()), done("land", at=T0 + 3 * DAY), done("tax", at=T0 + 2 * DAY))
    decision = published[-1]
    assert isinstance(decision, CaseDecided)
    assert decision.outcome is Outcome.APPROVED
    assert decision.decided_at == T0 + 3 * DAY
    assert state_of(state) is CaseState.DECIDED


def test_a_refusal_drops_the_steps_that_waited_and_lets_the_others_finish() -> None:
    state, published = process(
        accepted(licence=(), tax=("licence",), land=()), done("licence", Outcome.REFUSED), done("land")
    )
    assert requested(published) == ["licence", "land"]
    assert isinstance(published[-1], CaseDecided)
    assert published[-1].outcome is Outcome.REFUSED
    assert {step.name: step.state for step in state.steps}["tax"] is StepState.DROPPED


def test_unanswered_steps_are_requested_again_at_growing_intervals() -> None:
    first = handle(None, envelope(accepted(tax=(), land=())))
    second = handle(first.state, envelope(TimerFired()))
    third = handle(second.state, envelope(TimerFired()))
    assert requested(list(second.out)) == ["tax", "land"]
    assert (
        first.retry_after is not None
        and second.retry_after == 2 * first.retry_after
        and third.retry_after == 4 * first.retry_after
    )


def test_the_present_state_is_published_on_request() -> None:
    _, published = process(accepted(tax=()), delivered("tax"), CaseStateRequested(), done("tax"), accepted(tax=()))
    report, decision = published[1], published[-1]
    assert isinstance(report, CaseReported)
    assert [step.state for step in report.steps] == [StepState.DELIVERED]
    assert isinstance(decision, CaseDecided)


def test_a_decided_case_requests_nothing() -> None:
    state, _ = process(accepted(tax=()), done("tax"))
    step = handle(state, envelope(TimerFired()))
    assert step.out == () and step.retry_after is None and step.closed


@pytest.mark.parametrize("message", [done("tax"), delivered("tax"), CaseStateRequested(), TimerFired()])
def test_a_message_about_an_unknown_case_is_refused(message: Message) -> None:
    with pytest.raises(UnknownCase):
        handle(None, envelope(message))


def test_an_answer_to_an_unrequested_step_is_invalid() -> None:
    state, _ = process(accepted(licence=(), tax=("licence",)))
    with pytest.raises(InvalidMessage, match="no department was asked"):
        handle(state, envelope(done("tax")))
    with pytest.raises(InvalidMessage, match="no step"):
        handle(state, envelope(done("land")))


def test_a_department_cannot_change_its_decision() -> None:
    state, _ = process(accepted(tax=(), land=()), done("tax"))
    with pytest.raises(InvalidMessage, match="was approved"):
        handle(state, envelope(done("tax", Outcome.REFUSED)))


PLANS = [
    {"licence": (), "tax": ("licence",), "land": ()},
    {"tax": (), "land": (), "register": ("tax", "land")},
    {"a": (), "b": ("a",), "c": ("b",), "d": ("a",)},
]


@st.composite
def histories(draw: st.DrawFn) -> tuple[dict[str, tuple[str, ...]], dict[str, Outcome], list[int]]:
    shape = draw(st.sampled_from(PLANS))
    outcomes = {name: draw(st.sampled_from(Outcome)) for name in shape}
    return shape, outcomes, draw(st.lists(st.integers(0, 10**6), min_size=40, max_size=200))


@given(histories())
def test_any_order_repetition_and_delay_leads_to_the_same_end(
    history: tuple[dict[str, tuple[str, ...]], dict[str, Outcome], list[int]],
) -> None:
    """Departments answer every request; the network repeats, delays and shuffles all messages."""
    shape, outcomes, choices = history
    at = {name: T0 + (index + 1) * DAY for index, name in enumerate(shape)}
    pending: list[Envelope[Message]] = [envelope(accepted(**shape))]
    state: RoutedCase | None = None
    decisions: set[CaseDecided] = set()
    requested_steps: list[str] = []

    def receive(received: Envelope[Message]) -> None:
        nonlocal state
        if state is None and not isinstance(received.data, CaseAccepted):
            return
        step = handle(state, received)
        state = step.state
        for index, message in enumerate(step.out):
            answer_id = derive_id(received.id, "/test", index)
            match message:
                case TaskRequested(step=name):
                    requested_steps.append(name)
                    for answer in (delivered(name), done(name, outcomes[name], at[name])):
                        pending.append(envelop(answer, id=answer_id, source="/test", subject=CASE, time=T0))
                case CaseDecided():
                    decisions.add(message)

    for choice in choices:
        receive(pending[choice % len(pending)])
    while state is None or state_of(state) is CaseState.OPEN:
        for received in list(pending):
            receive(received)

    expected, _ = _in_order(shape, outcomes, at)
    assert state.model_copy(update={"attempts": 1}) == expected.model_copy(update={"attempts": 1})
    assert len(decisions) == 1
    assert len(requested_steps) == len(set(requested_steps)), "no step is requested twice without a timer"


def _in_order(
    shape: dict[str, tuple[str, ...]], outcomes: dict[str, Outcome], at: dict[str, datetime]
) -> tuple[RoutedCase, list[Message]]:
    messages: list[Message] = [accepted(**shape)]
    state, published = process(*messages)
    while state_of(state) is CaseState.OPEN:
        open_steps = [step.name for step in state.steps if step.state is StepState.REQUESTED]
        messages.append(done(open_steps[0], outcomes[open_steps[0]], at[open_steps[0]]))
        state, published = process(*messages)
    return state, published
