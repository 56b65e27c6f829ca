"""One commitment as monitor tracks it: the facts known of it, its due dates and the rungs that have fired. Pure."""

from datetime import datetime

from contracts.envelope import Code, Instant, Name
from contracts.messages.alerts import Rung
from contracts.messages.commitments import CASE, STEP_PREFIX, Commitment, CommitmentKey, kind_of
from contracts.messages.plans import Limits
from contracts.messages.side_timers import INTAKE_KINDS
from contracts.values import Value
from services.monitor.core.alerts.records import RaisedRung, rungs_not_raised_again
from services.monitor.core.ladder import DueDates


class TrackedCommitment(Value):
    """One commitment. ``owner``, ``limits`` and ``after`` come with the acceptance, which may arrive last.

    ``opened_at``, ``delivered_at`` (the department took the step) and ``ended_at`` are the earliest moments reported.
    ``open_at`` is the latest moment at which routing knew the commitment to be open, and a step to be delivered as
    well; ``undelivered_at`` the latest at which a step was open and not delivered. ``after`` lists the steps that must
    be approved first. ``due`` follows from these facts by the rules of ``rules_version``, once enough of them is known.
    """

    key: CommitmentKey
    owner: Name | None = None
    limits: Limits | None = None
    opened_at: Instant | None = None
    ended_at: Instant | None = None
    open_at: Instant | None = None
    undelivered_at: Instant | None = None
    delivered_at: Instant | None = None
    due: DueDates | None = None
    rules_version: int = 0
    raised: tuple[RaisedRung, ...] = ()
    after: tuple[Code, ...] = ()

    @property
    def is_step(self) -> bool:
        """Whether it is for one step, and so owed by the department that was requested to do it."""
        return self.key.startswith(STEP_PREFIX)

    @property
    def is_beside_plan(self) -> bool:
        """Whether its clock runs beside those of the plan: it is neither the case nor a step."""
        return self.key != CASE and not self.is_step

    @property
    def is_side_timer(self) -> bool:
        """Whether intake, and not routing, knows if it is open."""
        return self.is_beside_plan and kind_of(self.key) in INTAKE_KINDS

    def pending_rungs(self) -> tuple[tuple[Rung, datetime], ...]:
        """The rungs that may still fire, each with the moment at which it falls due."""
        if self.due is None or self.ended_at is not None:
            return ()
        ladder = self.due.ladder()
        if not self.raised:
            return ladder
        not_again = rungs_not_raised_again(self.raised)
        return tuple(rung for rung in ladder if rung[0] not in not_again)

    @property
    def limit_without_rung(self) -> datetime | None:
        """When the committed limit ends, if no rung is to fire at that moment and time is not suspended."""
        if self.due is None or self.due.pause is not None:
            return None
        if self.due.committed is None and self.raised and Rung.YELLOW in rungs_not_raised_again(self.raised):
            return self.due.yellow  # overturned on appeal; the limit may have moved since
        return self.due.committed

    def as_message(self) -> Commitment | None:
        """The commitment as it is published; ``None`` until its owner, opening and due dates are known."""
        if self.owner is None or self.opened_at is None or self.due is None:
            return None
        return Commitment(
            key=self.key,
            owner=self.owner,
            opened_at=self.opened_at,
            committed_due=self.due.committed_due,
            statutory_due=self.due.statutory_due,
            provisional=self.due.provisional,
            pause=self.due.pause,
        )
