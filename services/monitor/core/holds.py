"""Holds (暂停计时): a supervisor suspends the time of a case, and resumes it. Pure."""

from datetime import datetime, timedelta

from contracts.core import Rejected
from contracts.envelope import Code
from contracts.messages.cases import CaseHeld
from contracts.messages.fields import PersonId
from services.monitor.core.commitment import CASE
from services.monitor.core.state import MonitoredCase
from services.monitor.core.suspensions import HOLD, SuspensionRecord


def begin_hold(
    state: MonitoredCase, hold: Code, since: datetime, by: PersonId, reason: str, article: str, now: datetime
) -> CaseHeld | None:
    """The message that begins a hold; None if it is known. Raises `Rejected` if the case cannot be held since then."""
    _check_open(state)
    holds = _holds(state)
    if hold in holds:
        return None
    if any(known.until is None for known in holds.values()):
        raise Rejected("the case is held already", "该办件已暂停计时")
    case = state.commitment(CASE)
    if case is not None and case.opened_at is not None and since < case.opened_at:
        raise Rejected("that lies before the case was accepted", "该时间早于受理时间")
    return CaseHeld(hold=hold, by=by, reason=reason, article=article, since=since, recorded_at=now)


def end_hold(
    state: MonitoredCase, hold: Code, until: datetime, by: PersonId, reason: str, now: datetime
) -> CaseHeld | None:
    """The message that ends a hold; None if it has ended at that moment. Raises `Rejected` if it cannot end then."""
    _check_open(state)
    known = _holds(state).get(hold)
    if known is None:
        raise Rejected("there is no such hold", "没有此项暂停")
    if known.until is not None and known.until != until:
        raise Rejected("this hold has ended", "此项暂停已结束")
    if until < known.since:
        raise Rejected("a hold cannot end before it begins", "暂停的结束不能早于开始")
    if known.until is not None:
        return None
    # The later record counts, so this one must be later than the one before by any clock.
    recorded_at = max(now, known.recorded_at + timedelta(microseconds=1))
    return CaseHeld(
        hold=hold,
        by=by,
        reason=reason,
        article=known.article,
        since=known.since,
        until=until,
        recorded_at=recorded_at,
    )


def _check_open(state: MonitoredCase) -> None:
    if state.decided_at is not None:
        raise Rejected("the case is decided", "该办件已办结")


def _holds(state: MonitoredCase) -> dict[str, SuspensionRecord]:
    return {
        record.suspension.removeprefix(HOLD): record
        for record in state.suspensions
        if record.suspension.startswith(HOLD)
    }
