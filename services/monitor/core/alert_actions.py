"""Actions of people on an alert: acknowledge it, appeal against a card, decide on the appeal. Pure."""

from contracts.core import InvalidMessage, Rejected
from contracts.envelope import Message
from contracts.messages.alerts import AlertAcknowledged, AlertAction, AlertAppealed, AlertWithdrawn, AppealDecided, Rung
from services.monitor.core.alert_records import Acknowledgement, Appeal, AppealAnswer, RaisedRung
from services.monitor.core.commitment import TrackedCommitment
from services.monitor.core.state import MonitoredCase

APPEAL_UPHELD = "an appeal against it was upheld"


def apply_action(state: MonitoredCase, action: AlertAction) -> tuple[MonitoredCase, list[Message]]:
    """The case after this action, and the messages to publish. A repeated action changes nothing.

    Raises `Rejected` if there is no such alert, or if its state does not allow the action.
    """
    commitment = state.commitment(action.commitment)
    index = _index(commitment, action.rung, action.occurrence) if commitment is not None else None
    if commitment is None or index is None:
        raise Rejected("there is no such alert", "没有此项预警或发牌")
    fired = commitment.raised[index]
    out: list[Message] = [action.replace(region=state.region)]
    match action:
        case AlertAcknowledged():
            changed = _acknowledge(fired, action)
        case AlertAppealed():
            changed = _appeal(fired, action)
        case AppealDecided():
            changed = _decide(fired, action)
            if changed.overturned:
                out.append(
                    AlertWithdrawn(
                        commitment=commitment.key,
                        rung=fired.rung,
                        reason=APPEAL_UPHELD,
                        withdrawn_at=max(action.decided_at, fired.raised_at),
                        occurrence=fired.occurrence,
                        region=state.region,
                    )
                )
        case _:
            raise InvalidMessage(f"{action.type} is no action on an alert")
    if changed is fired:
        return state, []
    raised = (*commitment.raised[:index], changed, *commitment.raised[index + 1 :])
    return state.with_commitment(commitment.replace(raised=raised)), out


def _index(commitment: TrackedCommitment, rung: Rung, occurrence: int) -> int | None:
    return next(
        (
            index
            for index, fired in enumerate(commitment.raised)
            if fired.rung is rung and fired.occurrence == occurrence
        ),
        None,
    )


def _acknowledge(fired: RaisedRung, action: AlertAcknowledged) -> RaisedRung:
    if fired.withdrawn:
        raise Rejected("the alert has been withdrawn", "该预警或发牌已撤回")
    if fired.acknowledgement is not None:
        return fired
    acknowledgement = Acknowledgement(by=action.by, reason=action.reason, acknowledged_at=action.acknowledged_at)
    return fired.replace(acknowledgement=acknowledgement)


def _appeal(fired: RaisedRung, action: AlertAppealed) -> RaisedRung:
    known = fired.appeal
    if known is not None and (known.by, known.reason) == (action.by, action.reason):
        return fired
    if fired.rung is Rung.WARNING:
        raise Rejected("a warning is no card: there is nothing to appeal against", "预警不是发牌，不能申诉")
    if known is not None:
        raise Rejected("the card has been appealed against, and may be once only", "该牌已申诉，只能申诉一次")
    if fired.withdrawn:
        raise Rejected("the card has been withdrawn", "该牌已撤回")
    return fired.replace(appeal=Appeal(by=action.by, reason=action.reason, appealed_at=action.appealed_at))


def _decide(fired: RaisedRung, action: AppealDecided) -> RaisedRung:
    appeal = fired.appeal
    if appeal is None:
        raise Rejected("nobody has appealed against this card", "该牌未被申诉")
    if appeal.by == action.by:
        raise Rejected("nobody decides on an appeal of his own", "不能裁决本人提出的申诉")
    known = appeal.answer
    if known is not None:
        if (known.by, known.upheld, known.reason) == (action.by, action.upheld, action.reason):
            return fired
        raise Rejected("the appeal has been decided", "该申诉已裁决")
    if fired.withdrawn:
        raise Rejected("the card has been withdrawn", "该牌已撤回")
    answer = AppealAnswer(by=action.by, upheld=action.upheld, reason=action.reason, decided_at=action.decided_at)
    return fired.replace(appeal=appeal.replace(answer=answer), withdrawn=action.upheld)
