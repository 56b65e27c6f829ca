"""Changes of the time of a case, made by staff: the conditions that all have in common.

A restart (重新计时) is a fact without states of its own; suspension and extension are capabilities.
"""

from datetime import UTC, datetime
from hashlib import sha256

from contracts.core import Rejected
from contracts.envelope import CaseId
from contracts.messages.cases import CaseExtended, CaseRestarted, CaseSuspended, ChangeId
from contracts.messages.plans import Plan
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


class FixedDeadline(Rejected):
    """Another party has fixed a deadline of the case as a moment, which no change of its time moves."""

    def __init__(self) -> None:
        super().__init__(
            "a deadline of this case was imported as a fixed moment (due_at), which nothing moves; only the time of "
            "cases that are imported with working_days can be changed here",
            "该办件导入时期限为固定时刻（due_at），不随计时变更而移动；仅以 working_days 导入的办件可在此变更计时",
        )


def change_time(case: Case, change: TimeChange) -> Case:
    """The case with this change; the same object if the change is already recorded.

    Raises `CaseIsDecided`, `FixedDeadline`, `BeforeAcceptance`, `TooManyTimeChanges`, or the `Rejected` of the
    capability concerned.
    """
    if any(known.change_id == change.change_id for known in case.time_changes):
        return case
    if lifecycle.state_of(case) is CaseState.DECIDED:
        raise CaseIsDecided
    if _has_fixed_deadline(case.accepted.plan):
        raise FixedDeadline
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


def _has_fixed_deadline(plan: Plan) -> bool:
    limits = [one for one in (plan.limits, *(step.limits for step in plan.steps)) if one is not None]
    return any(one.committed.due_at is not None or one.statutory.due_at is not None for one in limits)


def _effective_from(change: TimeChange) -> datetime:
    match change:
        case CaseSuspended():
            return change.since
        case CaseExtended():
            return change.notified_at
        case CaseRestarted():
            return change.restarted_at
