"""Messages about side timers, the limits beside those of the case and its steps.

They are the one-time notice, an application by web that waits for acceptance, the delivery of the decision, complaints
and consultations.
"""

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from contracts.envelope import Code, Instant, Message, Name
from contracts.messages.cases import ChangeId
from contracts.messages.commitments import CommitmentKey, Kind, kind_of
from contracts.messages.fields import PersonId, Region
from contracts.messages.plans import Limits
from contracts.values import Value

INTAKE_KINDS = frozenset({Kind.ACCEPTANCE, Kind.NOTICE, Kind.DELIVERY, Kind.COMPLAINT, Kind.CONSULTATION})
"""Kinds of commitments that begin and end at intake."""

MAX_SIDE_TIMERS = 32
"""Side timers of one case."""


class SideTimer(Value):
    """A limit at intake, beside those of the case and its steps."""

    commitment: Annotated[CommitmentKey, Field(pattern=r"^[a-z]+(/[A-Za-z0-9][A-Za-z0-9._-]*)?$")]
    owner: Name
    limits: Limits | None = None
    """None where the rules in force define the limit."""
    started_at: Instant
    ended_at: Instant | None = None
    started_by: PersonId | None = None
    """None in messages of earlier versions, which did not name the person; so is ``ended_by``."""
    started_on_behalf_of: PersonId | None = None
    """The person on leave for whom it was started."""
    ended_by: PersonId | None = None
    ended_on_behalf_of: PersonId | None = None

    @model_validator(mode="after")
    def _is_of_intake(self) -> Self:
        if kind_of(self.commitment) not in INTAKE_KINDS:
            raise ValueError(f"{self.commitment} is no commitment of intake")
        return self


class SideTimersReported(Message):
    """All side timers of a case at present.

    Published with every change until monitor confirms its ``change_id``, and in answer to `SideTimersRequested`.
    """

    type: ClassVar[str] = "onedoor.side-timers.reported.v1"

    change_id: ChangeId
    matter: Code
    region: Region
    timers: Annotated[tuple[SideTimer, ...], Field(max_length=MAX_SIDE_TIMERS)]


class SideTimersRequested(Message):
    """Monitor requests the side timers of a case from intake before it issues a card."""

    type: ClassVar[str] = "onedoor.side-timers.requested.v1"
