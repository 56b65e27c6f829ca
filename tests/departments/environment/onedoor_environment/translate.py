"""Between the contracts and the JSON of the environment department. Pure."""

from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from contracts.messages.plans import Outcome
from contracts.messages.tasks import TaskRequested
from services.departments.sdk.core.messages import Decision, Receipt

Text = Annotated[str, Field(min_length=1, max_length=200)]


class Permit(BaseModel):
    """An application and its state at the department. ``key`` is our task id."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    key: Text
    number: Text
    received: AwareDatetime
    verdict: Literal["granted", "denied"] | None = None
    decided: AwareDatetime | None = None
    document: Text | None = None
    remark: Annotated[str, Field(max_length=2000)] = ""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.verdict is None) != (self.decided is None):
            raise ValueError("a verdict has a time, and a time a verdict")
        return self


class Feed(BaseModel):
    """Decided applications that have not been acknowledged. Each is validated separately, so that one may fail."""

    permits: list[dict[str, Any]]


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
