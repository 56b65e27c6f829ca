"""Capability: timers that run beside the time of a case, for delivery, complaints and consultations.

Intake starts and ends them; monitor holds their deadlines.
"""

from datetime import timedelta
from enum import StrEnum
from typing import ClassVar

from contracts.core import Rejected
from contracts.envelope import Instant, Message, Name
from contracts.messages.cases import Authored
from contracts.messages.commitments import CommitmentKey
from contracts.messages.plans import Limits
from contracts.messages.side_timers import MAX_SIDE_TIMERS, SideTimer, SideTimersReported
from contracts.moves import Moves
from services.intake.core.lifecycle import BeforeAcceptance
from services.intake.core.state import Case


class StartTimer(Authored, Message):
    """Command: start a timer. The lead department answers for it unless another ``owner`` is named."""

    type: ClassVar[str] = "onedoor.intake.start-timer.v1"

    commitment: CommitmentKey
    owner: Name | None = None
    limits: Limits | None = None
    """None where the rules in force define the limit."""
    started_at: Instant
    clock_tolerance: timedelta = timedelta()
    """Two starts that differ by no more are one: the same request may arrive again."""


class EndTimer(Authored, Message):
    """Command: end a timer, because its commitment has been met."""

    type: ClassVar[str] = "onedoor.intake.end-timer.v1"

    commitment: CommitmentKey
    ended_at: Instant
    clock_tolerance: timedelta = timedelta()
    """Two ends that differ by no more are one."""


class TimerState(StrEnum):
    """Whether a timer runs."""

    RUNNING = "running"
    ENDED = "ended"


MOVES: Moves[TimerState] = {
    (None, StartTimer): TimerState.RUNNING,
    (TimerState.RUNNING, EndTimer): TimerState.ENDED,
}


class TimerExists(Rejected):
    """A commitment has one timer."""

    def __init__(self) -> None:
        super().__init__("there is such a timer already, from another time", "该计时已存在，起点不同")


class TooManyTimers(Rejected):
    """The case has `MAX_SIDE_TIMERS`."""

    def __init__(self) -> None:
        super().__init__(f"the case has {MAX_SIDE_TIMERS} timers already", f"该办件已有 {MAX_SIDE_TIMERS} 个计时")


class UnknownTimer(Rejected):
    """A timer that never started cannot end."""

    def __init__(self) -> None:
        super().__init__("there is no such timer", "没有该计时")


class TimerEnded(Rejected):
    """A timer ends once."""

    def __init__(self) -> None:
        super().__init__("this timer has ended at another time", "该计时已在另一时间结束")


class EndsBeforeStart(Rejected):
    """The end lies before the start."""

    def __init__(self) -> None:
        super().__init__("a timer cannot end before it starts", "计时的结束不能早于开始")


def state_of(case: Case, commitment: CommitmentKey) -> TimerState | None:
    """The state of one timer; None if the case has no such timer."""
    timer = timer_of(case, commitment)
    if timer is None:
        return None
    return TimerState.RUNNING if timer.ended_at is None else TimerState.ENDED


def timer_of(case: Case, commitment: CommitmentKey) -> SideTimer | None:
    """The timer of this commitment."""
    return next((timer for timer in case.timers if timer.commitment == commitment), None)


def start(case: Case, command: StartTimer) -> Case:
    """The case with a timer more; the same object if it has this timer.

    Raises `TimerExists`, `BeforeAcceptance` or `TooManyTimers`.
    """
    timer = SideTimer(
        commitment=command.commitment,
        owner=command.owner or case.accepted.plan.lead_department,
        limits=command.limits,
        started_at=command.started_at,
        started_by=command.by,
        started_on_behalf_of=command.on_behalf_of,
    )
    known = timer_of(case, timer.commitment)
    if known is not None:
        same = (known.owner, known.limits) == (timer.owner, timer.limits)
        if not same or abs(known.started_at - timer.started_at) > command.clock_tolerance:
            raise TimerExists
        return case
    if timer.started_at < case.accepted.accepted_at:
        raise BeforeAcceptance
    if len(case.timers) >= MAX_SIDE_TIMERS:
        raise TooManyTimers
    return _with(case, timer)


def end(case: Case, command: EndTimer) -> Case:
    """The case with this timer ended; the same object if it has ended at that moment.

    Raises `UnknownTimer`, `TimerEnded` or `EndsBeforeStart`.
    """
    known = timer_of(case, command.commitment)
    if known is None:
        raise UnknownTimer
    if known.ended_at is not None:
        if abs(known.ended_at - command.ended_at) > command.clock_tolerance:
            raise TimerEnded
        return case
    if command.ended_at < known.started_at:
        raise EndsBeforeStart
    return _with(
        case,
        known.replace(ended_at=command.ended_at, ended_by=command.by, ended_on_behalf_of=command.on_behalf_of),
    )


def report(case: Case) -> SideTimersReported:
    """The timers of the case. The id of the report changes with every change of them."""
    return SideTimersReported(
        change_id=f"timers-{case.timer_changes}",
        matter=case.accepted.plan.matter,
        region=case.accepted.region,
        timers=case.timers,
    )


def _with(case: Case, timer: SideTimer) -> Case:
    others = [known for known in case.timers if known.commitment != timer.commitment]
    timers = tuple(sorted((*others, timer), key=lambda one: one.commitment))
    return case.replace(timers=timers, timer_changes=case.timer_changes + 1)
