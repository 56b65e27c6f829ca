"""Messages about alerts: raised, withdrawn, closed and reopened by monitor, and the actions of people on them."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from contracts.envelope import Code, Instant, Message, Name
from contracts.messages.commitments import CommitmentKey
from contracts.messages.fields import PersonId, Reason, Region
from contracts.messages.tasks import TimeField

Occurrence = Annotated[int, Field(ge=1)]
"""Counts the alerts of one rung of one commitment: 1 unless an earlier one was withdrawn."""


class Rung(StrEnum):
    """The supervision ladder (预警, 黄牌, 红牌, 督办)."""

    WARNING = "warning"
    YELLOW = "yellow"
    RED = "red"
    OVERSIGHT = "oversight"
    """Beyond red, where the rules define it: the matter goes to superiors (督办)."""


class AlertRaised(Message):
    """A rung of the ladder has been reached. Published once for each rung of each commitment, and once more if it was
    withdrawn because the deadline moved and the moved deadline passes too."""

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
    """Evidence: the moment of the late answer."""


class AlertWithdrawn(Message):
    """A raised alert was wrong: the answer was in time but its message late, the deadline moved, or an appeal was
    upheld (撤销警示)."""

    type: ClassVar[str] = "onedoor.alert.withdrawn.v1"

    commitment: CommitmentKey
    rung: Rung
    reason: Reason
    withdrawn_at: Instant
    occurrence: Occurrence = 1
    region: Region | None = None


class AlertClosed(Message):
    """A commitment with alerts was met or ended, so that no more people are notified of them."""

    type: ClassVar[str] = "onedoor.alert.closed.v1"

    commitment: CommitmentKey
    ended_at: Instant
    region: Region


class AlertReopened(Message):
    """A commitment with closed alerts goes on: a department reports that a special procedure has not ended after all.
    Its alerts are in force again."""

    type: ClassVar[str] = "onedoor.alert.reopened.v1"

    commitment: CommitmentKey
    reopened_at: Instant
    """When the report arrived."""
    region: Region


class CardNotIssued(Message):
    """A card was due and was not issued: verification showed that the answer was in time (免于发牌)."""

    type: ClassVar[str] = "onedoor.card.not-issued.v1"

    commitment: CommitmentKey
    rung: Rung
    due_at: Instant
    ended_at: Instant
    """Evidence: the moment of the answer."""
    region: Region


class AlertAction(Message):
    """An action of a person on an alert, with a reason."""

    commitment: CommitmentKey
    rung: Rung
    occurrence: Occurrence = 1
    by: PersonId
    on_behalf_of: PersonId | None = None
    """The person on leave for whom it is done."""
    reason: Reason
    region: Region | None = None


class AlertAcknowledged(AlertAction):
    """A notified person has taken charge of an alert: it is not escalated further (签收)."""

    type: ClassVar[str] = "onedoor.alert.acknowledged.v1"

    acknowledged_at: Instant


class AlertAppealed(AlertAction):
    """A department appeals against a card (申诉)."""

    type: ClassVar[str] = "onedoor.alert.appealed.v1"

    appealed_at: Instant


class AppealDecided(AlertAction):
    """A supervisor upholds an appeal, so that the card is withdrawn for good, or rejects it."""

    type: ClassVar[str] = "onedoor.appeal.decided.v1"

    upheld: bool
    decided_at: Instant


class IssueKind(StrEnum):
    """A failure of the platform itself, for which no department is responsible."""

    UNDELIVERED = "undelivered"
    """A step was not delivered to its department before it was due."""
    UNVERIFIED = "unverified"
    """A card is due, and routing does not answer whether the case is open."""


class OperationsAlerted(Message):
    """A failure of the platform affects a commitment: operations are alerted, and the department gets no card for it.

    Published once, and once more when it is settled.
    """

    type: ClassVar[str] = "onedoor.operations.alerted.v1"

    commitment: CommitmentKey
    issue: IssueKind
    owner: Name
    matter: Code
    region: Region
    raised_at: Instant
    settled_at: Instant | None = None


class TimeDoubted(Message):
    """A department reported a time that cannot be true, and supervisors decide which moment counts.

    Published once, once more when a supervisor has settled the time, and at last with ``resolved_at`` when the
    department reports it without doubt.
    """

    type: ClassVar[str] = "onedoor.time.doubted.v1"

    step: Code
    procedure: Code | None = None
    """The special procedure whose time it is; None for a time of the step."""
    field: TimeField
    claimed: Instant
    """The time as the department reported it."""
    counts_at: Instant | None
    """The moment that counts; None where none does, as for the end of a special procedure."""
    owner: Name
    matter: Code
    region: Region
    doubted_at: Instant
    settled_at: Instant | None = None
    settled_by: PersonId | None = None
    reason: Reason | None = None
    """The supervisor's reason."""
    resolved_at: Instant | None = None
