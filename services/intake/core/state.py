"""The state of a case at intake. Data only: the capabilities beside this file change it."""

from contracts.envelope import Instant
from contracts.messages.cases import CaseAccepted, CaseExtended, CaseRestarted, CaseSuspended, ChangeId, StepReport
from contracts.messages.commitments import Commitment, Pause
from contracts.messages.plans import Outcome
from contracts.messages.side_timers import SideTimer
from contracts.values import Value

TimeChange = CaseSuspended | CaseExtended | CaseRestarted
"""A change of the time of an open case, made by staff."""


class CaseDue(Value):
    """The deadlines of a case or step.

    ``provisional``: a holiday notice not yet published may still move them. ``pause``: time is suspended, and the
    deadlines are those that would hold had it not been.
    """

    committed: Instant
    statutory: Instant
    provisional: bool
    pause: Pause | None = None


class HeldCommitment(Value):
    """A commitment as monitor last reported it. The report with the higher ``sequence`` replaces the other."""

    sequence: int = 0
    reported_at: Instant
    commitment: Commitment


class StepProgress(StepReport):
    """All reports of one step, merged."""

    from_routing: bool = False
    """The answer came from routing, whose report outranks the department's own."""


class Decision(Value):
    """The end of a case (办结)."""

    decided_at: Instant
    outcome: Outcome


class Case(Value):
    """All that intake stores of one case."""

    accepted: CaseAccepted
    fingerprint: str
    due_at_acceptance: CaseDue | None = None
    steps: tuple[StepProgress, ...]
    """In the order of the plan."""
    commitments: tuple[HeldCommitment, ...] = ()
    monitored: bool = False
    """Monitor has reported the deadlines that it holds, even if there are none."""
    suspensions: tuple[CaseSuspended, ...] = ()
    """The beginning and the end of each suspension, in the order in which they were recorded."""
    extension: CaseExtended | None = None
    restarts: tuple[CaseRestarted, ...] = ()
    timers: tuple[SideTimer, ...] = ()
    """Sorted by commitment."""
    timer_changes: int = 0
    """Counts the changes of ``timers``."""
    confirmed_changes: tuple[ChangeId, ...] = ()
    """The changes of time and timers that monitor has confirmed."""
    decision: Decision | None = None
    attempts: int = 1
    """How often the acceptance was published without full confirmation; 0 after it."""

    @property
    def time_changes(self) -> tuple[TimeChange, ...]:
        """All recorded changes of the time of the case."""
        return (*self.suspensions, *((self.extension,) if self.extension else ()), *self.restarts)
