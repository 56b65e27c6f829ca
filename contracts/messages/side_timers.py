"""What intake and monitor say to each other of the clocks that run beside a case's own: the one-time notice, an
application by web that waits for acceptance, delivery of the decision, complaints, consultations."""

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from contracts.envelope import Code, Instant, Message, Name
from contracts.messages.cases import ChangeId
from contracts.messages.commitments import CommitmentKey, Kind, kind_of
from contracts.messages.fields import Region
from contracts.messages.plans import Limits
from contracts.values import Value

INTAKE_KINDS = frozenset({Kind.ACCEPTANCE, Kind.NOTICE, Kind.DELIVERY, Kind.COMPLAINT, Kind.CONSULTATION})
"""Kinds of commitments that begin and end at intake, which knows the truth about them."""

MAX_SIDE_TIMERS = 32
"""Of one case."""


class SideTimer(Value):
    """A commitment that intake has made beside the case's own."""

    commitment: Annotated[CommitmentKey, Field(pattern=r"^[a-z]+(/[A-Za-z0-9][A-Za-z0-9._-]*)?$")]
    owner: Name
    limits: Limits | None = None
    """None where the rules in force say how long there is."""
    started_at: Instant
    ended_at: Instant | None = None

    @model_validator(mode="after")
    def _is_of_intake(self) -> Self:
        if kind_of(self.commitment) not in INTAKE_KINDS:
            raise ValueError(f"{self.commitment} is no commitment of intake's")
        return self


class SideTimersReported(Message):
    """Intake's present truth about the clocks beside a case's own. Said with every change until monitor has heard its
    ``word``, and to monitor whenever it asks."""

    type: ClassVar[str] = "onedoor.side-timers.reported.v1"

    change_id: ChangeId
    matter: Code
    region: Region
    timers: Annotated[tuple[SideTimer, ...], Field(max_length=MAX_SIDE_TIMERS)]


class SideTimersRequested(Message):
    """Monitor asks intake for the present truth about such clocks before it issues a card."""

    type: ClassVar[str] = "onedoor.side-timers.requested.v1"
