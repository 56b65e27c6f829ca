"""One commitment as monitor tracks it: the facts known of it, its due dates and the rungs that have fired. Pure."""

from datetime import datetime
from enum import StrEnum
from typing import Self

from contracts.envelope import Code, Instant, Name
from contracts.messages.alerts import Rung
from contracts.messages.commitments import Commitment, CommitmentKey, kind_of
from contracts.messages.plans import Limits
from contracts.messages.side_timers import INTAKE_KINDS
from contracts.moves import Moves
from contracts.values import Value
from services.monitor.core.alerts.records import RaisedRung, settled_rungs
from services.monitor.core.ladder import DueDates


class CommitmentState(StrEnum):
    """How far a commitment has come."""

    WAITING = "waiting"
    """It has no due dates yet: a step waits for others, the acceptance has not arrived, or the rules have no limit."""
    OPEN = "open"
    PAUSED = "paused"
    """Its time is suspended."""
    ENDED = "ended"


class CommitmentEvent(StrEnum):
    """Changes that follow from the facts, whichever message brings them."""

    KNOWN = "known"
    BEGUN = "begun"
    SUSPENDED = "suspended"
    RESUMED = "resumed"
    ENDED = "ended"
    REOPENED = "reopened"
    REOPENED_WITHOUT_LIMIT = "reopened without a limit"


MOVES: Moves[CommitmentState] = {
    (None, CommitmentEvent.KNOWN): CommitmentState.WAITING,
    (None, CommitmentEvent.BEGUN): CommitmentState.OPEN,
    (None, CommitmentEvent.SUSPENDED): CommitmentState.PAUSED,
    (None, CommitmentEvent.ENDED): CommitmentState.ENDED,
    (CommitmentState.WAITING, CommitmentEvent.BEGUN): CommitmentState.OPEN,
    # It begins while the case is suspended.
    (CommitmentState.WAITING, CommitmentEvent.SUSPENDED): CommitmentState.PAUSED,
    (CommitmentState.WAITING, CommitmentEvent.ENDED): CommitmentState.ENDED,
    (CommitmentState.OPEN, CommitmentEvent.SUSPENDED): CommitmentState.PAUSED,
    (CommitmentState.PAUSED, CommitmentEvent.RESUMED): CommitmentState.OPEN,
    (CommitmentState.OPEN, CommitmentEvent.ENDED): CommitmentState.ENDED,
    (CommitmentState.PAUSED, CommitmentEvent.ENDED): CommitmentState.ENDED,
    # A department reports that a special procedure, which it reported as ended, goes on.
    (CommitmentState.ENDED, CommitmentEvent.REOPENED): CommitmentState.OPEN,
    (CommitmentState.ENDED, CommitmentEvent.REOPENED_WITHOUT_LIMIT): CommitmentState.WAITING,
}
"""The life of a commitment. Its states follow from the facts (`state_of`)."""

CASE: CommitmentKey = "case"
"""The key of the commitment for the case as a whole."""

_STEP = "step/"


def step_key(step: Code) -> CommitmentKey:
    """The key of the commitment for one step."""
    return _STEP + step


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
        return self.key.startswith(_STEP)

    @property
    def is_beside_plan(self) -> bool:
        """Whether its clock runs beside those of the plan: it is neither the case nor a step."""
        return self.key != CASE and not self.is_step

    @property
    def is_side_timer(self) -> bool:
        """Whether intake, and not routing, knows if it is open."""
        return self.is_beside_plan and kind_of(self.key) in INTAKE_KINDS

    def with_recorded_facts(self, recorded: "TrackedCommitment | None", accepted_at: datetime) -> Self:
        """This commitment, as the acceptance defines it, with the facts recorded before the acceptance arrived.

        A commitment that waits for no other step begins with the acceptance.
        """
        begins_at = None if self.after else accepted_at
        if recorded is None:
            return self.with_facts(opened_at=begins_at)
        known = self.with_facts(
            opened_at=recorded.opened_at,
            ended_at=recorded.ended_at,
            open_at=recorded.open_at,
            undelivered_at=recorded.undelivered_at,
            delivered_at=recorded.delivered_at,
        )
        return known.with_facts(opened_at=begins_at).replace(raised=recorded.raised)

    def with_facts(
        self,
        *,
        opened_at: datetime | None = None,
        ended_at: datetime | None = None,
        open_at: datetime | None = None,
        undelivered_at: datetime | None = None,
        delivered_at: datetime | None = None,
    ) -> Self:
        """This commitment with these facts merged in; itself if they change nothing."""
        changes: dict[str, object] = {}
        if opened_at is not None and (self.opened_at is None or opened_at < self.opened_at):
            changes["opened_at"] = opened_at
        if ended_at is not None and (self.ended_at is None or ended_at < self.ended_at):
            changes["ended_at"] = ended_at
        if delivered_at is not None and (self.delivered_at is None or delivered_at < self.delivered_at):
            changes["delivered_at"] = delivered_at
        if open_at is not None and (self.open_at is None or open_at > self.open_at):
            changes["open_at"] = open_at
        if undelivered_at is not None and (self.undelivered_at is None or undelivered_at > self.undelivered_at):
            changes["undelivered_at"] = undelivered_at
        return self.replace(**changes) if changes else self

    def pending_rungs(self) -> tuple[tuple[Rung, datetime], ...]:
        """The rungs that may still fire, each with the moment at which it falls due."""
        if self.due is None or self.ended_at is not None:
            return ()
        ladder = self.due.ladder()
        if not self.raised:
            return ladder
        settled = settled_rungs(self.raised)
        return tuple(rung for rung in ladder if rung[0] not in settled)

    @property
    def limit_without_rung(self) -> datetime | None:
        """When the committed limit ends, if no rung is to fire at that moment and time is not suspended."""
        if self.due is None or self.due.pause is not None:
            return None
        if self.due.committed is None and self.raised and Rung.YELLOW in settled_rungs(self.raised):
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


def state_of(commitment: TrackedCommitment, ended_at: datetime | None) -> CommitmentState:
    """The state of a commitment that was answered at ``ended_at`` (`MonitoredCase.ended_at`), None if it was not."""
    if ended_at is not None:
        return CommitmentState.ENDED
    if commitment.due is None or commitment.owner is None:
        return CommitmentState.WAITING
    return CommitmentState.PAUSED if commitment.due.pause is not None else CommitmentState.OPEN
