"""Messages that are no longer said. Their classes stay, so that what was said can be read."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from contracts.envelope import Code, Instant, Message, Name
from contracts.messages.alerts import Turn
from contracts.messages.cases import Region
from contracts.messages.commitments import CommitmentKey


class RungV1(StrEnum):
    """The ladder before it had a rung beyond red."""

    WARNING = "warning"
    YELLOW = "yellow"
    RED = "red"


class AlertRaisedV1(Message):
    """What `contracts.messages.commitments.AlertRaised` was."""

    type: ClassVar[str] = "onedoor.alert.raised.v1"

    commitment: CommitmentKey
    rung: RungV1
    owner: Name
    matter: Code
    region: Region
    due_at: Instant
    raised_at: Instant
    turn: Turn = 1
    open_at: Instant | None = None
    ended_at: Instant | None = None


class AlertWithdrawnV1(Message):
    """What `contracts.messages.commitments.AlertWithdrawn` was."""

    type: ClassVar[str] = "onedoor.alert.withdrawn.v1"

    commitment: CommitmentKey
    rung: RungV1
    reason: Annotated[str, Field(min_length=1, max_length=500)]
    withdrawn_at: Instant
    turn: Turn = 1
    region: Region | None = None


RETIRED = (AlertRaisedV1, AlertWithdrawnV1)
"""All of them."""
