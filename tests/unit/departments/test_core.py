"""The core of a department's service, by example and by property."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.core import InvalidMessage, Transition, UnknownCase
from contracts.envelope import Message, TimerFired, envelop
from contracts.messages.plans import Outcome
from contracts.messages.tasks import TaskDelivered, TaskDone, TaskRequested, TaskSuspended
from services.departments.sdk.core.handle import BACKOFF, handle
from services.departments.sdk.core.messages import (
    Answer,
    Decision,
    DecisionNotified,
    Posted,
    Procedure,
    ProcedureNotified,
    Receipt,
    ReceiptNotified,
    Submit,
    SubmitFailed,
    Submitted,
)
from services.departments.sdk.core.state import RetryReason, Tasks, TaskState
from services.departments.sdk.core.task import MAX_PROCEDURES, MOVES

CASE = "K7Q2-9MXF-4TBA-3"
AT = datetime(2026, 3, 2, 2, tzinfo=UTC)


def request(step: str = "tax") -> TaskRequested:
    return TaskRequested(
        task_id=f"{CASE}/{step}",
        step=step,
        item="item-1",
        item_name="Assessment",
        department="Tax",
        system="tax",
        region="445122",
        requested_at=AT,
    )


def receipt(step: str = "tax") -> Receipt:
    return Receipt(reference=f"number of {step}", delivered_at=AT)


def decision(step: str = "tax", outcome: Outcome = Outcome.APPROVED) -> Decision:
    return Decision(reference=f"number of {step}", delivered_at=AT, outcome=outcome, decided_at=AT + timedelta(days=2))


def procedure(reported: int = 0, until: int | None = None, name: str = "P1") -> ProcedureNotified:
    reported_now = Procedure(
        procedure=name,
        name="听证",
        reason="涉及重大公共利益",
        since=AT,
        until=AT + timedelta(days=until) if until is not None else None,
        reported_at=AT + timedelta(days=reported),
    )
    return ProcedureNotified(task_id=request().task_id, procedure=reported_now)


def kinds(step: Transition[Tasks]) -> list[str]:
    return [type(message).__name__ for message in step.out]


def process(state: Tasks | None, message: Message, id: UUID | None = None) -> Transition[Tasks]:
    return handle(state, envelop(message, id=id or uuid4(), source="/test", subject=CASE, time=AT))


def after(*messages: Message) -> Transition[Tasks]:
    """The last step after these messages."""
    step: Transition[Tasks] | None = None
    for message in messages:
        step = process(step.state if step else None, message)
    assert step is not None
    return step


def submitted(answer: Answer, step: str = "tax") -> Submitted:
    return Submitted(task_id=f"{CASE}/{step}", answer=answer)


def failed(step: str = "tax") -> SubmitFailed:
    return SubmitFailed(task_id=f"{CASE}/{step}", reason="ConnectError")


def decided(answer: Decision, step: str = "tax") -> DecisionNotified:
    return DecisionNotified(task_id=f"{CASE}/{step}", decision=answer)


def test_a_new_task_is_submitted_at_once() -> None:
    step = after(request())
    assert step.call == Submit(task=request())
    assert step.call_after == timedelta()
    assert not step.out
    assert not step.closed


def test_a_receipt_is_reported_and_the_task_stays_open() -> None:
    step = after(request(), submitted(receipt()))
    assert [type(message) for message in step.out] == [TaskDelivered]
    assert step.call == Submit(task=request())
    assert step.call_after == timedelta(hours=1)


def test_a_decision_in_the_first_answer_is_reported_once() -> None:
    step = after(request(), submitted(decision()))
    assert [type(message) for message in step.out] == [TaskDone]
    assert step.call is None
    assert step.closed


def test_a_decision_notified_ends_the_task() -> None:
    step = after(request(), submitted(receipt()), decided(decision()))
    (done,) = step.out
    assert isinstance(done, TaskDone)
    assert (done.task_id, done.reference, done.outcome) == (request().task_id, "number of tax", Outcome.APPROVED)
    assert step.closed


def test_a_receipt_notified_delivers_the_task() -> None:
    step = after(request(), submitted(Posted()), ReceiptNotified(task_id=request().task_id, receipt=receipt()))
    assert [type(message) for message in step.out] == [TaskDelivered]


def test_a_repeated_request_reports_the_present_state() -> None:
    assert not after(request(), request()).out
    delivered = after(request(), submitted(receipt()))
    assert after(request(), submitted(receipt()), request()).out == delivered.out
    done = after(request(), submitted(decision()))
    assert after(request(), submitted(decision()), request()).out == done.out


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (failed(), RetryReason.FAILED),
        (submitted(Posted()), RetryReason.POSTED),
        (submitted(receipt()), RetryReason.DELIVERED),
    ],
)
def test_a_task_is_submitted_again_ever_more_slowly(answer: Message, reason: RetryReason) -> None:
    first, longest = BACKOFF[reason]
    waits = [after(request(), *[answer] * times).call_after for times in (1, 2, 3, 40)]
    assert waits == [first, 2 * first, 4 * first, longest]


def test_a_failure_after_delivery_keeps_the_long_wait() -> None:
    step = after(request(), submitted(receipt()), failed())
    assert step.call_after == timedelta(hours=2)


def test_one_task_is_submitted_at_a_time_and_new_ones_first() -> None:
    both = after(request("a"), request("b"))
    assert both.call == Submit(task=request("a"))
    step = process(both.state, submitted(receipt("a"), "a"))
    assert step.call == Submit(task=request("b"))
    assert step.call_after == timedelta()
    assert not process(step.state, submitted(decision("b"), "b")).closed


def test_a_timer_changes_nothing() -> None:
    open_case = after(request())
    assert process(open_case.state, TimerFired()) == open_case


def test_an_outcome_does_not_change() -> None:
    done = after(request(), submitted(decision()))
    with pytest.raises(InvalidMessage, match="approved; it cannot become refused"):
        process(done.state, decided(decision(outcome=Outcome.REFUSED)))


def test_a_task_has_one_number() -> None:
    delivered = after(request(), submitted(receipt()))
    with pytest.raises(InvalidMessage, match="two numbers"):
        process(delivered.state, submitted(Receipt(reference="another", delivered_at=AT)))


def test_unknown_cases_and_tasks_are_refused() -> None:
    with pytest.raises(UnknownCase):
        after(decided(decision()))
    with pytest.raises(InvalidMessage, match="never been requested"):
        after(request(), decided(decision("other"), "other"))
    with pytest.raises(InvalidMessage, match="not for a department"):
        after(request(), after(request(), submitted(decision())).out[0])


def test_no_move_leads_out_of_a_done_task() -> None:
    assert set(MOVES.values()) == set(TaskState)
    assert not [trigger for state, trigger in MOVES if state is TaskState.DONE]


STEPS = ("a", "b")
MESSAGES = [
    message
    for step in STEPS
    for message in (
        request(step),
        submitted(Posted(), step),
        submitted(receipt(step), step),
        submitted(decision(step), step),
        failed(step),
        ReceiptNotified(task_id=f"{CASE}/{step}", receipt=receipt(step)),
        decided(decision(step), step),
    )
] + [TimerFired()]


@settings(max_examples=300)
@given(st.lists(st.sampled_from(MESSAGES), max_size=40))
def test_any_order_and_repetition_ends_the_same(messages: list[Message]) -> None:
    """Messages in any order and number end in one state, since a task is submitted until it is decided."""
    state: Tasks | None = None
    published: list[Message] = []

    def fold(message: Message) -> Transition[Tasks] | None:
        nonlocal state
        try:
            step = process(state, message)
        except InvalidMessage:  # parked; the task stays open
            return None
        state = step.state
        published.extend(step.out)
        return step

    for message in messages:
        fold(message)
    step: Transition[Tasks] | None = None
    for name in STEPS:
        step = fold(request(name)) or step
    while step is not None and isinstance(step.call, Submit):
        step = fold(submitted(decision(step.call.task.step), step.call.task.step))

    assert step is not None
    assert step.closed
    assert step.call is None
    assert state is not None
    assert {task.request.step: (task.state, task.receipt, task.decision, task.attempts) for task in state.tasks} == {
        name: (TaskState.DONE, None, decision(name), 0) for name in STEPS
    }
    assert len({one for one in published if isinstance(one, TaskDone)}) == len(STEPS)


@given(st.lists(st.sampled_from(MESSAGES), max_size=40))
def test_a_done_task_reports_nothing_but_done(messages: list[Message]) -> None:
    state = None
    done: set[str] = set()
    for message in messages:
        try:
            step = process(state, message)
        except InvalidMessage:
            continue
        state = step.state
        for one in step.out:
            assert isinstance(one, TaskDone | TaskDelivered)
            assert not (isinstance(one, TaskDelivered) and one.task_id in done)
            if isinstance(one, TaskDone):
                done.add(one.task_id)


def test_a_special_procedure_is_reported_again_on_request_also_after_the_decision() -> None:
    step = after(request(), submitted(receipt()), procedure())
    (published,) = step.out
    assert isinstance(published, TaskSuspended)
    assert (published.step, published.system, published.name, published.until) == ("tax", "tax", "听证", None)
    assert kinds(process(step.state, request())) == ["TaskSuspended", "TaskDelivered"]
    step = process(step.state, decided(decision()))
    assert kinds(step) == ["TaskDone"]
    assert kinds(process(step.state, request())) == ["TaskSuspended", "TaskDone"]


def test_the_latest_report_of_a_procedure_counts_in_any_order() -> None:
    ended = procedure(reported=3, until=3)
    for messages in ((procedure(), ended), (ended, procedure()), (ended, procedure(), ended)):
        step = after(request(), submitted(receipt()), *messages)
        assert step.state.tasks[0].procedures == (ended.procedure,)
    assert process(step.state, procedure()).out == ()


def test_a_task_has_a_limited_number_of_procedures() -> None:
    step = after(request(), *(procedure(name=f"P{number}") for number in range(MAX_PROCEDURES)))
    with pytest.raises(InvalidMessage, match="special procedures already"):
        process(step.state, procedure(name="one-more"))
