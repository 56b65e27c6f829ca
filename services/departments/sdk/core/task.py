"""Capability: a task is requested, delivered when the department gives it a number, and done when it decides.

Answers merge: a repeated or late answer changes nothing, unless it corrects a doubtful time, and a contradictory one
raises `InvalidMessage`.
"""

from datetime import datetime
from typing import Any

from contracts.core import InvalidMessage
from contracts.envelope import Message
from contracts.messages.tasks import TaskCorrected, TaskDelivered, TaskDone, TaskRequested, TaskSuspended, TimeSettled
from contracts.moves import Moves
from contracts.text import number
from services.departments.sdk.core import times
from services.departments.sdk.core.messages import CLOCK_TOLERANCE, Answer, Decision, Posted, Procedure, Receipt
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
    answer = _under_settled_number(task, answer)
    _check_agreement(task, answer)
    state = MOVES.get((task.state, type(answer)), task.state)
    if state is task.state and not _corrects_times(task, answer):
        return task
    match answer:
        case Decision():
            if task.decision is not None:  # with times corrected: the other departments know the decision already
                answer = answer.replace(arrived_at=task.decision.arrived_at)
            return task.replace(state=state, decision=answer, receipt=None, retry_reason=None, attempts=0)
        case Receipt():
            return task.replace(state=state, receipt=answer)
        case Posted():
            return task


def correct(task: Task, corrected: TaskCorrected, arrived_at: datetime) -> Task:
    """The task with the answer that an operator has settled. Raises `InvalidMessage` for a task that is done.

    Its times are claims, as in every other answer, but an operator writes them, not a clock of the department: the
    usual tolerance applies, whatever the settings allow that clock. ``arrived_at``: when the correction arrived, by the
    clock of the platform, and the answer with it.

    A decision has been published and may have ended the case, so that it cannot be changed here.
    """
    if task.state is TaskState.DONE:
        raise InvalidMessage(
            f"task {task.request.task_id} is done: its decision cannot be corrected",
            f"任务 {task.request.task_id} 已办结，其决定不能更正",
        )
    number: dict[str, Any] = {"reference": corrected.reference, "delivered_at": corrected.delivered_at}
    receipt = times.checked_answer(task, Receipt(**number), arrived_at, CLOCK_TOLERANCE)
    settled = task.replace(
        receipt=receipt if task.receipt is not None else None, corrections=(*task.corrections, corrected)
    )
    if corrected.outcome is None or corrected.decided_at is None:
        return answer(settled, receipt)
    decision = Decision(
        **number,
        outcome=corrected.outcome,
        document=corrected.document,
        opinion=corrected.opinion,
        decided_at=corrected.decided_at,
    )
    return answer(settled, times.checked_answer(settled, decision, arrived_at, CLOCK_TOLERANCE))


def suspend(task: Task, procedure: Procedure) -> Task:
    """The task with the present state of a special procedure; the same object where it is known or outdated."""
    known = {one.procedure: one for one in task.procedures}
    before = known.get(procedure.procedure)
    if before is not None and (_is_same_report(before, procedure) or before.reported_at > procedure.reported_at):
        return task
    known[procedure.procedure] = procedure
    if len(known) > MAX_PROCEDURES:
        raise InvalidMessage(
            f"task {task.request.task_id} has {MAX_PROCEDURES} special procedures already",
            f"任务 {task.request.task_id} 已有 {MAX_PROCEDURES} 项特别程序",
        )
    return task.replace(procedures=tuple(known[name] for name in sorted(known)))


def settle(task: Task, settlement: TimeSettled) -> Task:
    """The task with the moment that a supervisor has settled; the same object where that time is not doubtful."""
    if settlement.procedure is not None:
        changed = tuple(
            times.settled(one, settlement) if one.procedure == settlement.procedure else one for one in task.procedures
        )
        return task if changed == task.procedures else task.replace(procedures=changed)
    decision = times.settled(task.decision, settlement) if task.decision is not None else None
    receipt = times.settled(task.receipt, settlement) if task.receipt is not None else None
    if decision is task.decision and receipt is task.receipt:
        return task
    return task.replace(decision=decision, receipt=receipt)


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


def _corrects_times(task: Task, answer: Answer) -> bool:
    """Whether the answer is the known one with fewer doubtful times, none of them after the known answer arrived."""
    match task.decision or task.receipt, answer:
        case (Decision() as known, Decision()) if answer.decided_at <= known.decided_at:
            pass
        case Receipt() as known, Receipt():
            pass
        case _:
            return False
    return len(answer.doubtful) < len(known.doubtful) and answer.delivered_at <= known.delivered_at


def _is_same_report(known: Procedure, report: Procedure) -> bool:
    """Whether a report repeats a known one. A doubtful time counts from the first report on."""
    if known.doubtful and known.doubtful == report.doubtful:
        report = report.replace(since=known.since, until=known.until, reported_at=known.reported_at)
    return known == report


def _under_settled_number(task: Task, answer: Answer) -> Answer:
    """The answer under the number that an operator has settled, if it comes under another one of the same task."""
    others = {number for corrected in task.corrections for number in corrected.other_numbers}
    if isinstance(answer, Posted) or answer.reference not in others:
        return answer
    return answer.replace(reference=task.corrections[-1].reference)


def _check_agreement(task: Task, answer: Answer) -> None:
    """Raise `InvalidMessage` for an answer that contradicts an earlier one."""
    known = task.decision or task.receipt
    if known is not None and not isinstance(answer, Posted) and (fault := contradiction(known, answer)) is not None:
        en, zh = fault
        raise InvalidMessage(f"task {task.request.task_id} {en}", f"任务 {task.request.task_id} {zh}")


def contradiction(known: Receipt | Decision, answer: Receipt | Decision) -> tuple[str, str] | None:
    """The point on which two answers of the department to one task contradict each other, in each language; None where
    they agree."""
    if known.reference != answer.reference:
        return "has been given two numbers by the department", "被部门给了两个编号"
    if not isinstance(known, Decision) or not isinstance(answer, Decision):
        return None
    if known.outcome != answer.outcome:
        return (
            f"is {known.outcome}; it cannot become {answer.outcome}",
            f"已为 {known.outcome}，不能改为 {answer.outcome}",
        )
    if known.document and answer.document and number(known.document) != number(answer.document):
        return "has been given two documents by the department", "被部门给了两份文书"
    return None
