"""What monitor publishes of alerts, and what people do about them."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from contracts.envelope import Code, Instant, Message, Name
from contracts.messages.commitments import CommitmentKey
from contracts.messages.fields import PersonId, Reason, Region

Occurrence = Annotated[int, Field(ge=1)]
"""Which time it is that this rung of this commitment is raised: 1 unless an earlier one was withdrawn."""


class Rung(StrEnum):
    """The supervision ladder (预警, 黄牌, 红牌, 督办)."""

    WARNING = "warning"
    YELLOW = "yellow"
    RED = "red"
    FURTHER = "further"
    """Beyond red, where the rules have it: the matter is taken to those above (督办)."""


class AlertRaised(Message):
    """A rung of the ladder has been reached. Said once for each rung of each commitment, unless it was withdrawn
    because the deadline moved, and the moved deadline passes too."""

    type: ClassVar[str] = "onedoor.alert.raised.v1"

    commitment: CommitmentKey
    rung: Rung
    owner: Name
    matter: Code
    region: Region
    due_at: Instant
    """When the rung fell due."""
    raised_at: Instant
    occurrence: Occurrence = 1
    open_at: Instant | None = None
    """Evidence: the latest moment at which routing knew the commitment to be open."""
    ended_at: Instant | None = None
    """Evidence: when it was answered, too late."""


class AlertWithdrawn(Message):
    """A rung that was raised turned out wrong: the answer was in time and late on its way, the deadline moved, or an
    appeal was upheld."""

    type: ClassVar[str] = "onedoor.alert.withdrawn.v1"

    commitment: CommitmentKey
    rung: Rung
    reason: Reason
    withdrawn_at: Instant
    occurrence: Occurrence = 1
    region: Region | None = None


class AlertClosed(Message):
    """A commitment was answered after rungs of its ladder had been raised: nobody need be told of them any more."""

    type: ClassVar[str] = "onedoor.alert.closed.v1"

    commitment: CommitmentKey
    ended_at: Instant
    region: Region


class CardNotIssued(Message):
    """A card was due, and was not issued: asked for the present truth, its owner said that it had answered in time."""

    type: ClassVar[str] = "onedoor.card.not-issued.v1"

    commitment: CommitmentKey
    rung: Rung
    due_at: Instant
    ended_at: Instant
    """Evidence: when it was answered."""
    region: Region


class AlertAction(Message):
    """What somebody says of an alert, with a reason."""

    commitment: CommitmentKey
    rung: Rung
    occurrence: Occurrence = 1
    by: PersonId
    reason: Reason
    region: Region | None = None


class AlertAcknowledged(AlertAction):
    """Somebody who was told of an alert has taken it in hand: it climbs no further."""

    type: ClassVar[str] = "onedoor.alert.acknowledged.v1"

    acknowledged_at: Instant


class AlertAppealed(AlertAction):
    """A department complains against a card that it was issued (申诉)."""

    type: ClassVar[str] = "onedoor.alert.appealed.v1"

    appealed_at: Instant


class AppealDecided(AlertAction):
    """A supervisor upholds an appeal, and the card is withdrawn for good; or rejects it, and the card stands."""

    type: ClassVar[str] = "onedoor.appeal.decided.v1"

    upheld: bool
    decided_at: Instant


class IssueKind(StrEnum):
    """What the platform itself has failed in, so that no department is to answer for it."""

    UNDELIVERED = "undelivered"
    """A step was not delivered to its department, or only after it was due."""
    UNVERIFIED = "unverified"
    """A card is due, and routing does not say whether the case is open."""


class OperationsAlerted(Message):
    """Something of the platform's own stands between a commitment and its department: operations are told, and the
    department is issued no card for it. Said once, and once more when it is settled."""

    type: ClassVar[str] = "onedoor.operations.alerted.v1"

    commitment: CommitmentKey
    issue: IssueKind
    owner: Name
    matter: Code
    region: Region
    raised_at: Instant
    settled_at: Instant | None = None
