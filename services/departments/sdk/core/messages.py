"""What passes between a department service's core, its runtime and the department. None of it goes to Kafka."""

from datetime import UTC, datetime
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field, model_validator

from contracts.envelope import Code, Instant, Message, Name
from contracts.messages.fields import Article, Reason, check_period
from contracts.messages.plans import Outcome
from contracts.messages.tasks import TaskId, TaskRequested
from contracts.values import Value


def in_utc(at: datetime) -> datetime:
    """The same moment in UTC. Raises `ValueError` where the calendar ends: such a time is nonsense like any other."""
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError("a time at the edge of the calendar") from None


DepartmentTime = Annotated[Instant, AfterValidator(in_utc)]
"""A moment of a department's own clock, in whatever zone it was told; kept in UTC."""


class Posted(Value):
    """The task lies in the department's letter box (a file, a row); no number of its own yet."""


class Receipt(Value):
    """The department has taken the task under a number of its own: proof of receipt."""

    reference: Name
    delivered_at: DepartmentTime


class Decision(Value):
    """The department has decided. ``decided_at`` is its own time of decision."""

    reference: Name
    delivered_at: DepartmentTime
    outcome: Outcome
    document: Name | None = None
    opinion: Annotated[str, Field(max_length=2000)] = ""
    decided_at: DepartmentTime


class Procedure(Value):
    """A special procedure of the department's, as it says of it now (特别程序). ``reported_at`` is when it said so."""

    procedure: Code
    name: Name
    reason: Reason
    article: Article = ""
    since: DepartmentTime
    until: DepartmentTime | None = None
    reported_at: DepartmentTime

    _ends_after_it_begins = model_validator(mode="after")(check_period)


Answer = Posted | Receipt | Decision
"""The department's present truth about a task, as far as it says."""


class Submit(Message):
    """The question: here is a task; what is your present truth about it? Safe to repeat."""

    type: ClassVar[str] = "onedoor.department.submit.v1"

    task: TaskRequested


class Submitted(Message):
    """The department's answer to `Submit`."""

    type: ClassVar[str] = "onedoor.department.submitted.v1"

    task_id: TaskId
    answer: Answer


class SubmitFailed(Message):
    """No answer to `Submit`, or none that could be understood. Whether the task arrived is not known."""

    type: ClassVar[str] = "onedoor.department.submit-failed.v1"

    task_id: TaskId
    reason: Annotated[str, Field(max_length=500)]


class ReceiptNotified(Message):
    """The department said by itself that it has taken a task."""

    type: ClassVar[str] = "onedoor.department.received.v1"

    task_id: TaskId
    receipt: Receipt


class DecisionNotified(Message):
    """The department said by itself that it has decided a task."""

    type: ClassVar[str] = "onedoor.department.decided.v1"

    task_id: TaskId
    decision: Decision


class ProcedureNotified(Message):
    """The department said by itself how a special procedure stands."""

    type: ClassVar[str] = "onedoor.department.suspended.v1"

    task_id: TaskId
    procedure: Procedure
