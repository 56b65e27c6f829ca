"""The messages that are decisions of monitor, and go into the journal."""

from contracts.messages.alerts import (
    AlertAcknowledged,
    AlertAppealed,
    AlertClosed,
    AlertRaised,
    AlertReopened,
    AlertWithdrawn,
    AppealDecided,
    CardNotIssued,
    OperationsAlerted,
    TimeDoubted,
)
from contracts.messages.cases import CaseHeld
from contracts.messages.commitments import CommitmentsMoved, CommitmentsOpened

DECISIONS = (
    CommitmentsOpened,
    CommitmentsMoved,
    CaseHeld,
    AlertRaised,
    AlertWithdrawn,
    AlertClosed,
    AlertReopened,
    CardNotIssued,
    AlertAcknowledged,
    AlertAppealed,
    AppealDecided,
    OperationsAlerted,
    TimeDoubted,
)
"""They carry the evidence of a verified card."""
