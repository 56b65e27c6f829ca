"""What intake and monitor say to each other of the clocks that run beside a case's own: the one-time notice, an
application by web that waits for acceptance, delivery of the decision, complaints, consultations."""

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from contracts.envelope import Code, Instant, Message, Name
from contracts.messages.cases import Region, Word
from contracts.messages.commitments import CommitmentKey, Kind, kind_of
from contracts.messages.plans import Limits
from contracts.values import Value

OF_INTAKE = frozenset({Kind.ACCEPTANCE, Kind.NOTICE, Kind.DELIVERY, Kind.COMPLAINT, Kind.CONSULTATION})
"""Kinds of commitments that begin and end at intake, which knows the truth about them."""

MOST_SIDE_CLOCKS = 32
"""Of one case."""


class Clock(Value):
    """A commitment that intake has made beside the case's own."""

    commitment: Annotated[CommitmentKey, Field(pattern=r"^[a-z]+(/[A-Za-z0-9][A-Za-z0-9._-]*)?$")]
    owner: Name
    limits: Limits | None = None
    """None where the rules in force say how long there is."""
    begun_at: Instant
    ended_at: Instant | None = None

    @model_validator(mode="after")
    def _is_of_intake(self) -> Self:
        if kind_of(self.commitment) not in OF_INTAKE:
            raise ValueError(f"{self.commitment} is no commitment of intake's")
        return self


class ClocksReported(Message):
    """Intake's present truth about the clocks beside a case's own. Said with every change until monitor has heard its
    ``word``, and to monitor whenever it asks."""

    type: ClassVar[str] = "onedoor.clocks.reported.v1"

    word: Word
    matter: Code
    region: Region
    clocks: Annotated[tuple[Clock, ...], Field(max_length=MOST_SIDE_CLOCKS)]


class ClocksAsked(Message):
    """Monitor asks intake for the present truth about such clocks before it issues a card."""

    type: ClassVar[str] = "onedoor.clocks.asked.v1"
