"""A task's life at one department. Pure: the runtime brings the messages and carries out the steps.

The question to the department stays open until it has decided: `Submit` is put at once, again soon after a
failure, and ever more slowly once the department holds the task, in case what it said by itself got lost.
"""

from datetime import timedelta
from enum import StrEnum
from typing import assert_never

from contracts.core import InvalidMessage, Step, UnknownCase, backoff
from contracts.envelope import Envelope, Message, TimerFired
from contracts.messages.tasks import TaskDelivered, TaskDone, TaskRequested, TaskSuspended, task_id
from contracts.moves import Moves
from contracts.values import Value
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

MAX_PROCEDURES = 20
"""Of one task."""


class TaskState(StrEnum):
    """Where a task stands."""

    REQUESTED = "requested"
    DELIVERED = "delivered"
    DONE = "done"


MOVES: Moves[TaskState] = {
    (None, TaskRequested): TaskState.REQUESTED,
    (TaskState.REQUESTED, Receipt): TaskState.DELIVERED,
    (TaskState.REQUESTED, Decision): TaskState.DONE,
    (TaskState.DELIVERED, Decision): TaskState.DONE,
}
"""The moves of a task. Every other answer of the department leaves it in its state."""


class RetryReason(StrEnum):
    """What the next question waits for, which says how patiently."""

    FAILED = "failed"
    POSTED = "posted"
    DELIVERED = "delivered"


BACKOFF: dict[RetryReason, tuple[timedelta, timedelta]] = {
    RetryReason.FAILED: (timedelta(seconds=5), timedelta(minutes=10)),
    RetryReason.POSTED: (timedelta(minutes=2), timedelta(hours=4)),
    RetryReason.DELIVERED: (timedelta(hours=1), timedelta(hours=24)),
}
"""Machine time before the question is put again: the first time, doubling, to the longest."""


class Task(Value):
    """One task, and what the department has said of it. A done task keeps the decision alone."""

    request: TaskRequested
    state: TaskState = TaskState.REQUESTED
    receipt: Receipt | None = None
    decision: Decision | None = None
    procedures: tuple[Procedure, ...] = ()
    retry_reason: RetryReason | None = None
    """None while the question has never been answered: it is put at once."""
    asked: int = 0
    """How often the question has been put at this pace."""


class Tasks(Value):
    """A case at this department's system: its tasks, usually one, in the order in which they came."""

    tasks: tuple[Task, ...] = ()


def handle(state: Tasks | None, envelope: Envelope[Message]) -> Step[Tasks]:
    """Take one message into the case.

    Raises `UnknownCase` when the department speaks of a case that was never asked for here, and `InvalidMessage`
    when it speaks of another task of the case, gives a task a second number, or changes its outcome.
    """
    message = envelope.data
    if isinstance(message, TaskRequested):
        if message.task_id != task_id(envelope.subject, message.step):
            raise InvalidMessage(f"task {message.task_id} is not of this case and step")
        return _requested(state or Tasks(), message)
    if state is None:
        raise UnknownCase(envelope.subject)
    if not isinstance(
        message, Submitted | SubmitFailed | ReceiptNotified | ProcedureNotified | DecisionNotified | TimerFired
    ):
        raise InvalidMessage(f"{envelope.type} is not for a department")
    match message:
        case Submitted():
            return _answered(state, message.task_id, message.answer)
        case SubmitFailed():
            return _failed(state, message.task_id)
        case ReceiptNotified():
            return _heard(state, message.task_id, message.receipt)
        case ProcedureNotified():
            return _suspended(state, message.task_id, message.procedure)
        case DecisionNotified():
            return _heard(state, message.task_id, message.decision)
        case TimerFired():
            return _step(state)
        case _:
            assert_never(message)


def _requested(state: Tasks, request: TaskRequested) -> Step[Tasks]:
    """A new task; or a known one, to which the answer is the present truth."""
    for task in state.tasks:
        if task.request.task_id == request.task_id:
            return _step(state, *_truth(task))
    return _step(Tasks(tasks=(*state.tasks, Task(request=request))))


def _answered(state: Tasks, task_id: str, answer: Answer) -> Step[Tasks]:
    before = _find(state, task_id)
    after = _move(before, answer)
    if after.state is not TaskState.DONE:
        pace = RetryReason.DELIVERED if after.state is TaskState.DELIVERED else RetryReason.POSTED
        after = _pace(after, pace, before)
    return _moved(state, before, after)


def _failed(state: Tasks, task_id: str) -> Step[Tasks]:
    before = _find(state, task_id)
    if before.state is TaskState.DONE:
        return _step(state)
    # After delivery nothing hangs on the answer, so that a failure is no reason to ask sooner.
    pace = RetryReason.DELIVERED if before.state is TaskState.DELIVERED else RetryReason.FAILED
    return _moved(state, before, _pace(before, pace, before))


def _heard(state: Tasks, task_id: str, answer: Receipt | Decision) -> Step[Tasks]:
    before = _find(state, task_id)
    return _moved(state, before, _move(before, answer))


def _suspended(state: Tasks, task_id: str, procedure: Procedure) -> Step[Tasks]:
    """Keep the department's latest word about a procedure, and tell of it."""
    before = _find(state, task_id)
    known = {one.procedure: one for one in before.procedures}
    told = known.get(procedure.procedure)
    if told is not None and (told == procedure or told.reported_at > procedure.reported_at):
        return _step(state)
    known[procedure.procedure] = procedure
    if len(known) > MAX_PROCEDURES:
        raise InvalidMessage(f"task {task_id} has {MAX_PROCEDURES} special procedures already")
    after = before.replace(procedures=tuple(known[name] for name in sorted(known)))
    tasks = tuple(after if task is before else task for task in state.tasks)
    return _step(Tasks(tasks=tasks), _told(after, procedure))


def _told(task: Task, procedure: Procedure) -> TaskSuspended:
    return TaskSuspended(
        task_id=task.request.task_id,
        step=task.request.step,
        department=task.request.department,
        system=task.request.system,
        **dict(procedure),
    )


def _move(task: Task, answer: Answer) -> Task:
    """The task after this answer, by the table of moves. Nothing that is known is unsaid."""
    _must_agree(task, answer)
    state = MOVES.get((task.state, type(answer)), task.state)
    if state is task.state:
        return task
    match answer:
        case Decision():
            return Task(request=task.request, state=state, decision=answer, procedures=task.procedures)
        case Receipt():
            return task.replace(state=state, receipt=answer)
        case Posted():
            return task


def _must_agree(task: Task, answer: Answer) -> None:
    """Raise `InvalidMessage` when an answer contradicts an earlier one."""
    if isinstance(answer, Posted):
        return
    known = task.decision or task.receipt
    if known is not None and known.reference != answer.reference:
        raise InvalidMessage(f"task {task.request.task_id} has been given two numbers by the department")
    if isinstance(answer, Decision) and task.decision is not None and task.decision.outcome != answer.outcome:
        raise InvalidMessage(
            f"task {task.request.task_id} is {task.decision.outcome}; it cannot become {answer.outcome}"
        )


def _pace(task: Task, pace: RetryReason, before: Task) -> Task:
    return task.replace(retry_reason=pace, asked=before.asked + 1 if before.retry_reason is pace else 1)


def _moved(state: Tasks, before: Task, after: Task) -> Step[Tasks]:
    if after is before:
        return _step(state)
    tasks = tuple(after if task is before else task for task in state.tasks)
    return _step(Tasks(tasks=tasks), *(_state_of(after) if after.state is not before.state else ()))


def _truth(task: Task) -> tuple[Message, ...]:
    """What there is to tell about a task."""
    return (*(_told(task, procedure) for procedure in task.procedures), *_state_of(task))


def _state_of(task: Task) -> tuple[Message, ...]:
    request, receipt, decision = task.request, task.receipt, task.decision
    if decision is not None:
        done = TaskDone(
            task_id=request.task_id,
            step=request.step,
            department=request.department,
            system=request.system,
            reference=decision.reference,
            requested_at=request.requested_at,
            delivered_at=decision.delivered_at,
            outcome=decision.outcome,
            document=decision.document,
            opinion=decision.opinion,
            decided_at=decision.decided_at,
        )
        return (done,)
    if receipt is not None:
        delivered = TaskDelivered(
            task_id=request.task_id,
            step=request.step,
            department=request.department,
            system=request.system,
            reference=receipt.reference,
            requested_at=request.requested_at,
            delivered_at=receipt.delivered_at,
        )
        return (delivered,)
    return ()


def _step(state: Tasks, *out: Message) -> Step[Tasks]:
    """The step, with the question that comes next."""
    task = _next(state)
    if task is None:
        return Step(state, out, closed=True)
    wait = backoff(task.asked, *BACKOFF[task.retry_reason]) if task.retry_reason else timedelta()
    return Step(state, out, call=Submit(task=task.request), call_after=wait)


def question(state: Tasks) -> Submit | None:
    """The one question that this case has open, if any."""
    task = _next(state)
    return Submit(task=task.request) if task is not None else None


def _next(state: Tasks) -> Task | None:
    """Whose turn it is: a new task's first, then whichever was asked least."""
    undecided = (task for task in state.tasks if task.state is not TaskState.DONE)
    return min(undecided, key=lambda task: task.asked, default=None)


def _find(state: Tasks, task_id: str) -> Task:
    for task in state.tasks:
        if task.request.task_id == task_id:
            return task
    raise InvalidMessage(f"task {task_id} of this case has never been asked for here")
