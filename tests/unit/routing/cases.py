"""A case in routing, and the messages that it may receive."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from contracts.core import Transition
from contracts.envelope import Envelope, Message, envelop
from contracts.messages.cases import (
    Applicant,
    CaseAccepted,
    Channel,
)
from contracts.messages.plans import Limit, Limits, Outcome, Plan, PlanStep
from contracts.messages.tasks import TaskDelivered, TaskDone, TaskRequested
from services.routing.core.handle import handle
from services.routing.core.state import RoutedCase

CASE = "K7Q2-9MXF-4TBA-3"
T0 = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def plan(**after: tuple[str, ...]) -> Plan:
    steps = tuple(
        PlanStep(step=name, item=name, item_name=name, department=name, system="tax", after=before)
        for name, before in after.items()
    )
    limits = Limits(committed=Limit(working_days=5), statutory=Limit(working_days=20))
    return Plan(matter="m", matter_name="m", catalogue_version="1", lead_department="tax", limits=limits, steps=steps)


def accepted(**after: tuple[str, ...]) -> CaseAccepted:
    applicant = Applicant(kind="person", name="A", id_number="1")
    return CaseAccepted(plan=plan(**after), region="450100", channel=Channel.WEB, applicant=applicant, accepted_at=T0)


def done(step: str, outcome: Outcome = Outcome.APPROVED, at: datetime = T0 + DAY) -> TaskDone:
    return TaskDone(
        task_id=f"{CASE}/{step}", step=step, department=step, system="tax", reference="1",
        delivered_at=T0, outcome=outcome, document=f"{step}-1", decided_at=at,
    )  # fmt: skip


def delivered(step: str) -> TaskDelivered:
    return TaskDelivered(
        task_id=f"{CASE}/{step}", step=step, department=step, system="tax", reference="1", delivered_at=T0
    )


def envelope(message: Message, at: datetime = T0) -> Envelope[Message]:
    return envelop(message, id=uuid4(), source="/test", subject=CASE, time=at)


def process(*messages: Message) -> tuple[RoutedCase, list[Message]]:
    """Process the messages in order. The last state, and all messages published."""
    state: RoutedCase | None = None
    published: list[Message] = []
    for message in messages:
        step: Transition[RoutedCase] = handle(state, envelope(message))
        state = step.state
        published += step.out
    assert state is not None
    return state, published


def requested(published: list[Message]) -> list[str]:
    return [message.step for message in published if isinstance(message, TaskRequested)]
