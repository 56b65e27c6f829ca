"""Capability: a supervisor suspends the time of a case, and resumes it (暂停计时). Pure."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar

from contracts.core import Rejected
from contracts.envelope import Code, Instant, Message
from contracts.messages.cases import CaseHeld
from contracts.messages.commitments import CASE
from contracts.messages.fields import Article, PersonId, Reason
from contracts.moves import Moves
from services.monitor.core import facts
from services.monitor.core.facts import HOLD
from services.monitor.core.state import MonitoredCase, SuspensionRecord


class BeginHold(Message):
    """Command: the time of a case is suspended from this moment on."""

    type: ClassVar[str] = "onedoor.monitor.begin-hold.v1"

    hold: Code
    by: PersonId
    on_behalf_of: PersonId | None = None
    reason: Reason
    article: Article = ""
    since: Instant


class EndHold(Message):
    """Command: the time of a case resumes at this moment."""

    type: ClassVar[str] = "onedoor.monitor.end-hold.v1"

    hold: Code
    by: PersonId
    on_behalf_of: PersonId | None = None
    reason: Reason
    until: Instant
    clock_tolerance: timedelta = timedelta()
    """Two ends that differ by no more are one: the same request may arrive again."""


class HoldState(StrEnum):
    """Whether a hold suspends the time of its case."""

    HELD = "held"
    ENDED = "ended"


MOVES: Moves[HoldState] = {
    # While no other hold of the case lasts.
    (None, BeginHold): HoldState.HELD,
    (HoldState.HELD, EndHold): HoldState.ENDED,
}


class CaseIsDecided(Rejected):
    """The time of a decided case is over."""

    def __init__(self) -> None:
        super().__init__("the case is decided", "该办件已办结")


class AlreadyHeld(Rejected):
    """Two holds cannot overlap."""

    def __init__(self) -> None:
        super().__init__("the case is held already", "该办件已暂停计时")


class BeforeAcceptance(Rejected):
    """Before the acceptance there is no time to suspend."""

    def __init__(self) -> None:
        super().__init__("that lies before the case was accepted", "该时间早于受理时间")


class FixedDeadline(Rejected):
    """Another party has fixed the deadline of the case as a moment, which no hold moves."""

    def __init__(self) -> None:
        super().__init__(
            "the deadline of this case was imported as a fixed moment (due_at), which a hold does not move; ask the "
            "system that fixed it, or import the case with working_days",
            "该办件导入时期限为固定时刻（due_at），暂停计时不使其移动；请联系确定该期限的系统，或以 working_days 导入",
        )


class UnknownHold(Rejected):
    """A hold that never began cannot end."""

    def __init__(self) -> None:
        super().__init__("there is no such hold", "没有此项暂停")


class HoldEnded(Rejected):
    """A hold ends once."""

    def __init__(self) -> None:
        super().__init__("this hold has ended", "此项暂停已结束")


class EndsBeforeBeginning(Rejected):
    """The end lies before the beginning."""

    def __init__(self) -> None:
        super().__init__("a hold cannot end before it begins", "暂停的结束不能早于开始")


def state_of(hold: SuspensionRecord) -> HoldState:
    """The state of a hold that has begun."""
    return HoldState.HELD if hold.until is None else HoldState.ENDED


def holds_of(case: MonitoredCase) -> dict[str, SuspensionRecord]:
    """The holds of a case, by name."""
    records = (record for record in case.suspensions if record.suspension.startswith(HOLD))
    return {record.suspension.removeprefix(HOLD): record for record in records}


def begin(case: MonitoredCase, command: BeginHold, now: datetime) -> tuple[MonitoredCase, list[Message]]:
    """The case with this hold, and the message to publish. A repeated command changes nothing.

    Raises `CaseIsDecided`, `AlreadyHeld`, `BeforeAcceptance` or `FixedDeadline`.
    """
    if case.decided_at is not None:
        raise CaseIsDecided
    holds = holds_of(case)
    if command.hold in holds:
        return case, []
    limits = tracked.limits if (tracked := case.commitment(CASE)) is not None else None
    if limits is not None and limits.committed.due_at is not None:
        raise FixedDeadline
    if HoldState.HELD in map(state_of, holds.values()):
        raise AlreadyHeld
    if case.accepted_at is not None and command.since < case.accepted_at:
        raise BeforeAcceptance
    return _publish(case, command, now, command.article, command.since)


def end(case: MonitoredCase, command: EndHold, now: datetime) -> tuple[MonitoredCase, list[Message]]:
    """The case with the end of this hold, and the message to publish. A repeated command changes nothing.

    Raises `CaseIsDecided`, `UnknownHold`, `HoldEnded` or `EndsBeforeBeginning`.
    """
    if case.decided_at is not None:
        raise CaseIsDecided
    known = holds_of(case).get(command.hold)
    if known is None:
        raise UnknownHold
    if known.until is not None and abs(known.until - command.until) <= command.clock_tolerance:
        return case, []
    if (state_of(known), EndHold) not in MOVES:
        raise HoldEnded
    if command.until < known.since:
        raise EndsBeforeBeginning
    return _publish(case, command, now, known.article, known.since, command.until)


def _publish(
    case: MonitoredCase,
    command: BeginHold | EndHold,
    now: datetime,
    article: str,
    since: datetime,
    until: datetime | None = None,
) -> tuple[MonitoredCase, list[Message]]:
    # Of two records the later one counts, so each must be later than those before it also if a clock was set back.
    recorded = [record.recorded_at + timedelta(microseconds=1) for record in holds_of(case).values()]
    held = CaseHeld(
        hold=command.hold,
        by=command.by,
        on_behalf_of=command.on_behalf_of,
        reason=command.reason,
        article=article,
        since=since,
        until=until,
        recorded_at=max([now, *recorded]),
        region=case.region,
    )
    return facts.suspend(case, facts.suspension_record(held)), [held]
