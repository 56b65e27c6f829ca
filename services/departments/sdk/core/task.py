"""Capability: a task is requested, delivered when the department gives it a number, and done when it decides.

Answers merge: a repeated or late answer changes nothing, and a contradictory one raises `InvalidMessage`.
"""

from typing import Any

from contracts.core import InvalidMessage
from contracts.envelope import Message
from contracts.messages.tasks import TaskDelivered, TaskDone, TaskRequested, TaskSuspended
from contracts.moves import Moves
from services.departments.sdk.core.messages import Answer, Decision, Posted, Procedure, Receipt
from services.departments.sdk.core.state import Task, TaskState

MAX_PROCEDURES = 20
"""The most special procedures of one task."""

MOVES: Moves[TaskState] = {
    (None, TaskRequested): TaskState.REQUESTED,
    (TaskState.REQUESTED, Receipt): TaskState.DELIVERED,
    (TaskState.REQUESTED, Decision): TaskState.DONE,
    (TaskState.DELIVERED, Decision): TaskState.DONE,
}
"""The moves of a task. Every other answer of the department leaves it in its state."""


def answer(task: Task, answer: Answer) -> Task:
    """The task after this answer; the same object where nothing changes."""
    _check_agreement(task, answer)
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


def suspend(task: Task, procedure: Procedure) -> Task:
    """The task with the present state of a special procedure; the same object where it is known or outdated."""
    known = {one.procedure: one for one in task.procedures}
    before = known.get(procedure.procedure)
    if before is not None and (before == procedure or before.reported_at > procedure.reported_at):
        return task
    known[procedure.procedure] = procedure
    if len(known) > MAX_PROCEDURES:
        raise InvalidMessage(f"task {task.request.task_id} has {MAX_PROCEDURES} special procedures already")
    return task.replace(procedures=tuple(known[name] for name in sorted(known)))


def reports(task: Task) -> tuple[Message, ...]:
    """All messages to routing and monitor about the present state of a task."""
    return (*(suspension(task, procedure) for procedure in task.procedures), *state_reports(task))


def state_reports(task: Task) -> tuple[Message, ...]:
    """The message that the task is delivered or done; none while it is requested."""
    requested_at = task.request.requested_at
    if task.decision is not None:
        return (TaskDone(**_assignment(task), requested_at=requested_at, **vars(task.decision)),)
    if task.receipt is not None:
        return (TaskDelivered(**_assignment(task), requested_at=requested_at, **vars(task.receipt)),)
    return ()


def suspension(task: Task, procedure: Procedure) -> TaskSuspended:
    """The message about a special procedure."""
    return TaskSuspended(**_assignment(task), **vars(procedure))


def _assignment(task: Task) -> dict[str, Any]:
    """The fields that every report about the task has in common."""
    request = task.request
    return {
        "task_id": request.task_id,
        "step": request.step,
        "department": request.department,
        "system": request.system,
    }


def _check_agreement(task: Task, answer: Answer) -> None:
    """Raise `InvalidMessage` for an answer that contradicts an earlier one."""
    if isinstance(answer, Posted):
        return
    known = task.decision or task.receipt
    if known is not None and known.reference != answer.reference:
        raise InvalidMessage(f"task {task.request.task_id} has been given two numbers by the department")
    if isinstance(answer, Decision) and task.decision is not None and task.decision.outcome != answer.outcome:
        raise InvalidMessage(
            f"task {task.request.task_id} is {task.decision.outcome}; it cannot become {answer.outcome}"
        )
