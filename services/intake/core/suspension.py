"""Capability: the time of a case is suspended and runs again (暂停计时, Administrative Licensing Law, article 45)."""

from datetime import datetime, timedelta
from enum import StrEnum

from contracts.core import Rejected
from contracts.envelope import Code
from contracts.messages.cases import CaseSuspended, ChangeId
from contracts.messages.fields import Article, PersonId, Reason
from contracts.moves import Moves
from services.intake.core.lifecycle import AcceptCase
from services.intake.core.state import Case, TimeChange


class TimeState(StrEnum):
    """Whether the time of a case counts."""

    RUNNING = "running"
    SUSPENDED = "suspended"


class SuspensionEvent(StrEnum):
    """The two ends of a suspension, which both arrive as `CaseSuspended`."""

    BEGIN = "suspension begins"
    END = "suspension ends"


MOVES: Moves[TimeState] = {
    (None, AcceptCase): TimeState.RUNNING,
    (TimeState.RUNNING, SuspensionEvent.BEGIN): TimeState.SUSPENDED,
    (TimeState.SUSPENDED, SuspensionEvent.END): TimeState.RUNNING,
}


class AlreadySuspended(Rejected):
    """Two suspensions cannot overlap."""

    def __init__(self) -> None:
        super().__init__("the case is suspended already", "该办件已暂停计时")


class UnknownSuspension(Rejected):
    """A suspension that never began cannot end."""

    def __init__(self) -> None:
        super().__init__("there is no such suspension", "没有此项暂停计时")


class SuspensionEnded(Rejected):
    """A suspension ends once."""

    def __init__(self) -> None:
        super().__init__("this suspension has ended", "此项暂停计时已结束")


class EndsBeforeBeginning(Rejected):
    """The end lies before the beginning."""

    def __init__(self) -> None:
        super().__init__("a suspension cannot end before it begins", "暂停计时的结束不能早于开始")


def state_of(case: Case) -> TimeState:
    """The state of this capability."""
    # No two suspensions overlap, so that the last record is that of the open one, if any.
    return TimeState.SUSPENDED if case.suspensions and case.suspensions[-1].until is None else TimeState.RUNNING


def latest(case: Case, suspension: Code) -> CaseSuspended | None:
    """The latest record of one suspension."""
    return next((record for record in reversed(case.suspensions) if record.suspension == suspension), None)


def end(
    case: Case,
    suspension: Code,
    *,
    change_id: ChangeId,
    reason: Reason,
    article: Article,
    until: datetime,
    now: datetime,
    by: PersonId | None = None,
    on_behalf_of: PersonId | None = None,
) -> CaseSuspended:
    """The change that ends a suspension. Raises `UnknownSuspension` or `EndsBeforeBeginning`."""
    known = latest(case, suspension)
    if known is None:
        raise UnknownSuspension
    if until < known.since:
        raise EndsBeforeBeginning
    return known.replace(
        change_id=change_id,
        reason=reason,
        article=article,
        until=until,
        by=by,
        on_behalf_of=on_behalf_of,
        # Of two records the later one holds, so this one must be later than the beginning also if a clock was set back.
        recorded_at=max(now, known.recorded_at + timedelta(microseconds=1)),
    )


def is_end(change: TimeChange) -> bool:
    """Whether the change ends a suspension."""
    return isinstance(change, CaseSuspended) and change.until is not None


def apply(case: Case, change: CaseSuspended) -> Case:
    """The case with a suspension begun or ended.

    Raises `SuspensionEnded`, `AlreadySuspended` or `UnknownSuspension` where `MOVES` has no such move.
    """
    event = SuspensionEvent.END if is_end(change) else SuspensionEvent.BEGIN
    known = latest(case, change.suspension)
    if known is not None and known.until is not None:
        raise SuspensionEnded
    if event is SuspensionEvent.END and known is None:
        raise UnknownSuspension
    if (state_of(case), event) not in MOVES:
        raise AlreadySuspended
    return case.replace(suspensions=(*case.suspensions, change))
