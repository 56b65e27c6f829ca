"""Raises the rungs that ought to have fired by the known facts, and withdraws those that ought not to have. Pure."""

from datetime import datetime
from enum import StrEnum

from contracts.envelope import Message
from contracts.messages.alerts import AlertAcknowledged, AlertClosed, AlertRaised, AlertReopened, AlertWithdrawn, Rung
from contracts.moves import Moves
from services.monitor.core.alerts.records import RaisedRung, rungs_not_raised_again
from services.monitor.core.commitment import TrackedCommitment
from services.monitor.core.delivery import was_delivered
from services.monitor.core.state import CommitmentEnds, MonitoredCase


class AlertState(StrEnum):
    """How far an alert has come. An appeal against it has states of its own (`appeals`)."""

    RAISED = "raised"
    ACKNOWLEDGED = "acknowledged"
    CLOSED = "closed"
    """The commitment was answered."""
    WITHDRAWN = "withdrawn"


class AlertEvent(StrEnum):
    """Messages that lead elsewhere under a condition."""

    RAISED_LATE = "AlertRaised after the answer"
    REOPENED_ACKNOWLEDGED = "AlertReopened after its acknowledgement"


MOVES: Moves[AlertState] = {
    (None, AlertRaised): AlertState.RAISED,
    # An answer after the due date arrives before the card is issued.
    (None, AlertEvent.RAISED_LATE): AlertState.CLOSED,
    (AlertState.RAISED, AlertAcknowledged): AlertState.ACKNOWLEDGED,
    (AlertState.RAISED, AlertClosed): AlertState.CLOSED,
    (AlertState.ACKNOWLEDGED, AlertClosed): AlertState.CLOSED,
    (AlertState.RAISED, AlertWithdrawn): AlertState.WITHDRAWN,
    (AlertState.ACKNOWLEDGED, AlertWithdrawn): AlertState.WITHDRAWN,
    (AlertState.CLOSED, AlertWithdrawn): AlertState.WITHDRAWN,
    # A department reports that a special procedure, which it reported as ended, goes on.
    (AlertState.CLOSED, AlertReopened): AlertState.RAISED,
    (AlertState.CLOSED, AlertEvent.REOPENED_ACKNOWLEDGED): AlertState.ACKNOWLEDGED,
}
"""The life of one occurrence of a rung. Its states follow from the facts (`state_of`)."""

ANSWERED_IN_TIME = "answered in time; the answer was late on its way"
DEADLINE_MOVED = "not due: the deadline has moved"
DELIVERED_LATE = "not the department's: it was delivered only after that"

_WARNING = Rung.WARNING


def raise_due(
    state: MonitoredCase, ends: CommitmentEnds, received_at: datetime, now: datetime | None
) -> tuple[MonitoredCase, list[Message]]:
    """Raise every rung that the facts call for and that has not fired, and withdraw those that the facts disprove.

    ``now`` is the moment of the clock where the message carries it, None for all other messages.
    """
    out: list[Message] = []
    if state.matter is None or state.region is None:
        return state, out  # the acceptance has not arrived yet
    for commitment, ended_at in ends:
        if commitment.due is None or commitment.owner is None:
            continue  # not begun
        if ended_at is None and now is None and commitment.open_at is None and not commitment.raised:
            continue  # no fact could call for a rung
        due = [rung for rung in commitment.due.ladder() if _is_due(state, commitment, *rung, ended_at, now)]
        if not commitment.raised and not due:
            continue  # nothing to raise and nothing to withdraw
        raised = list(commitment.raised)
        for index, alert in enumerate(raised):
            if not alert.withdrawn and (reason := _withdrawal_reason(state, alert, commitment, ended_at)):
                raised[index] = alert.replace(withdrawn=True)
                out.append(withdrawal(state, commitment, alert, reason, received_at))
        not_again = rungs_not_raised_again(raised)
        for rung, due_at in due:
            if rung in not_again:
                continue
            # A late message may carry a time before the rung was due. The rung was not raised then.
            at = max(received_at, due_at)
            occurrence = 1 + sum(alert.rung is rung for alert in raised)
            raised.append(RaisedRung(rung=rung, raised_at=at, occurrence=occurrence))
            published = AlertRaised(
                commitment=commitment.key,
                rung=rung,
                owner=commitment.owner,
                matter=state.matter,
                region=state.region,
                due_at=due_at,
                raised_at=at,
                occurrence=occurrence,
                open_at=commitment.open_at,
                ended_at=ended_at,
            )
            out.append(published)
        if tuple(raised) != commitment.raised:
            state = state.with_commitment(commitment.replace(raised=tuple(raised)))
    return state, out


def withdrawal(
    state: MonitoredCase, commitment: TrackedCommitment, alert: RaisedRung, reason: str, at: datetime
) -> AlertWithdrawn:
    """The message that withdraws an alert, not earlier than it was raised."""
    return AlertWithdrawn(
        commitment=commitment.key,
        rung=alert.rung,
        reason=reason,
        withdrawn_at=max(at, alert.raised_at),
        occurrence=alert.occurrence,
        region=state.region,
    )


def alerts_closed_or_reopened(
    before: MonitoredCase | None, state: MonitoredCase, received_at: datetime
) -> list[Message]:
    """`AlertClosed` or `AlertReopened` for each commitment with alerts whose end has changed since ``before``."""
    if before is None or state.region is None:
        return []
    out: list[Message] = []
    for commitment in state.commitments:
        was = before.commitment(commitment.key) if commitment.raised else None
        if was is None or not was.raised or all(alert.withdrawn for alert in commitment.raised):
            continue
        ended_at = state.ended_at(commitment)
        if ended_at == before.ended_at(was):
            continue
        if ended_at is not None:
            out.append(AlertClosed(commitment=commitment.key, ended_at=ended_at, region=state.region))
        else:
            out.append(AlertReopened(commitment=commitment.key, reopened_at=received_at, region=state.region))
    return out


def state_of(alert: RaisedRung, ended_at: datetime | None) -> AlertState:
    """The state of an alert whose commitment was answered at ``ended_at``, None if it was not."""
    if alert.withdrawn:
        return AlertState.WITHDRAWN
    if ended_at is not None:
        return AlertState.CLOSED
    return AlertState.RAISED if alert.acknowledgement is None else AlertState.ACKNOWLEDGED


def _withdrawal_reason(
    state: MonitoredCase, alert: RaisedRung, commitment: TrackedCommitment, ended_at: datetime | None
) -> str | None:
    """Why a rung that fired ought not to have, by the facts known now; None if it ought to."""
    due_at = commitment.due.of(alert.rung) if commitment.due is not None else None
    if due_at is None or due_at > alert.raised_at:
        return DEADLINE_MOVED
    if alert.rung is not _WARNING and was_delivered(state, commitment, due_at) is False:
        return DELIVERED_LATE  # an unknown moment of delivery (None) is no reason
    return ANSWERED_IN_TIME if ended_at is not None and ended_at <= due_at else None


def _is_due(
    state: MonitoredCase,
    commitment: TrackedCommitment,
    rung: Rung,
    due_at: datetime,
    ended_at: datetime | None,
    now: datetime | None,
) -> bool:
    """Whether this rung ought to have alert.

    The moment of the answer decides, once there is one. Until then the clock suffices for a warning; a card needs
    routing's report that the commitment was open after its time had run out. A commitment that had not been delivered
    by then draws no card: the delay is the platform's.
    """
    if ended_at is not None:
        is_late = due_at < ended_at
    elif rung is _WARNING:
        is_late = now is not None and due_at <= now
    else:
        is_late = commitment.open_at is not None and due_at < commitment.open_at
    return is_late and (rung is _WARNING or bool(was_delivered(state, commitment, due_at)))
