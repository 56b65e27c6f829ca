"""What people say of an alert: that they have taken it in hand, that it is unjust, and what becomes of that. Pure."""

from contracts.core import InvalidMessage, Rejected
from contracts.envelope import Message
from contracts.messages.alerts import AlertAcknowledged, AlertAction, AlertAppealed, AlertWithdrawn, AppealDecided, Rung
from services.monitor.core.state import (
    Acknowledgement,
    Appeal,
    AppealAnswer,
    MonitoredCase,
    RaisedRung,
    TrackedCommitment,
)

OVERTURNED = "an appeal against it was upheld"


def take(state: MonitoredCase, remark: AlertAction) -> tuple[MonitoredCase, list[Message]]:
    """The case with this remark, and what is to be said. The same remark again changes nothing.

    Raises `Rejected` for an alert that there is not, or of which this cannot be said.
    """
    watch = state.commitment(remark.commitment)
    place = _place(watch, remark.rung, remark.occurrence) if watch is not None else None
    if watch is None or place is None:
        raise Rejected("there is no such alert", "没有此项预警或发牌")
    fired = watch.raised[place]
    said: list[Message] = [remark.replace(region=state.region)]
    match remark:
        case AlertAcknowledged():
            changed = _acknowledged(fired, remark)
        case AlertAppealed():
            changed = _appealed(fired, remark)
        case AppealDecided():
            changed = _decided(fired, remark)
            if changed.overturned:
                said.append(
                    AlertWithdrawn(
                        commitment=watch.key,
                        rung=fired.rung,
                        reason=OVERTURNED,
                        withdrawn_at=max(remark.decided_at, fired.raised_at),
                        occurrence=fired.occurrence,
                        region=state.region,
                    )
                )
        case _:
            raise InvalidMessage(f"{remark.type} is no remark that can be made")
    if changed is fired:
        return state, []
    raised = (*watch.raised[:place], changed, *watch.raised[place + 1 :])
    return state.put(watch.replace(raised=raised)), said


def _place(watch: TrackedCommitment, rung: Rung, occurrence: int) -> int | None:
    return next((at for at, one in enumerate(watch.raised) if one.rung is rung and one.occurrence == occurrence), None)


def _acknowledged(fired: RaisedRung, remark: AlertAcknowledged) -> RaisedRung:
    if fired.withdrawn:
        raise Rejected("the alert has been withdrawn", "该预警或发牌已撤回")
    if fired.acknowledgement is not None:
        return fired
    taken = Acknowledgement(by=remark.by, reason=remark.reason, acknowledged_at=remark.acknowledged_at)
    return fired.replace(acknowledgement=taken)


def _appealed(fired: RaisedRung, remark: AlertAppealed) -> RaisedRung:
    known = fired.appeal
    if known is not None and (known.by, known.reason) == (remark.by, remark.reason):
        return fired
    if fired.rung is Rung.WARNING:
        raise Rejected("a warning is no card: there is nothing to appeal against", "预警不是发牌，不能申诉")
    if known is not None:
        raise Rejected("the card has been appealed against, and may be once only", "该牌已申诉，只能申诉一次")
    if fired.withdrawn:
        raise Rejected("the card has been withdrawn", "该牌已撤回")
    return fired.replace(appeal=Appeal(by=remark.by, reason=remark.reason, appealed_at=remark.appealed_at))


def _decided(fired: RaisedRung, remark: AppealDecided) -> RaisedRung:
    appeal = fired.appeal
    if appeal is None:
        raise Rejected("nobody has appealed against this card", "该牌未被申诉")
    if appeal.by == remark.by:
        raise Rejected("nobody decides on an appeal of his own", "不能裁决本人提出的申诉")
    known = appeal.answer
    if known is not None:
        if (known.by, known.upheld, known.reason) == (remark.by, remark.upheld, remark.reason):
            return fired
        raise Rejected("the appeal has been decided", "该申诉已裁决")
    if fired.withdrawn:
        raise Rejected("the card has been withdrawn", "该牌已撤回")
    answer = AppealAnswer(by=remark.by, upheld=remark.upheld, reason=remark.reason, decided_at=remark.decided_at)
    return fired.replace(appeal=appeal.replace(answer=answer), withdrawn=remark.upheld)
