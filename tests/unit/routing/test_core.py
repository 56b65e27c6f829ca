"""Routing's core by example and by property."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.core import InvalidMessage, Step, UnknownCase
from contracts.envelope import Envelope, Message, TimerFired, derive_id, envelop
from contracts.messages.cases import (
    Applicant,
    CaseAccepted,
    CaseDecided,
    CaseReported,
    CaseStateRequested,
    Channel,
    StepState,
)
from contracts.messages.plans import Limit, Limits, Outcome, Plan, PlanStep
from contracts.messages.tasks import TaskDelivered, TaskDone, TaskRequested
from services.routing.core.handle import handle
from services.routing.core.lifecycle import CaseState, state_of
from services.routing.core.state import RoutedCase

CASE = "K7Q2-9MXF-4TBA-3"
T0 = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def plan(**after: tuple[str, ...]) -> Plan:
    steps = tuple(
        PlanStep(step=name, item=name, item_name=name, department=name, system="tax", after=before)
        for name, before in after.items()
    )
    limits = Limits(committed=Limit(working_days=5), statutory=Limit(working_days=20))
    return Plan(matter="m", matter_name="m", catalogue_version="1", lead_department="tax", limits=limits, steps=steps)


def accepted(**after: tuple[str, ...]) -> CaseAccepted:
    applicant = Applicant(kind="person", name="A", id_number="1")
    return CaseAccepted(plan=plan(**after), region="450100", channel=Channel.WEB, applicant=applicant, accepted_at=T0)


def done(step: str, outcome: Outcome = Outcome.APPROVED, at: datetime = T0 + DAY) -> TaskDone:
    return TaskDone(
        task_id=f"{CASE}/{step}", step=step, department=step, system="tax", reference="1",
        delivered_at=T0, outcome=outcome, document=f"{step}-1", decided_at=at,
    )  # fmt: skip


def delivered(step: str) -> TaskDelivered:
    return TaskDelivered(
        task_id=f"{CASE}/{step}", step=step, department=step, system="tax", reference="1", delivered_at=T0
    )


def heard(message: Message, at: datetime = T0) -> Envelope[Message]:
    return envelop(message, id=uuid4(), source="/test", subject=CASE, time=at)


def told(*messages: Message) -> tuple[RoutedCase, list[Message]]:
    """Fold the messages; the last state and all that was said."""
    state: RoutedCase | None = None
    said: list[Message] = []
    for message in messages:
        step: Step[RoutedCase] = handle(state, heard(message))
        state = step.state
        said += step.out
    assert state is not None
    return state, said


def asked_for(said: list[Message]) -> list[str]:
    return [message.step for message in said if isinstance(message, TaskRequested)]


def test_every_step_that_can_start_is_asked_for_in_one_step() -> None:
    step = handle(None, heard(accepted(licence=(), land=(), tax=("licence",))))
    assert asked_for(list(step.out)) == ["licence", "land"]


def test_an_answer_starts_what_waited_for_it_and_hands_on_its_document() -> None:
    _, said = told(accepted(licence=(), tax=("licence",)), done("licence"))
    request = said[-1]
    assert isinstance(request, TaskRequested)
    assert request.step == "tax"
    assert [document.number for document in request.documents] == ["licence-1"]
    assert request.requested_at == T0 + DAY


def test_the_last_answer_decides_the_case_at_the_time_of_the_last_decision() -> None:
    state, said = told(accepted(tax=(), land=()), done("land", at=T0 + 3 * DAY), done("tax", at=T0 + 2 * DAY))
    decision = said[-1]
    assert isinstance(decision, CaseDecided)
    assert decision.outcome is Outcome.APPROVED
    assert decision.decided_at == T0 + 3 * DAY
    assert state_of(state) is CaseState.DECIDED


def test_a_refusal_drops_what_waited_for_it_and_lets_the_others_finish() -> None:
    state, said = told(accepted(licence=(), tax=("licence",), land=()), done("licence", Outcome.REFUSED), done("land"))
    assert asked_for(said) == ["licence", "land"]
    assert isinstance(said[-1], CaseDecided)
    assert said[-1].outcome is Outcome.REFUSED
    assert {step.name: step.state for step in state.steps}["tax"] is StepState.DROPPED


def test_silence_is_met_by_asking_again_slower_each_time() -> None:
    first = handle(None, heard(accepted(tax=(), land=())))
    second = handle(first.state, heard(TimerFired()))
    third = handle(second.state, heard(TimerFired()))
    assert asked_for(list(second.out)) == ["tax", "land"]
    assert (
        first.retry_after is not None
        and second.retry_after == 2 * first.retry_after
        and third.retry_after == 4 * first.retry_after
    )


def test_whoever_asks_is_told_the_present_truth() -> None:
    _, said = told(accepted(tax=()), delivered("tax"), CaseStateRequested(), done("tax"), accepted(tax=()))
    report, decision = said[1], said[-1]
    assert isinstance(report, CaseReported)
    assert [step.state for step in report.steps] == [StepState.DELIVERED]
    assert isinstance(decision, CaseDecided)


def test_a_decided_case_asks_nobody_any_more() -> None:
    state, _ = told(accepted(tax=()), done("tax"))
    step = handle(state, heard(TimerFired()))
    assert step.out == () and step.retry_after is None and step.closed


@pytest.mark.parametrize("message", [done("tax"), delivered("tax"), CaseStateRequested(), TimerFired()])
def test_an_unknown_case_is_said_to_be_unknown(message: Message) -> None:
    with pytest.raises(UnknownCase):
        handle(None, heard(message))


def test_an_answer_to_what_nobody_asked_is_impossible() -> None:
    state, _ = told(accepted(licence=(), tax=("licence",)))
    with pytest.raises(InvalidMessage, match="no department was asked"):
        handle(state, heard(done("tax")))
    with pytest.raises(InvalidMessage, match="no step"):
        handle(state, heard(done("land")))


def test_a_department_cannot_take_back_its_decision_by_saying_another() -> None:
    state, _ = told(accepted(tax=(), land=()), done("tax"))
    with pytest.raises(InvalidMessage, match="was approved"):
        handle(state, heard(done("tax", Outcome.REFUSED)))


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
    """Departments answer what they were asked; the network repeats, delays and shuffles all of it."""
    shape, outcomes, choices = history
    at = {name: T0 + (index + 1) * DAY for index, name in enumerate(shape)}
    pending: list[Envelope[Message]] = [heard(accepted(**shape))]
    state: RoutedCase | None = None
    decisions: set[CaseDecided] = set()
    asked: list[str] = []

    def take(envelope: Envelope[Message]) -> None:
        nonlocal state
        if state is None and not isinstance(envelope.data, CaseAccepted):
            return
        step = handle(state, envelope)
        state = step.state
        for index, message in enumerate(step.out):
            answer_id = derive_id(envelope.id, "/test", index)
            match message:
                case TaskRequested(step=name):
                    asked.append(name)
                    for answer in (delivered(name), done(name, outcomes[name], at[name])):
                        pending.append(envelop(answer, id=answer_id, source="/test", subject=CASE, time=T0))
                case CaseDecided():
                    decisions.add(message)

    for choice in choices:
        take(pending[choice % len(pending)])
    while state is None or state_of(state) is CaseState.OPEN:
        for envelope in list(pending):
            take(envelope)

    expected, _ = _in_order(shape, outcomes, at)
    assert state.model_copy(update={"attempts": 1}) == expected.model_copy(update={"attempts": 1})
    assert len(decisions) == 1
    assert len(asked) == len(set(asked)), "no step is asked for twice unless silence asks again"


def _in_order(
    shape: dict[str, tuple[str, ...]], outcomes: dict[str, Outcome], at: dict[str, datetime]
) -> tuple[RoutedCase, list[Message]]:
    messages: list[Message] = [accepted(**shape)]
    state, said = told(*messages)
    while state_of(state) is CaseState.OPEN:
        open_steps = [step.name for step in state.steps if step.state is StepState.REQUESTED]
        messages.append(done(open_steps[0], outcomes[open_steps[0]], at[open_steps[0]]))
        state, said = told(*messages)
    return state, said
