"""Messages about a task: the request to a department, and the answers of its adapter."""

from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from contracts.envelope import Code, Instant, Message, Name
from contracts.messages.cases import Applicant
from contracts.messages.fields import PersonId, Reason, Region, SuspendedPeriod
from contracts.messages.plans import MAX_MATERIALS, MAX_STEPS, Limits, Outcome, PlanStep
from contracts.values import Value

TaskId = Annotated[str, Field(min_length=1, max_length=96)]
"""``case number/step``: the idempotency key for the department's own system."""


class Document(Value):
    """A document that an earlier step produced and this one may need, such as a licence."""

    step: Code
    number: Name


class TaskRequested(Message):
    """Routing requests one step from a department. Published again, with growing waits, until it is answered."""

    type: ClassVar[str] = "onedoor.task.requested.v1"

    task_id: TaskId
    step: Code
    item: Code
    item_name: Name
    department: Name
    system: Code
    region: Region
    applicant: Applicant | None = None
    """None for a case imported from another system, which does not disclose the applicant."""
    materials: Annotated[tuple[Name, ...], Field(max_length=MAX_MATERIALS)] = ()
    documents: Annotated[tuple[Document, ...], Field(max_length=MAX_STEPS)] = ()
    limits: Limits | None = None
    requested_at: Instant


class TimeField(StrEnum):
    """The times that a department reports, by the names of the fields that have them."""

    DELIVERED_AT = "delivered_at"
    DECIDED_AT = "decided_at"
    SINCE = "since"
    UNTIL = "until"


class DoubtfulTime(Value):
    """A time that a department reported and that cannot be true: it lies before the request, or ahead of the clock.

    In its place the report has the moment at which it arrived, until a person settles the time (`TimeSettled`).
    """

    field: TimeField
    claimed: Instant
    """The time as the department reported it."""


class TaskReport(Message):
    """A report of a department about one of its tasks."""

    task_id: TaskId
    step: Code
    department: Name
    system: Code
    doubtful: Annotated[tuple[DoubtfulTime, ...], Field(max_length=len(TimeField))] = ()
    """The times of this report that are not the department's own."""


class TaskDelivered(TaskReport):
    """The department's own system has taken the task under a number of its own: proof of receipt (送达)."""

    type: ClassVar[str] = "onedoor.task.delivered.v1"

    reference: Name
    requested_at: Instant | None = None
    """Copied from the request, for consumers that do not receive the request."""
    delivered_at: Instant


class TaskSuspended(SuspendedPeriod, TaskReport):
    """The department has opened a special procedure, whose time does not count, or reports on its course (特别程序,
    Administrative Licensing Law, article 45). Published with every change; the latest ``reported_at`` holds."""

    type: ClassVar[str] = "onedoor.task.suspended.v1"

    procedure: Code
    """The department's own id of the procedure."""
    name: Name
    """Its kind: hearing, tender, auction, inspection, testing, quarantine, appraisal, expert review."""
    reported_at: Instant


class TaskDone(TaskReport):
    """The department has decided. ``decided_at`` is the time of its decision, not that of the message.

    The steps that wait for the decision begin at ``arrived_at``, since no other department could know of it before.
    """

    type: ClassVar[str] = "onedoor.task.done.v1"

    reference: Name
    requested_at: Instant | None = None
    delivered_at: Instant
    outcome: Outcome
    document: Name | None = None
    opinion: Annotated[str, Field(max_length=2000)] = ""
    decided_at: Instant
    arrived_at: Instant
    """When the answer first arrived, by the clock of the platform: the same in every report of it, and never in
    doubt."""


class TimeSettled(Message):
    """A supervisor decides which moment counts for a doubtful time. The department's service reports the task again
    with that moment. Published until it does."""

    type: ClassVar[str] = "onedoor.time.settled.v1"

    task_id: TaskId
    step: Code
    system: Code
    procedure: Code | None = None
    """The special procedure whose time it is; None for a time of the task."""
    field: TimeField
    claimed: Instant
    counts_at: Instant
    """The moment that counts."""
    by: PersonId
    on_behalf_of: PersonId | None = None
    """The person on leave for whom it is done."""
    reason: Reason
    settled_at: Instant
    region: Region


MAX_NUMBERS = 20
"""The most numbers that one task may have had."""


class TaskCorrected(Message):
    """An operator has settled the answer of a department to a task, whose answers contradict each other or cannot be
    read. It holds against every earlier answer, and ``reference`` in place of every one of the ``other_numbers``."""

    type: ClassVar[str] = "onedoor.task.corrected.v1"

    task_id: TaskId
    system: Code
    reference: Name
    other_numbers: Annotated[tuple[Name, ...], Field(max_length=MAX_NUMBERS)] = ()
    """Numbers that the department has given the same task as well."""
    delivered_at: Instant
    outcome: Outcome | None = None
    """None while the department has not decided."""
    document: Name | None = None
    opinion: Annotated[str, Field(max_length=2000)] = ""
    decided_at: Instant | None = None
    by: PersonId | None = None
    """The operator; None where no directory was in force."""
    on_behalf_of: PersonId | None = None
    """The person on leave for whom a deputy has done it."""
    reason: Annotated[str, Field(min_length=1, max_length=500)]
    corrected_at: Instant

    @model_validator(mode="after")
    def _has_both_or_none(self) -> Self:
        if (self.outcome is None) != (self.decided_at is None):
            raise ValueError("outcome and decided_at belong together")
        return self


def task_id(case_id: str, step: Code) -> TaskId:
    """The id of the task for this step of this case."""
    return f"{case_id}/{step}"


def is_assigned(report: TaskReport, case_id: str, step: PlanStep) -> bool:
    """Whether the report comes from the department and system to which the plan assigns the step."""
    assigned = task_id(case_id, step.step), step.department, step.system
    return (report.task_id, report.department, report.system) == assigned
