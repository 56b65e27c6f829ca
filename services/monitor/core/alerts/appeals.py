"""Capability: a department appeals against a card (申诉), and a supervisor decides. Pure."""

from enum import StrEnum

from contracts.core import Rejected
from contracts.messages.alerts import AlertAppealed, AppealDecided, Rung
from contracts.moves import Moves
from services.monitor.core.alerts.records import Appeal, AppealAnswer, RaisedRung


class AppealState(StrEnum):
    """How far an appeal has come."""

    NONE = "none"
    APPEALED = "appealed"
    UPHELD = "upheld"
    """The card is withdrawn, and not raised again."""
    REJECTED = "rejected"


class AppealEvent(StrEnum):
    """The two decisions, which both arrive as `AppealDecided`."""

    UPHOLD = "AppealDecided: upheld"
    REJECT = "AppealDecided: rejected"


MOVES: Moves[AppealState] = {
    (AppealState.NONE, AlertAppealed): AppealState.APPEALED,
    (AppealState.APPEALED, AppealEvent.UPHOLD): AppealState.UPHELD,
    (AppealState.APPEALED, AppealEvent.REJECT): AppealState.REJECTED,
}


class NoAppealAgainstWarning(Rejected):
    """Only cards can be appealed against."""

    def __init__(self) -> None:
        super().__init__("only cards can be appealed against, and a warning is none", "预警不是发牌，不能申诉")


class AlreadyAppealed(Rejected):
    """A card can be appealed against once."""

    def __init__(self) -> None:
        super().__init__("the card has been appealed against, and may be once only", "该牌已申诉，只能申诉一次")


class NotAppealed(Rejected):
    """There is no appeal to decide on."""

    def __init__(self) -> None:
        super().__init__("there is no appeal against this card", "该牌未被申诉")


class OwnAppeal(Rejected):
    """The appellant cannot decide."""

    def __init__(self) -> None:
        super().__init__("an appellant cannot decide on their own appeal", "不能裁决本人提出的申诉")


class AlreadyDecided(Rejected):
    """An appeal is decided once."""

    def __init__(self) -> None:
        super().__init__("the appeal has been decided", "该申诉已裁决")


class CardWithdrawn(Rejected):
    """A withdrawn card needs no appeal and no decision."""

    def __init__(self) -> None:
        super().__init__("the card has been withdrawn", "该牌已撤回")


def state_of(alert: RaisedRung) -> AppealState:
    """The state of the appeal against this card."""
    if alert.appeal is None:
        return AppealState.NONE
    if alert.appeal.answer is None:
        return AppealState.APPEALED
    return AppealState.UPHELD if alert.appeal.answer.upheld else AppealState.REJECTED


def appeal(alert: RaisedRung, action: AlertAppealed) -> RaisedRung:
    """The card with this appeal; itself if the appeal is known.

    Raises `NoAppealAgainstWarning`, `AlreadyAppealed` or `CardWithdrawn`.
    """
    known = alert.appeal
    if known is not None and (known.by, known.reason) == (action.by, action.reason):
        return alert
    if alert.rung is Rung.WARNING:
        raise NoAppealAgainstWarning
    if (state_of(alert), AlertAppealed) not in MOVES:
        raise AlreadyAppealed
    if alert.withdrawn:
        raise CardWithdrawn
    return alert.replace(appeal=Appeal(by=action.by, reason=action.reason, appealed_at=action.appealed_at))


def decide(alert: RaisedRung, action: AppealDecided) -> RaisedRung:
    """The card with the decision on its appeal; itself if the decision is known.

    Raises `NotAppealed`, `OwnAppeal`, `AlreadyDecided` or `CardWithdrawn`.
    """
    known = alert.appeal
    if known is None:
        raise NotAppealed
    if known.by == action.by:
        raise OwnAppeal
    answer = AppealAnswer(by=action.by, upheld=action.upheld, reason=action.reason, decided_at=action.decided_at)
    if known.answer is not None and known.answer.replace(decided_at=action.decided_at) == answer:
        return alert
    if (state_of(alert), AppealEvent.UPHOLD if action.upheld else AppealEvent.REJECT) not in MOVES:
        raise AlreadyDecided
    if alert.withdrawn:
        raise CardWithdrawn
    return alert.replace(appeal=known.replace(answer=answer), withdrawn=action.upheld)
