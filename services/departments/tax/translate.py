"""Translates between the contracts and the JSON of the tax department. Pure.

The interface has JSON in camel case, taxpayers and applications, and times in China Standard Time.
"""

import re
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator
from pydantic.alias_generators import to_camel

from contracts.faults import fault
from contracts.messages.plans import Outcome
from contracts.messages.tasks import TaskRequested
from contracts.values import Model
from contracts.zone import CHINA
from services.departments.sdk.core.messages import Decision, Receipt
from services.departments.sdk.core.texts import NONE_IF_NOTHING, NUMBER_FORM, DocumentNumber, Number, Paragraphs


def _local(at: datetime) -> str:
    return at.astimezone(CHINA).isoformat()


_DAY = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _with_minutes(value: object) -> object:
    """A day without a time as its beginning in China; an offset of hours alone, ``+08``, with its minutes."""
    if not isinstance(value, str):
        return value
    if _DAY.fullmatch(value):
        return f"{value}T00:00:00+08:00"
    return f"{value}:00" if len(value) > len("2026-03-02") and value[-3] in "+-" else value


LocalTime = Annotated[AwareDatetime, BeforeValidator(_with_minutes), PlainSerializer(_local, return_type=str)]
"""A moment with its zone, also as PostgreSQL (``+08``) writes it, or a day."""


class _Body(Model):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore")


class Taxpayer(_Body):
    """The applicant."""

    kind: Literal["natural", "legal"]
    name: str
    id_type: str
    """The kind of paper, a code of GB/T 36903 or GA/T 2000.156."""
    id_number: str | None = Field(None, repr=False)


class PriorDocument(_Body):
    """A document that another department has issued in the same case."""

    issued_in: str
    number: str


class Application(_Body):
    """The body of a POST. The task id is the idempotency key."""

    task_id: str
    item: str
    item_name: str
    region: str
    taxpayer: Taxpayer | None = None
    materials: tuple[str, ...] = ()
    prior_documents: tuple[PriorDocument, ...] = ()
    promised_working_days: int | None = None
    due_at: LocalTime | None = None
    requested_at: LocalTime


class Standing(_Body):
    """The state of an application: the answer to its POST, and an entry of the feed of decided applications."""

    task_id: Number
    number: Number
    received_at: LocalTime
    status: Annotated[Literal["handling", "completed"], NUMBER_FORM]
    conclusion: Annotated[Literal["agreed", "rejected"] | None, NONE_IF_NOTHING] = None
    certificate_number: DocumentNumber = None
    opinion: Paragraphs = ""
    completed_at: Annotated[LocalTime | None, NONE_IF_NOTHING] = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.status == "completed" and (self.conclusion is None or self.completed_at is None):
            raise fault("a completed application has a conclusion and a time", "办结的申请须有结论和时间")
        return self


class FeedEntry(_Body):
    """An entry of the feed. ``entry`` acknowledges it. ``standing`` is validated separately, so that one may fail."""

    entry: Annotated[str, Field(min_length=1)] | int
    standing: Any


class Feed(_Body):
    """The decided applications that have not been acknowledged. Each `FeedEntry` is validated separately as well."""

    entries: tuple[Any, ...]


def application(task: TaskRequested) -> Application:
    """A task as the tax department's interface expects it."""
    who = task.applicant
    committed = task.limits.committed if task.limits else None
    return Application(
        task_id=task.task_id,
        item=task.item,
        item_name=task.item_name,
        region=task.region,
        taxpayer=who
        and Taxpayer(
            kind="natural" if who.kind == "person" else "legal",
            name=who.name,
            id_type=who.paper,
            id_number=who.id_number,
        ),
        materials=task.materials,
        prior_documents=tuple(PriorDocument(issued_in=one.step, number=one.number) for one in task.documents),
        promised_working_days=committed.working_days if committed else None,
        due_at=committed.due_at if committed else None,
        requested_at=task.requested_at,
    )


def answer(standing: Standing) -> Receipt | Decision:
    """The department's state of an application in the terms of the platform."""
    if standing.status == "handling" or standing.completed_at is None:
        return Receipt(reference=standing.number, delivered_at=standing.received_at)
    return Decision(
        reference=standing.number,
        delivered_at=standing.received_at,
        outcome=Outcome.APPROVED if standing.conclusion == "agreed" else Outcome.REFUSED,
        document=standing.certificate_number,
        opinion=standing.opinion,
        decided_at=standing.completed_at,
    )
