"""The clocks that run beside a case's own, which intake begins and ends: delivery, complaints, consultations. Pure."""

from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from contracts.core import NotNow
from contracts.envelope import Instant, Message
from contracts.messages.commitments import CommitmentKey
from contracts.messages.side_timers import MOST_SIDE_CLOCKS, Clock, ClocksReported

if TYPE_CHECKING:
    from services.intake.core.handle import Case


class BeginClock(Message):
    """Begin a clock beside the case's own."""

    type: ClassVar[str] = "onedoor.intake.begin-clock.v1"

    clock: Clock


class EndClock(Message):
    """What one of these clocks was about has been done."""

    type: ClassVar[str] = "onedoor.intake.end-clock.v1"

    commitment: CommitmentKey
    ended_at: Instant


ClockCommand = BeginClock | EndClock


def changed(case: "Case", command: ClockCommand) -> "Case":
    """The case with a clock more, or one that has ended; itself if it is so already. Raises `NotNow`."""
    match command:
        case BeginClock(clock=clock):
            known = clock_of(case, clock.commitment)
            if known is not None and known.replace(ended_at=None) == clock:
                return case
            if known is not None:
                raise NotNow("there is such a clock already, from another time", "该计时已存在，起点不同")
            if clock.begun_at < case.accepted.accepted_at:
                raise NotNow("that lies before the case was accepted", "该时间早于受理时间")
            if len(case.clocks) >= MOST_SIDE_CLOCKS:
                raise NotNow(
                    f"the case has {MOST_SIDE_CLOCKS} such clocks already", f"该办件已有 {MOST_SIDE_CLOCKS} 个计时"
                )
            return _with(case, clock)
        case EndClock(commitment=commitment, ended_at=ended_at):
            known = clock_of(case, commitment)
            if known is None:
                raise NotNow("there is no such clock", "没有该计时")
            if known.ended_at is not None:
                return _same_end(case, known, ended_at)
            if ended_at < known.begun_at:
                raise NotNow("it cannot end before it begins", "计时的结束不能早于开始")
            return _with(case, known.replace(ended_at=ended_at))


def _same_end(case: "Case", known: Clock, ended_at: datetime) -> "Case":
    if known.ended_at != ended_at:
        raise NotNow("this clock has ended at another time", "该计时已在另一时间结束")
    return case


def clock_of(case: "Case", commitment: CommitmentKey) -> Clock | None:
    """The clock of this name."""
    return next((clock for clock in case.clocks if clock.commitment == commitment), None)


def report(case: "Case") -> ClocksReported:
    """The present truth about them. Its word changes with every change."""
    return ClocksReported(
        word=f"clocks-{case.clock_changes}",
        matter=case.accepted.plan.matter,
        region=case.accepted.region,
        clocks=case.clocks,
    )


def _with(case: "Case", clock: Clock) -> "Case":
    others = [known for known in case.clocks if known.commitment != clock.commitment]
    clocks = tuple(sorted((*others, clock), key=lambda one: one.commitment))
    return case.replace(clocks=clocks, clock_changes=case.clock_changes + 1)
