"""Changes of the time of a case, made by staff: the conditions that all have in common.

A restart (重新计时) is a fact without states of its own; suspension and extension are capabilities.
"""

from datetime import UTC, datetime
from hashlib import sha256

from contracts.core import Rejected
from contracts.envelope import CaseId
from contracts.messages.cases import CaseExtended, CaseRestarted, CaseSuspended, ChangeId
from services.intake.core import extension, lifecycle, suspension
from services.intake.core.lifecycle import BeforeAcceptance, CaseIsDecided, CaseState
from services.intake.core.state import Case, TimeChange

MAX_TIME_CHANGES = 50
"""Of one case. The end of a suspension may exceed it."""


class TooManyTimeChanges(Rejected):
    """The case has had `MAX_TIME_CHANGES`."""

    def __init__(self) -> None:
        why = f"its time has been changed {MAX_TIME_CHANGES} times already"
        super().__init__(why, f"计时已变更 {MAX_TIME_CHANGES} 次")


def change_time(case: Case, change: TimeChange) -> Case:
    """The case with this change; the same object if the change is already recorded.

    Raises `CaseIsDecided`, `BeforeAcceptance`, `TooManyTimeChanges`, or the `Rejected` of the capability concerned.
    """
    if any(known.change_id == change.change_id for known in case.time_changes):
        return case
    if lifecycle.state_of(case) is CaseState.DECIDED:
        raise CaseIsDecided
    if _effective_from(change) < case.accepted.accepted_at:
        raise BeforeAcceptance
    if len(case.time_changes) >= MAX_TIME_CHANGES and not suspension.is_end(change):
        raise TooManyTimeChanges
    match change:
        case CaseSuspended():
            return suspension.apply(case, change)
        case CaseExtended():
            return extension.apply(case, change)
        case CaseRestarted():
            return case.replace(restarts=(*case.restarts, change))


def derive_change_id(number: CaseId, kind: str, subject: str, at: datetime) -> ChangeId:
    """The id of a change of the time of a case. The same request yields the same id, so that it counts once."""
    return sha256(f"{number}/{kind}/{subject}/{at.astimezone(UTC).isoformat()}".encode()).hexdigest()[:16]


def _effective_from(change: TimeChange) -> datetime:
    match change:
        case CaseSuspended():
            return change.since
        case CaseExtended():
            return change.notified_at
        case CaseRestarted():
            return change.restarted_at
