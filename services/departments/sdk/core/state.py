"""The state of a case at a department's service. Data only."""

from enum import StrEnum

from contracts.messages.tasks import TaskCorrected, TaskRequested
from contracts.values import Value
from services.departments.sdk.core.messages import Decision, Procedure, Receipt


class TaskState(StrEnum):
    """The state of a task."""

    REQUESTED = "requested"
    DELIVERED = "delivered"
    DONE = "done"


class RetryReason(StrEnum):
    """The reason for submitting a task again, which decides how long to wait."""

    FAILED = "failed"
    POSTED = "posted"
    DELIVERED = "delivered"


class Task(Value):
    """One task and the department's answers to it. A task that is done keeps the decision alone."""

    request: TaskRequested
    state: TaskState = TaskState.REQUESTED
    receipt: Receipt | None = None
    decision: Decision | None = None
    procedures: tuple[Procedure, ...] = ()
    retry_reason: RetryReason | None = None
    """None until the first submission has been answered or has failed."""
    attempts: int = 0
    """Submissions for this reason."""
    corrections: tuple[TaskCorrected, ...] = ()
    """The answers that operators have settled, the last of which holds."""

    @property
    def is_doubtful(self) -> bool:
        """Whether a time of the task is in doubt."""
        known = self.decision or self.receipt
        if known is not None and known.doubtful:
            return True
        return bool(self.procedures) and any(one.doubtful for one in self.procedures)


class Tasks(Value):
    """A case at this department's system: its tasks, usually one, in the order of their requests."""

    tasks: tuple[Task, ...] = ()
