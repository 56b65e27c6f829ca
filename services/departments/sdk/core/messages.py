"""Messages between a department service's core, its runtime and the department. None is published to Kafka."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from contracts.envelope import Code, Instant, Message
from contracts.faults import fault
from contracts.messages.fields import SuspendedPeriod
from contracts.messages.plans import Outcome
from contracts.messages.tasks import DoubtfulTime, TaskId, TaskRequested
from contracts.values import Value
from services.departments.sdk.core.texts import DocumentNumber, Explanation, Line, Number, Paragraphs


def in_utc(at: datetime) -> datetime:
    """The same moment in UTC. Raises `ValueError` for a time that UTC cannot express."""
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise fault("a time at the edge of the calendar", "时间在日历的边缘") from None


DepartmentTime = Annotated[Instant, AfterValidator(in_utc)]
"""A moment of a department's own clock, in any time zone; kept in UTC."""


CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far two honest clocks may differ, unless a setting names another time (Kerberos, RFC 4120, has five minutes)."""


class Posted(Value):
    """The task is in the department's inbox (a file, a row) and has no number there yet."""


class Reported(Value):
    """A report of the department. Adapters leave ``doubtful`` empty: the core checks the times (`times`)."""

    doubtful: tuple[DoubtfulTime, ...] = ()


class Receipt(Reported):
    """The department has received the task under a number of its own: proof of receipt."""

    reference: Number
    delivered_at: DepartmentTime


class Decision(Reported):
    """The department has decided. ``decided_at`` is its own time of decision.

    ``arrived_at``: when the decision first arrived. Adapters leave it empty: the core sets it.
    """

    reference: Number
    delivered_at: DepartmentTime
    outcome: Outcome
    document: DocumentNumber = None
    opinion: Paragraphs = ""
    decided_at: DepartmentTime
    arrived_at: Instant | None = None


class Procedure(Reported, SuspendedPeriod):
    """The present state of a special procedure (特别程序). ``reported_at`` is when the department reported it."""

    procedure: Code
    name: Line
    reason: Explanation
    since: DepartmentTime
    until: DepartmentTime | None = None
    reported_at: DepartmentTime


Answer = Posted | Receipt | Decision
"""The department's present answer to a task."""


class Submit(Message):
    """Submit a task to the department and get its present answer. Safe to repeat."""

    type: ClassVar[str] = "onedoor.department.submit.v1"

    task: TaskRequested


class Submitted(Message):
    """The department's answer to `Submit`."""

    type: ClassVar[str] = "onedoor.department.submitted.v1"

    task_id: TaskId
    answer: Answer
    clock_tolerance: timedelta = CLOCK_TOLERANCE


class SubmitFailed(Message):
    """No valid answer to `Submit`. Whether the task arrived is unknown."""

    type: ClassVar[str] = "onedoor.department.submit-failed.v1"

    task_id: TaskId
    reason: Annotated[str, Field(max_length=500)]


class Notified(Message):
    """The department reports on its own that it has received a task, has suspended it, or has decided."""

    type: ClassVar[str] = "onedoor.department.notified.v1"

    task_id: TaskId
    content: Receipt | Procedure | Decision
    clock_tolerance: timedelta = CLOCK_TOLERANCE
