"""Capability: intake publishes until the other services have confirmed.

Routing confirms the acceptance with its decision, monitor with the deadlines that it holds. Monitor also confirms each
change of time and each report of timers by its id. Until then everything unconfirmed is published again, at growing
intervals of machine time.
"""

from datetime import timedelta
from enum import StrEnum

from contracts.core import Transition, backoff
from contracts.envelope import Message
from contracts.messages.cases import CaseDecided
from contracts.messages.commitments import ChangeIds, CommitmentsMoved, CommitmentsOpened
from contracts.messages.side_timers import SideTimersReported
from contracts.moves import Moves
from services.intake.core import lifecycle, side_timers
from services.intake.core.lifecycle import AcceptCase, CaseState
from services.intake.core.side_timers import EndTimer, StartTimer
from services.intake.core.state import Case, TimeChange

FIRST_RETRY = timedelta(seconds=30)
LONGEST_RETRY = timedelta(hours=6)


class ConfirmationState(StrEnum):
    """Whether the other services have confirmed all that was published of a case."""

    AWAITED = "awaited"
    CONFIRMED = "confirmed"


MOVES: Moves[ConfirmationState] = {
    (None, AcceptCase): ConfirmationState.AWAITED,
    # Each of these moves the case if it brings the last confirmation that is missing.
    (ConfirmationState.AWAITED, CaseDecided): ConfirmationState.CONFIRMED,
    (ConfirmationState.AWAITED, CommitmentsOpened): ConfirmationState.CONFIRMED,
    (ConfirmationState.AWAITED, CommitmentsMoved): ConfirmationState.CONFIRMED,
    (ConfirmationState.CONFIRMED, StartTimer): ConfirmationState.AWAITED,
    (ConfirmationState.CONFIRMED, EndTimer): ConfirmationState.AWAITED,
}


def state_of(case: Case) -> ConfirmationState:
    """The state of this capability."""
    confirmed = case.monitored and lifecycle.state_of(case) is CaseState.DECIDED and not unconfirmed(case)
    return ConfirmationState.CONFIRMED if confirmed else ConfirmationState.AWAITED


def to_confirm(case: Case) -> tuple[TimeChange | SideTimersReported, ...]:
    """All that monitor has to confirm by id."""
    return (*case.time_changes, side_timers.report(case)) if case.timers else case.time_changes


def unconfirmed(case: Case) -> tuple[TimeChange | SideTimersReported, ...]:
    """The changes that monitor has not confirmed yet."""
    return tuple(change for change in to_confirm(case) if change.change_id not in case.confirmed_changes)


def confirm(case: Case, confirmed: ChangeIds) -> Case:
    """The case with these changes confirmed. Ids that are no longer current are left out."""
    if not confirmed and not case.confirmed_changes:
        return case
    current = {change.change_id for change in to_confirm(case)}
    return case.replace(confirmed_changes=tuple(sorted({*case.confirmed_changes, *confirmed} & current)))


def publish(case: Case, message: Message) -> Transition[Case]:
    """A changed case and the message about the change, with the count of attempts begun anew."""
    return transition(case.replace(attempts=1), message)


def publish_again(case: Case) -> Transition[Case]:
    """The acceptance and all that is unconfirmed, once more; nothing if all is confirmed."""
    if state_of(case) is ConfirmationState.CONFIRMED:
        return transition(case)
    return transition(case.replace(attempts=case.attempts + 1), case.accepted, *unconfirmed(case))


def transition(case: Case, *out: Message) -> Transition[Case]:
    """The transition to this case: retry while confirmation is awaited, close when no timer runs either."""
    if state_of(case) is ConfirmationState.CONFIRMED:
        # Reset the count, so that the final state is the same however often the case was published.
        case = case if case.attempts == 0 else case.replace(attempts=0)
        return Transition(case, out, closed=all(timer.ended_at is not None for timer in case.timers))
    return Transition(case, out, retry_after=backoff(case.attempts, FIRST_RETRY, LONGEST_RETRY))
