"""The core of a department's service, by example and by property."""

from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.core import InvalidMessage, Transition, UnknownCase
from contracts.envelope import Message, TimerFired
from contracts.messages.plans import Outcome
from contracts.messages.tasks import TaskCorrected, TaskDelivered, TaskDone, TaskRequested, TaskSuspended, task_id
from services.departments.sdk.core.handle import BACKOFF, handle
from services.departments.sdk.core.messages import (
    Answer,
    Decision,
    Notified,
    Posted,
    Procedure,
    Receipt,
    Submit,
    SubmitFailed,
    Submitted,
)
from services.departments.sdk.core.state import RetryReason, Tasks, TaskState
from services.departments.sdk.core.task import MAX_PROCEDURES, MOVES
from tests.support.messages import CASE_ID, MONDAY, CaseMessages, plan, plan_step
from tests.support.scenario import Scenario, of_type

CASE = CaseMessages(plan(*(plan_step(step) for step in ("tax", "a", "b"))))


NEXT_MONDAY = MONDAY + timedelta(days=7)


def request(step: str = "tax") -> TaskRequested:
    return CASE.requested(step, MONDAY)


def receipt(step: str = "tax") -> Receipt:
    return Receipt(reference=f"number of {step}", delivered_at=MONDAY)


def decision(step: str = "tax", outcome: Outcome = Outcome.APPROVED) -> Decision:
    decided_at = MONDAY + timedelta(days=2)
    return Decision(reference=f"number of {step}", delivered_at=MONDAY, outcome=outcome, decided_at=decided_at)


def procedure(reported: int = 0, until: int | None = None, name: str = "P1") -> Notified:
    reported_now = Procedure(
        procedure=name,
        name="听证",
        reason="涉及重大公共利益",
        since=MONDAY,
        until=MONDAY + timedelta(days=until) if until is not None else None,
        reported_at=MONDAY + timedelta(days=reported),
    )
    return Notified(task_id=request().task_id, content=reported_now)


def submitted(answer: Answer, step: str = "tax") -> Submitted:
    return Submitted(task_id=task_id(CASE_ID, step), answer=answer)


def failed(step: str = "tax") -> SubmitFailed:
    return SubmitFailed(task_id=task_id(CASE_ID, step), reason="ConnectError")


def notified(answer: Decision, step: str = "tax") -> Notified:
    return Notified(task_id=task_id(CASE_ID, step), content=answer)


def tasks(*messages: Message) -> Scenario[Tasks]:
    """The tasks of a case, after these messages, which arrive a week after the request."""
    return Scenario(handle).given(*((message, NEXT_MONDAY) for message in messages))


def after(*messages: Message) -> Transition[Tasks]:
    """The transition by the last of these messages."""
    return tasks(*messages).last


def kinds(messages: tuple[Message, ...]) -> tuple[type[Message], ...]:
    return tuple(type(message) for message in messages)


def test_a_new_task_is_submitted_at_once() -> None:
    step = after(request())
    assert step.call == Submit(task=request())
    assert step.call_after == timedelta()
    assert not step.out
    assert not step.closed


def test_a_receipt_is_reported_and_the_task_stays_open() -> None:
    step = after(request(), submitted(receipt()))
    assert kinds(step.out) == (TaskDelivered,)
    assert step.call == Submit(task=request())
    assert step.call_after == timedelta(hours=1)


def test_a_decision_in_the_first_answer_is_reported_once() -> None:
    step = after(request(), submitted(decision()))
    assert kinds(step.out) == (TaskDone,)
    assert step.call is None
    assert step.closed


def test_a_decision_notified_ends_the_task() -> None:
    step = after(request(), submitted(receipt()), notified(decision()))
    (done,) = step.out
    assert isinstance(done, TaskDone)
    assert (done.task_id, done.reference, done.outcome) == (request().task_id, "number of tax", Outcome.APPROVED)
    assert step.closed


def test_a_receipt_notified_delivers_the_task() -> None:
    step = after(request(), submitted(Posted()), Notified(task_id=request().task_id, content=receipt()))
    assert kinds(step.out) == (TaskDelivered,)


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
    both = tasks(request("a"), request("b"))
    assert both.last.call == Submit(task=request("a"))
    both.given(submitted(receipt("a"), "a"))
    assert both.last.call == Submit(task=request("b"))
    assert both.last.call_after == timedelta()
    assert not both.given(submitted(decision("b"), "b")).last.closed


def test_a_timer_changes_nothing() -> None:
    assert after(request(), TimerFired()) == after(request())


def test_an_outcome_does_not_change() -> None:
    refusal = notified(decision(outcome=Outcome.REFUSED))
    tasks(request(), submitted(decision())).refuses(refusal, reason="approved; it cannot become refused")


def test_a_task_has_one_number() -> None:
    another = submitted(Receipt(reference="another", delivered_at=MONDAY))
    tasks(request(), submitted(receipt())).refuses(another, reason="two numbers")


def test_a_task_has_one_document() -> None:
    document = decision().replace(document="证（2026）1号")
    decided = tasks(request(), submitted(document))
    assert not decided.given(notified(document.replace(document="证(2026)1号"))).last.out, "it is the same number"
    decided.refuses(notified(document.replace(document="证（2026）2号")), reason="two documents")


def test_a_padded_number_is_the_same_number() -> None:
    padded = Receipt(reference=" number  of tax\u3000", delivered_at=MONDAY)
    assert kinds(after(request(), submitted(padded), notified(decision())).out) == (TaskDone,)


def corrected(reference: str, outcome: Outcome | None = None, *others: str) -> TaskCorrected:
    return TaskCorrected(
        task_id=request().task_id,
        system="tax",
        reference=reference,
        other_numbers=others,
        delivered_at=MONDAY,
        outcome=outcome,
        decided_at=MONDAY + timedelta(days=2) if outcome else None,
        by="li",
        reason="settled with the department",
        corrected_at=MONDAY,
    )


SECOND = Receipt(reference="N2", delivered_at=MONDAY)
DECIDED = {"outcome": Outcome.APPROVED, "decided_at": MONDAY + timedelta(days=2)}


@pytest.mark.parametrize(("holds", "other"), [("N1", "N2"), ("N2", "N1")])
def test_an_operator_chooses_between_two_numbers_and_the_task_goes_on(holds: str, other: str) -> None:
    """Afterwards the department may answer under either of them."""
    first = Receipt(reference="N1", delivered_at=MONDAY)
    for answered in ("N1", "N2"):
        scenario = tasks(request(), submitted(first))
        scenario.refuses(submitted(SECOND), reason="two numbers")
        scenario.when(corrected(holds, None, other))
        assert [one.reference for one in of_type(TaskDelivered, scenario.last.out)] == [holds]
        scenario.when(submitted(Receipt(reference=answered, delivered_at=MONDAY)))
        scenario.when(submitted(Decision(**vars(first) | {"reference": answered}, **DECIDED)))
        (done,) = scenario.last.out
        assert isinstance(done, TaskDone)
        assert done.reference == holds
        assert scenario.last.closed
        (task,) = scenario.case.tasks
        assert [(one.by, one.reason) for one in task.corrections] == [("li", "settled with the department")]


def test_a_third_number_is_refused_after_a_choice() -> None:
    scenario = tasks(request(), submitted(SECOND), corrected("N1", None, "N2"))
    scenario.refuses(submitted(Receipt(reference="N3", delivered_at=MONDAY)), reason="two numbers")


def test_an_operator_enters_an_answer_that_cannot_be_read() -> None:
    scenario = tasks(request(), corrected("N1", Outcome.REFUSED))
    (done,) = scenario.last.out
    assert isinstance(done, TaskDone)
    assert (done.reference, done.outcome) == ("N1", Outcome.REFUSED)
    assert scenario.last.closed and scenario.last.call is None


def test_a_decision_is_not_corrected_since_others_have_it() -> None:
    tasks(request(), submitted(decision())).refuses(corrected("N2", Outcome.REFUSED), reason="is done")


def test_unknown_cases_and_tasks_are_refused() -> None:
    tasks().refuses(notified(decision()), error=UnknownCase)
    tasks(request()).refuses(notified(decision("other"), "other"), reason="never been requested")
    tasks(request()).refuses(CASE.done("tax", MONDAY), reason="not for a department")


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
        Notified(task_id=task_id(CASE_ID, step), content=receipt(step)),
        notified(decision(step), step),
    )
] + [TimerFired()]


@settings(max_examples=300)
@given(st.lists(st.sampled_from(MESSAGES), max_size=40))
def test_any_order_and_repetition_ends_the_same(messages: list[Message]) -> None:
    """Messages in any order and number end in one state, since a task is submitted until it is decided."""
    scenario = tasks()
    for message in [*messages, *map(request, STEPS)]:
        with suppress(InvalidMessage):  # parked; the task stays open
            scenario.when(message, NEXT_MONDAY)
    while isinstance(call := scenario.last.call, Submit):
        scenario.when(submitted(decision(call.task.step), call.task.step))

    assert scenario.last.closed
    assert scenario.last.call is None
    ends = {task.request.step: (task.state, task.receipt, task.decision, task.attempts) for task in scenario.case.tasks}
    assert ends == {name: (TaskState.DONE, None, decision(name).replace(arrived_at=NEXT_MONDAY), 0) for name in STEPS}
    assert len(set(of_type(TaskDone, scenario.published))) == len(STEPS)


@given(st.lists(st.sampled_from(MESSAGES), max_size=40))
def test_a_done_task_reports_nothing_but_done(messages: list[Message]) -> None:
    scenario = tasks()
    for message in messages:
        with suppress(InvalidMessage):
            scenario.when(message, NEXT_MONDAY)
    done: set[str] = set()
    for one in scenario.published:
        assert isinstance(one, TaskDone | TaskDelivered)
        assert not (isinstance(one, TaskDelivered) and one.task_id in done)
        if isinstance(one, TaskDone):
            done.add(one.task_id)


def test_a_special_procedure_is_reported_again_on_request_also_after_the_decision() -> None:
    scenario = tasks(request(), submitted(receipt()))
    (published,) = scenario.when(procedure())
    assert isinstance(published, TaskSuspended)
    assert (published.step, published.system, published.name, published.until) == ("tax", "tax", "听证", None)
    assert kinds(scenario.when(request())) == (TaskSuspended, TaskDelivered)
    assert kinds(scenario.when(notified(decision()))) == (TaskDone,)
    assert kinds(scenario.when(request())) == (TaskSuspended, TaskDone)


def test_the_latest_report_of_a_procedure_counts_in_any_order() -> None:
    ended = procedure(reported=3, until=3)
    for messages in ((procedure(), ended), (ended, procedure()), (ended, procedure(), ended)):
        scenario = tasks(request(), submitted(receipt()), *messages)
        assert scenario.case.tasks[0].procedures == (ended.content,)
    assert scenario.when(procedure()) == ()


def test_a_task_has_a_limited_number_of_procedures() -> None:
    full = tasks(request(), *(procedure(name=f"P{number}") for number in range(MAX_PROCEDURES)))
    full.refuses(procedure(name="one-more"), reason="special procedures already")
