"""Between the contracts and the JSON of the environment department. Pure."""

from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, ConfigDict, model_validator

from contracts.messages.plans import Outcome
from contracts.messages.tasks import TaskRequested
from contracts.values import Model
from services.departments.sdk.core.messages import Decision, Receipt
from services.departments.sdk.core.texts import NUMBER_FORM, DocumentNumber, Number, Paragraphs


class Permit(Model):
    """An application and its state at the department. ``key`` is our task id."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    key: Number
    number: Number
    received: AwareDatetime
    verdict: Annotated[Literal["granted", "denied"] | None, NUMBER_FORM] = None
    decided: AwareDatetime | None = None
    document: DocumentNumber = None
    remark: Paragraphs = ""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.verdict is None) != (self.decided is None):
            raise ValueError("a verdict has a time, and a time a verdict")
        return self


class Feed(Model):
    """Decided applications that have not been acknowledged. Each is validated separately, so that one may fail."""

    permits: list[Any]


def application(task: TaskRequested) -> dict[str, Any]:
    """A task as the department wants to see it."""
    who = task.applicant
    return {
        "key": task.task_id,
        "item": task.item,
        "region": task.region,
        "applicant": {"name": who.name, "id": who.id_number} if who else None,
        "materials": list(task.materials),
    }


def answer(permit: Permit) -> Receipt | Decision:
    """The department's answer in the platform's terms."""
    if permit.decided is None:
        return Receipt(reference=permit.number, delivered_at=permit.received)
    return Decision(
        reference=permit.number,
        delivered_at=permit.received,
        outcome=Outcome.APPROVED if permit.verdict == "granted" else Outcome.REFUSED,
        document=permit.document,
        opinion=permit.remark,
        decided_at=permit.decided,
    )
