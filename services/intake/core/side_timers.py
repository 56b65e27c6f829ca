"""The clocks that run beside a case's own, which intake begins and ends: delivery, complaints, consultations. Pure."""

from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from contracts.core import Rejected
from contracts.envelope import Instant, Message
from contracts.messages.commitments import CommitmentKey
from contracts.messages.side_timers import MAX_SIDE_TIMERS, SideTimer, SideTimersReported

if TYPE_CHECKING:
    from services.intake.core.handle import Case


class StartTimer(Message):
    """Begin a clock beside the case's own."""

    type: ClassVar[str] = "onedoor.intake.begin-clock.v1"

    timer: SideTimer


class EndTimer(Message):
    """What one of these clocks was about has been done."""

    type: ClassVar[str] = "onedoor.intake.end-clock.v1"

    commitment: CommitmentKey
    ended_at: Instant


TimerCommand = StartTimer | EndTimer


def changed(case: "Case", command: TimerCommand) -> "Case":
    """The case with a clock more, or one that has ended; itself if it is so already. Raises `Rejected`."""
    match command:
        case StartTimer(timer=clock):
            known = timer_of(case, clock.commitment)
            if known is not None and known.replace(ended_at=None) == clock:
                return case
            if known is not None:
                raise Rejected("there is such a clock already, from another time", "该计时已存在，起点不同")
            if clock.started_at < case.accepted.accepted_at:
                raise Rejected("that lies before the case was accepted", "该时间早于受理时间")
            if len(case.timers) >= MAX_SIDE_TIMERS:
                raise Rejected(
                    f"the case has {MAX_SIDE_TIMERS} such clocks already", f"该办件已有 {MAX_SIDE_TIMERS} 个计时"
                )
            return _with(case, clock)
        case EndTimer(commitment=commitment, ended_at=ended_at):
            known = timer_of(case, commitment)
            if known is None:
                raise Rejected("there is no such clock", "没有该计时")
            if known.ended_at is not None:
                return _same_end(case, known, ended_at)
            if ended_at < known.started_at:
                raise Rejected("it cannot end before it begins", "计时的结束不能早于开始")
            return _with(case, known.replace(ended_at=ended_at))


def _same_end(case: "Case", known: SideTimer, ended_at: datetime) -> "Case":
    if known.ended_at != ended_at:
        raise Rejected("this clock has ended at another time", "该计时已在另一时间结束")
    return case


def timer_of(case: "Case", commitment: CommitmentKey) -> SideTimer | None:
    """The clock of this name."""
    return next((clock for clock in case.timers if clock.commitment == commitment), None)


def report(case: "Case") -> SideTimersReported:
    """The present truth about them. Its word changes with every change."""
    return SideTimersReported(
        change_id=f"timers-{case.timer_changes}",
        matter=case.accepted.plan.matter,
        region=case.accepted.region,
        timers=case.timers,
    )


def _with(case: "Case", clock: SideTimer) -> "Case":
    others = [known for known in case.timers if known.commitment != clock.commitment]
    clocks = tuple(sorted((*others, clock), key=lambda one: one.commitment))
    return case.replace(timers=clocks, timer_changes=case.timer_changes + 1)
