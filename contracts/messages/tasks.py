"""What routing asks of a department, and what the department's adapter answers."""

from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from contracts.envelope import Code, Instant, Message, Name
from contracts.messages.cases import Applicant
from contracts.messages.fields import Article, Reason, Region, check_period
from contracts.messages.plans import MAX_MATERIALS, MAX_STEPS, Limits, Outcome, PlanStep
from contracts.values import Value

TaskId = Annotated[str, Field(min_length=1, max_length=96)]
"""``case number/step``: the idempotency key towards the department's own system."""


class Document(Value):
    """What an earlier step produced and this one may need, such as the licence's number."""

    step: Code
    number: Name


class TaskRequested(Message):
    """A department is asked for one step. Said again, slower each time, until it is answered."""

    type: ClassVar[str] = "onedoor.task.requested.v1"

    task_id: TaskId
    step: Code
    item: Code
    item_name: Name
    department: Name
    system: Code
    region: Region
    applicant: Applicant | None = None
    """None for a case imported from another system, which keeps the applicant to itself."""
    materials: Annotated[tuple[Name, ...], Field(max_length=MAX_MATERIALS)] = ()
    documents: Annotated[tuple[Document, ...], Field(max_length=MAX_STEPS)] = ()
    limits: Limits | None = None
    requested_at: Instant


class TaskDelivered(Message):
    """The department's own system has taken the task under a number of its own: proof of receipt."""

    type: ClassVar[str] = "onedoor.task.delivered.v1"

    task_id: TaskId
    step: Code
    department: Name
    system: Code
    reference: Name
    requested_at: Instant | None = None
    """When it was asked for, as the request said: whoever hears this need not have heard the request."""
    delivered_at: Instant


class TaskSuspended(Message):
    """The department has opened a special procedure, whose time does not count, or says how it goes on (特别程序,
    Administrative Licensing Law, article 45). Said again with every change; the latest ``reported_at`` holds."""

    type: ClassVar[str] = "onedoor.task.suspended.v1"

    task_id: TaskId
    step: Code
    department: Name
    system: Code
    procedure: Code
    """Which of the department's procedures."""
    name: Name
    """Hearing, tender, auction, inspection, testing, quarantine, appraisal, expert review."""
    reason: Reason
    article: Article = ""
    since: Instant
    until: Instant | None = None
    """From when on time counts again; None while the procedure lasts."""
    reported_at: Instant

    _period_is_valid = model_validator(mode="after")(check_period)


class TaskDone(Message):
    """The department has decided. ``decided_at`` is its own time of decision, not that of the message."""

    type: ClassVar[str] = "onedoor.task.done.v1"

    task_id: TaskId
    step: Code
    department: Name
    system: Code
    reference: Name
    requested_at: Instant | None = None
    delivered_at: Instant
    outcome: Outcome
    document: Name | None = None
    opinion: Annotated[str, Field(max_length=2000)] = ""
    decided_at: Instant


def task_id(case_id: str, step: Code) -> TaskId:
    """The id of the task that asks for this step of this case."""
    return f"{case_id}/{step}"


def is_assigned(answer: TaskDelivered | TaskDone, case_id: str, step: PlanStep) -> bool:
    """Whether whoever says this is whom the plan asks for the step: nobody else has a say in it."""
    return (
        answer.task_id == task_id(case_id, step.step)
        and answer.system == step.system
        and answer.department == step.department
    )
