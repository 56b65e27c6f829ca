"""The only door of a department's core: each message goes to one small function.

A task is submitted until the department has decided: at once, again soon after a failure, and ever more slowly once
the department holds it, in case a notification was lost. `task` has the states of a task and its table of moves.
"""

from datetime import datetime, timedelta
from typing import assert_never, cast

from contracts.core import InvalidMessage, Transition, UnknownCase, backoff
from contracts.envelope import Envelope, Message, TimerFired
from contracts.messages import tasks as contract
from contracts.messages.tasks import TaskCorrected, TaskRequested, TimeSettled
from services.departments.sdk.core import task as capability
from services.departments.sdk.core import times
from services.departments.sdk.core.messages import Notified, Procedure, Submit, SubmitFailed, Submitted
from services.departments.sdk.core.state import RetryReason, Task, Tasks, TaskState

BACKOFF: dict[RetryReason, tuple[timedelta, timedelta]] = {
    RetryReason.FAILED: (timedelta(seconds=5), timedelta(minutes=10)),
    RetryReason.POSTED: (timedelta(minutes=2), timedelta(hours=4)),
    RetryReason.DELIVERED: (timedelta(hours=1), timedelta(hours=24)),
}
"""Machine time before a task is submitted again: the first wait, which doubles, and the longest."""

DOUBTS_REPEATED = timedelta(days=1)
"""Machine time after which a doubtful time is reported again, in case monitor did not receive the report."""

DepartmentMessage = TaskRequested | TimeSettled | TaskCorrected | Submitted | SubmitFailed | Notified | TimerFired

_MESSAGES = frozenset(DepartmentMessage.__args__)


def handle(state: Tasks | None, envelope: Envelope[Message]) -> Transition[Tasks]:
    """Process one message of one case.

    Raises `UnknownCase` for a notification about a case that was never requested here, and `InvalidMessage` for one
    about another task of the case, a second number of a task, or another outcome. An operator settles such a
    contradiction by `TaskCorrected`.
    """
    if type(envelope.data) not in _MESSAGES:
        raise InvalidMessage(f"{envelope.type} is not for a department", f"{envelope.type} 不由部门服务处理")
    message, case_id = cast(DepartmentMessage, envelope.data), envelope.subject
    if isinstance(message, TaskRequested):
        return _request(case_id, state or Tasks(), message)
    if state is None:
        raise UnknownCase(case_id)
    match message:
        case Submitted():
            return _submitted(state, message, envelope.time)
        case SubmitFailed():
            return _failed(state, message.task_id)
        case Notified():
            return _notified(state, message, envelope.time)
        case TimeSettled():
            return _time_settled(state, message)
        case TaskCorrected():
            return _corrected(state, message, envelope.time)
        case TimerFired():
            return _transition(state, *_doubtful_reports(state))
        case _:
            assert_never(message)


def pending_submit(state: Tasks) -> Submit | None:
    """The one request to the department that a case has open, if any."""
    task = _next(state)
    return Submit(task=task.request) if task is not None else None


def _request(case_id: str, state: Tasks, request: TaskRequested) -> Transition[Tasks]:
    """Open a new task, or report the present state of a known one."""
    if request.task_id != contract.task_id(case_id, request.step):
        raise InvalidMessage(
            f"task {request.task_id} is not of this case and step", f"任务 {request.task_id} 不属于该办件和环节"
        )
    for task in state.tasks:
        if task.request.task_id == request.task_id:
            return _transition(state, *capability.reports(task))
    return _transition(Tasks(tasks=(*state.tasks, Task(request=request))))


def _submitted(state: Tasks, submitted: Submitted, arrived_at: datetime) -> Transition[Tasks]:
    before = _find(state, submitted.task_id)
    answer = times.checked_answer(before, submitted.answer, arrived_at, submitted.clock_tolerance)
    after = capability.answer(before, answer)
    if after.state is not TaskState.DONE:
        delivered = after.state is TaskState.DELIVERED
        after = _retry_later(after, RetryReason.DELIVERED if delivered else RetryReason.POSTED, before)
    return _changed(state, before, after)


def _failed(state: Tasks, task_id: str) -> Transition[Tasks]:
    before = _find(state, task_id)
    if before.state is TaskState.DONE:
        return _transition(state)
    # After delivery nothing waits for the answer, so a failure is no reason to retry sooner.
    reason = RetryReason.DELIVERED if before.state is TaskState.DELIVERED else RetryReason.FAILED
    return _changed(state, before, _retry_later(before, reason, before))


def _notified(state: Tasks, notified: Notified, arrived_at: datetime) -> Transition[Tasks]:
    before = _find(state, notified.task_id)
    content, tolerance = notified.content, notified.clock_tolerance
    if isinstance(content, Procedure):
        return _suspended(state, before, times.checked_procedure(before, content, arrived_at, tolerance))
    answer = times.checked_answer(before, content, arrived_at, tolerance)
    return _changed(state, before, capability.answer(before, answer))


def _corrected(state: Tasks, corrected: TaskCorrected, arrived_at: datetime) -> Transition[Tasks]:
    """Report the answer in any case: its number is another one than before."""
    before = _find(state, corrected.task_id)
    after = capability.correct(before, corrected, arrived_at)
    return _transition(_replaced(state, before, after), *capability.state_reports(after))


def _suspended(state: Tasks, before: Task, procedure: Procedure) -> Transition[Tasks]:
    """Report a special procedure: monitor decides what it means for the time limits."""
    after = capability.suspend(before, procedure)
    if after is before:
        return _transition(state)
    return _transition(_replaced(state, before, after), capability.suspension(after, procedure))


def _time_settled(state: Tasks, settlement: TimeSettled) -> Transition[Tasks]:
    """Report the task with the settled time. A repeated settlement is answered too: the report may be lost."""
    before = _find(state, settlement.task_id)
    after = capability.settle(before, settlement)
    return _transition(_replaced(state, before, after), *capability.reports(after))


def _doubtful_reports(state: Tasks) -> list[Message]:
    return [report for task in state.tasks if task.is_doubtful for report in capability.reports(task)]


def _changed(state: Tasks, before: Task, after: Task) -> Transition[Tasks]:
    if after is before:
        return _transition(state)
    is_news = after.decision is not before.decision or after.receipt is not before.receipt
    return _transition(_replaced(state, before, after), *(capability.state_reports(after) if is_news else ()))


def _replaced(state: Tasks, before: Task, after: Task) -> Tasks:
    return state.replace(tasks=tuple([after if task is before else task for task in state.tasks]))


def _retry_later(task: Task, reason: RetryReason, before: Task) -> Task:
    return task.replace(retry_reason=reason, attempts=before.attempts + 1 if before.retry_reason is reason else 1)


def _transition(state: Tasks, *out: Message) -> Transition[Tasks]:
    """The transition to this state, with the next request to the department."""
    task, repeat = _next(state), DOUBTS_REPEATED if any(one.is_doubtful for one in state.tasks) else None
    if task is None:
        return Transition(state, out, retry_after=repeat, closed=True)
    wait = backoff(task.attempts, *BACKOFF[task.retry_reason]) if task.retry_reason else timedelta()
    return Transition(state, out, retry_after=repeat, call=Submit(task=task.request), call_after=wait)


def _next(state: Tasks) -> Task | None:
    """The task to submit next: a new one first, then the one with the fewest attempts."""
    undecided = [task for task in state.tasks if task.state is not TaskState.DONE]
    return min(undecided, key=lambda task: task.attempts, default=None)


def _find(state: Tasks, task_id: str) -> Task:
    for task in state.tasks:
        if task.request.task_id == task_id:
            return task
    raise InvalidMessage(
        f"task {task_id} of this case has never been requested here", f"此处从未接到该办件的任务 {task_id}"
    )
