"""Actions of people on an alert: acknowledge it, appeal against a card, decide on the appeal. Pure."""

from typing import assert_never

from contracts.core import Rejected
from contracts.envelope import Message
from contracts.messages.alerts import AlertAcknowledged, AlertAppealed, AppealDecided, Rung
from services.monitor.core.alerts import appeals
from services.monitor.core.alerts.lifecycle import withdrawal
from services.monitor.core.alerts.records import Acknowledgement, RaisedRung
from services.monitor.core.commitment import TrackedCommitment
from services.monitor.core.state import MonitoredCase


class UnknownAlert(Rejected):
    """No such rung of this commitment has fired."""

    def __init__(self) -> None:
        super().__init__("there is no such alert", "没有此项预警或发牌")


class WithdrawnAlert(Rejected):
    """A withdrawn alert needs no acknowledgement."""

    def __init__(self) -> None:
        super().__init__("the alert has been withdrawn", "该预警或发牌已撤回")


APPEAL_UPHELD = "an appeal against it was upheld"


def apply_action(
    state: MonitoredCase, action: AlertAcknowledged | AlertAppealed | AppealDecided
) -> tuple[MonitoredCase, list[Message]]:
    """The case after this action, and the messages to publish. A repeated action changes nothing.

    Raises `UnknownAlert`, `WithdrawnAlert`, or a `Rejected` of `appeals`.
    """
    commitment = state.commitment(action.commitment)
    index = _index(commitment, action.rung, action.occurrence) if commitment is not None else None
    if commitment is None or index is None:
        raise UnknownAlert
    alert = commitment.raised[index]
    out: list[Message] = [action.replace(region=state.region)]
    match action:
        case AlertAcknowledged():
            changed = _acknowledge(alert, action)
        case AlertAppealed():
            changed = appeals.appeal(alert, action)
        case AppealDecided():
            changed = appeals.decide(alert, action)
            if changed.overturned:
                out.append(withdrawal(state, commitment, alert, APPEAL_UPHELD, action.decided_at))
        case _:
            assert_never(action)
    if changed is alert:
        return state, []
    raised = (*commitment.raised[:index], changed, *commitment.raised[index + 1 :])
    return state.with_commitment(commitment.replace(raised=raised)), out


def _index(commitment: TrackedCommitment, rung: Rung, occurrence: int) -> int | None:
    return next(
        (
            index
            for index, alert in enumerate(commitment.raised)
            if alert.rung is rung and alert.occurrence == occurrence
        ),
        None,
    )


def _acknowledge(alert: RaisedRung, action: AlertAcknowledged) -> RaisedRung:
    if alert.withdrawn:
        raise WithdrawnAlert
    if alert.acknowledgement is not None:
        return alert
    acknowledgement = Acknowledgement(by=action.by, reason=action.reason, acknowledged_at=action.acknowledged_at)
    return alert.replace(acknowledgement=acknowledgement)
