"""What monitor says: which deadlines it holds, and which of them are in danger or broken."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from contracts.cases import Region
from contracts.envelope import Code, Instant, Message, Name, Value
from contracts.plans import MOST_STEPS

CommitmentKey = Annotated[str, Field(min_length=1, max_length=80)]
"""``case`` for the case as a whole, ``step/<step>`` for one step of it."""


class Rung(StrEnum):
    """The supervision ladder (预警, 黄牌, 红牌)."""

    WARNING = "warning"
    YELLOW = "yellow"
    RED = "red"


class Commitment(Value):
    """A deadline somebody answers for."""

    key: CommitmentKey
    owner: Name
    opened_at: Instant
    committed_due: Instant
    statutory_due: Instant
    provisional: bool = False
    """Reaches into a year whose holidays are not yet published, and will be computed again."""


class CommitmentsOpened(Message):
    """Monitor holds these deadlines for the case: its answer to an acceptance, repeated when asked again."""

    type: ClassVar[str] = "onedoor.commitments.opened.v1"

    commitments: Annotated[tuple[Commitment, ...], Field(max_length=MOST_STEPS + 1)]
    """One for the case and one for each of its steps, at the most."""


class AlertRaised(Message):
    """A rung of the ladder has been reached. Said once for each rung of each commitment."""

    type: ClassVar[str] = "onedoor.alert.raised.v1"

    commitment: CommitmentKey
    rung: Rung
    owner: Name
    matter: Code
    region: Region
    due_at: Instant
    """When the rung fell due."""
    raised_at: Instant


class AlertWithdrawn(Message):
    """A rung that was raised turned out wrong: the answer was in time and late on its way."""

    type: ClassVar[str] = "onedoor.alert.withdrawn.v1"

    commitment: CommitmentKey
    rung: Rung
    reason: Annotated[str, Field(min_length=1, max_length=500)]
    withdrawn_at: Instant


class CaseAsked(Message):
    """Monitor asks routing for the present truth about a case before it issues a card."""

    type: ClassVar[str] = "onedoor.case.asked.v1"
