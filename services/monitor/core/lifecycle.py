"""Capability: the life of one commitment. Pure."""

from datetime import datetime
from enum import StrEnum

from contracts.moves import Moves
from services.monitor.core.commitment import TrackedCommitment


class CommitmentState(StrEnum):
    """How far a commitment has come."""

    WAITING = "waiting"
    """It has no due dates yet: a step waits for others, the acceptance has not arrived, or the rules have no limit."""
    OPEN = "open"
    PAUSED = "paused"
    """Its time is suspended."""
    ENDED = "ended"


class CommitmentEvent(StrEnum):
    """Changes that follow from the facts, whichever message brings them."""

    KNOWN = "known"
    BEGUN = "begun"
    SUSPENDED = "suspended"
    RESUMED = "resumed"
    ENDED = "ended"
    REOPENED = "reopened"
    REOPENED_WITHOUT_LIMIT = "reopened without a limit"


MOVES: Moves[CommitmentState] = {
    (None, CommitmentEvent.KNOWN): CommitmentState.WAITING,
    (None, CommitmentEvent.BEGUN): CommitmentState.OPEN,
    (None, CommitmentEvent.SUSPENDED): CommitmentState.PAUSED,
    (None, CommitmentEvent.ENDED): CommitmentState.ENDED,
    (CommitmentState.WAITING, CommitmentEvent.BEGUN): CommitmentState.OPEN,
    # It begins while the case is suspended.
    (CommitmentState.WAITING, CommitmentEvent.SUSPENDED): CommitmentState.PAUSED,
    (CommitmentState.WAITING, CommitmentEvent.ENDED): CommitmentState.ENDED,
    (CommitmentState.OPEN, CommitmentEvent.SUSPENDED): CommitmentState.PAUSED,
    (CommitmentState.PAUSED, CommitmentEvent.RESUMED): CommitmentState.OPEN,
    (CommitmentState.OPEN, CommitmentEvent.ENDED): CommitmentState.ENDED,
    (CommitmentState.PAUSED, CommitmentEvent.ENDED): CommitmentState.ENDED,
    # A department reports that a special procedure, which it reported as ended, goes on.
    (CommitmentState.ENDED, CommitmentEvent.REOPENED): CommitmentState.OPEN,
    (CommitmentState.ENDED, CommitmentEvent.REOPENED_WITHOUT_LIMIT): CommitmentState.WAITING,
}
"""The life of a commitment. Its states follow from the facts (`state_of`)."""


def state_of(commitment: TrackedCommitment, ended_at: datetime | None) -> CommitmentState:
    """The state of a commitment that was answered at ``ended_at`` (`MonitoredCase.ended_at`), None if it was not."""
    if ended_at is not None:
        return CommitmentState.ENDED
    if commitment.due is None or commitment.owner is None:
        return CommitmentState.WAITING
    return CommitmentState.PAUSED if commitment.due.pause is not None else CommitmentState.OPEN
