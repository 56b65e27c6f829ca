"""Monitor's state of a case: facts, each merged so that the order in which messages arrive does not matter. Pure."""

from datetime import datetime, timedelta
from typing import Self

from contracts.core import InvalidMessage
from contracts.envelope import Code, Instant
from contracts.messages.alerts import IssueKind
from contracts.messages.cases import ChangeId
from contracts.messages.commitments import MAX_COMMITMENTS, CommitmentKey, Kind, kind_of
from contracts.messages.fields import Region
from contracts.values import Value
from contracts.working_time import Extension, Suspension
from services.monitor.core.commitment import CASE, TrackedCommitment, step_key
from services.monitor.core.ladder import ClockHistory
from services.monitor.core.rules import Rules
from services.monitor.core.suspensions import MAX_SUSPENSIONS, ExtensionRecord, SuspensionRecord

SLOW_DELIVERY = timedelta(minutes=15)
"""Delivery takes seconds. The platform, and not the department, answers for a delivery that takes longer than this."""


class PlatformIssue(Value):
    """A failure of the platform that concerns a commitment. Operations were alerted of it."""

    issue: IssueKind
    commitment: CommitmentKey
    raised_at: Instant
    settled_at: Instant | None = None


class MonitoredCase(Value):
    """A case as monitor knows it. ``matter`` and ``region`` come with the acceptance or with a report of side timers.

    ``approvals``: steps that others may wait for, each with the moment of its approval.
    ``suspensions``, ``extension``, ``restarted_at``: what has changed the time of the case or of its steps.
    ``change_ids``: the changes reported by intake that are included. ``step_systems``: the plan's steps, each with the
    system that is requested to do it. ``ended_steps``: when those steps ended that have no commitment of their own.
    ``known_to_routing``: a message showed that routing knows the case, so that routing can be queried about it.
    ``sequence`` counts the messages published about its deadlines. ``query_count`` counts the attempts of the query
    that is open now, the last at ``queried_at``; ``unanswered_queries`` the queries since the last complete answer.
    """

    matter: Code | None = None
    region: Region | None = None
    commitments: tuple[TrackedCommitment, ...] = ()
    suspensions: tuple[SuspensionRecord, ...] = ()
    extension: ExtensionRecord | None = None
    restarted_at: Instant | None = None
    change_ids: tuple[ChangeId, ...] = ()
    step_systems: tuple[tuple[Code, Code], ...] = ()
    ended_steps: tuple[tuple[Code, Instant], ...] = ()
    approvals: tuple[tuple[Code, Instant], ...] = ()
    platform_issues: tuple[PlatformIssue, ...] = ()
    known_to_routing: bool = False
    sequence: int = 0
    query_count: int = 0
    unanswered_queries: int = 0
    queried_at: Instant | None = None

    # -- commitments --------------------------------------------------------------------------------------------------

    @property
    def accepted(self) -> bool:
        """Whether the acceptance has arrived, and with it the plan."""
        case = self.commitment(CASE)
        return case is not None and case.owner is not None

    @property
    def decided_at(self) -> datetime | None:
        """When the case as a whole was decided."""
        case = self.commitment(CASE)
        return case.ended_at if case is not None else None

    def commitment(self, key: CommitmentKey) -> TrackedCommitment | None:
        """The commitment with this key."""
        for commitment in self.commitments:
            if commitment.key == key:
                return commitment
        return None

    def with_commitment(self, changed: TrackedCommitment) -> Self:
        """This case with that commitment added, or replaced if the key is known."""
        for index, commitment in enumerate(self.commitments):
            if commitment.key == changed.key:
                return self.replace(commitments=(*self.commitments[:index], changed, *self.commitments[index + 1 :]))
        return self.replace(commitments=tuple(sorted((*self.commitments, changed), key=lambda one: one.key)))

    def ended_at(self, commitment: TrackedCommitment) -> datetime | None:
        """When this commitment was answered.

        A decided case ends its steps, and acceptance ends what leads to it. A complaint, a consultation and the
        delivery of the decision go on beside the case and after it.
        """
        own = commitment.ended_at
        if commitment.key == CASE:
            return own
        if commitment.is_step or not commitment.is_side_timer:
            other = self.decided_at
        elif kind_of(commitment.key) in (Kind.ACCEPTANCE, Kind.NOTICE):
            case = self.commitment(CASE) if self.accepted else None
            other = case.opened_at if case is not None else None
        else:
            return own
        if own is None or other is None:
            return own or other
        return min(own, other)

    def commitment_ends(self) -> "CommitmentEnds":
        """Each commitment with the moment at which it was answered."""
        return [(commitment, self.ended_at(commitment)) for commitment in self.commitments]

    # -- steps --------------------------------------------------------------------------------------------------------

    def end_step(self, step: Code, ended_at: datetime) -> Self:
        """This case with the end of a step that has no commitment of its own; its procedures end with it."""
        if not self.accepted or self.commitment(step_key(step)) is not None:
            return self
        known = dict(self.ended_steps)
        if step in known and known[step] <= ended_at:
            return self
        known[step] = ended_at
        return self.replace(ended_steps=tuple(sorted(known.items())))

    def approve_step(self, step: Code, approved_at: datetime) -> Self:
        """This case with that step approved. A step begins with the last of the approvals that it waits for."""
        if self.accepted and not any(step in commitment.after for commitment in self.commitments):
            return self
        approvals = dict(self.approvals)
        approvals[step] = min(approvals.get(step, approved_at), approved_at)
        case = self.replace(approvals=tuple(sorted(approvals.items())))
        for commitment in self.commitments:
            if step in commitment.after and approvals.keys() >= set(commitment.after):
                opened_at = max(approvals[name] for name in commitment.after)
                case = case.with_commitment(commitment.with_facts(opened_at=opened_at))
        return case

    # -- delivery to departments --------------------------------------------------------------------------------------

    def was_delivered(self, commitment: TrackedCommitment, due_at: datetime) -> bool | None:
        """Whether the departments had received by ``due_at`` what a card that falls due then is for; None if unknown.

        A step must have been delivered. A case depends on all of its steps: while a requested step had not reached its
        department for longer than `SLOW_DELIVERY`, the time was not the departments' to use.
        """
        if commitment.is_step:
            return None if commitment.delivered_at is None else commitment.delivered_at <= due_at
        return commitment.key != CASE or not any(
            opened_at <= due_at < delivered_at for opened_at, delivered_at in self.slow_deliveries()
        )

    def was_delivered_late(self, commitment: TrackedCommitment) -> bool:
        """Whether, as far as is known, a card for this commitment fell due before delivery."""
        if commitment.due is None:
            return False
        if commitment.is_step:
            at = commitment.delivered_at or commitment.undelivered_at
            return at is not None and commitment.due.has_card_before(at)
        if commitment.key != CASE or not self.slow_deliveries():
            return False
        return not all(self.was_delivered(commitment, due_at) for due_at in commitment.due.cards())

    def late_delivery_at(self, commitment: TrackedCommitment) -> datetime | None:
        """When a late delivery for this commitment reached its department."""
        if commitment.is_step:
            return commitment.delivered_at
        return max((delivered_at for _, delivered_at in self.slow_deliveries()), default=None)

    def slow_deliveries(self) -> list[tuple[datetime, datetime]]:
        """Request and delivery of each step for which the time between them exceeds `SLOW_DELIVERY`."""
        return [
            (commitment.opened_at, commitment.delivered_at)
            for commitment in self.commitments
            if commitment.delivered_at is not None
            and commitment.opened_at is not None
            and commitment.delivered_at - commitment.opened_at > SLOW_DELIVERY
            and commitment.is_step
        ]

    # -- time ---------------------------------------------------------------------------------------------------------

    @property
    def is_uninterrupted(self) -> bool:
        """Whether nothing has changed the time of the case."""
        return not self.suspensions and self.extension is None and self.restarted_at is None

    def clock_history(self, commitment: TrackedCommitment, rules: Rules) -> ClockHistory | None:
        """How the time of this commitment has run; None before it has begun.

        Extension and restart concern the case as a whole. Changes after the commitment was answered do not count. A
        department's procedure counts for a step that this department was requested to do, until the step has ended.
        """
        if commitment.opened_at is None:
            return None
        if self.is_uninterrupted:
            return ClockHistory(commitment.opened_at)
        ended_at = self.ended_at(commitment)
        suspensions = []
        for record in self.suspensions:
            until = self.suspension_end(record)
            if not self.is_from_requested_system(record) or (until is not None and until < record.since):
                continue
            if (ended_at is None or record.since < ended_at) and rules.suspends(
                record.kind, record.step, commitment.key
            ):
                suspensions.append(Suspension(record.since, until, record.reason, record.article))
        if commitment.key != CASE:
            return ClockHistory(commitment.opened_at, tuple(suspensions))
        granted, restarted_at = self.extension, self.restarted_at
        extension = None
        if granted is not None and (ended_at is None or granted.notified_at < ended_at):
            extension = Extension(granted.days, granted.reason, granted.notified_at)
        if restarted_at is not None and ended_at is not None and restarted_at >= ended_at:
            restarted_at = None
        return ClockHistory(commitment.opened_at, tuple(suspensions), extension, restarted_at)

    def is_from_requested_system(self, record: SuspensionRecord) -> bool:
        """Whether the plan requests the step from the system that reports this suspension.

        True as long as the plan is unknown, and for a suspension that no department system reported.
        """
        return not self.step_systems or record.system is None or (record.step, record.system) in self.step_systems

    def suspension_end(self, record: SuspensionRecord) -> datetime | None:
        """When a suspension ends: a procedure ends with its step at the latest."""
        step = record.step or ""
        commitment = self.commitment(step_key(step))
        step_ended_at = commitment.ended_at if commitment is not None else dict(self.ended_steps).get(step)
        return min((end for end in (record.until, step_ended_at) if end is not None), default=None)

    def suspend(self, reported: SuspensionRecord) -> Self:
        """This case with that suspension, or the newer report of it. Raises `InvalidMessage` for one too many."""
        known = {record.suspension: record for record in self.suspensions}
        before = known.get(reported.suspension)
        known[reported.suspension] = reported.later(before) if before is not None else reported
        if sum(record.system == reported.system for record in known.values()) > MAX_SUSPENSIONS:
            raise InvalidMessage(f"the case has been suspended {MAX_SUSPENSIONS} times already")
        if known[reported.suspension] is before:
            return self
        return self.replace(suspensions=tuple(known[name] for name in sorted(known)))

    def extend(self, reported: ExtensionRecord) -> Self:
        """This case with that extension, unless it has an earlier one."""
        known = [record for record in (self.extension, reported) if record is not None]
        earliest = min(known, key=lambda record: (record.notified_at, record.model_dump_json()))
        return self if earliest is self.extension else self.replace(extension=earliest)

    def restart(self, restarted_at: datetime) -> Self:
        """This case with its time restarted at that moment, unless a later restart is known."""
        if self.restarted_at is not None and self.restarted_at >= restarted_at:
            return self
        return self.replace(restarted_at=restarted_at)

    def record_change(self, change_id: ChangeId) -> Self:
        """This case with a change reported by intake marked as included. Raises `InvalidMessage` for one too many."""
        if change_id in self.change_ids:
            return self
        if len(self.change_ids) >= MAX_COMMITMENTS:
            raise InvalidMessage(f"the time of the case has been changed {MAX_COMMITMENTS} times already")
        return self.replace(change_ids=tuple(sorted((*self.change_ids, change_id))))


CommitmentEnds = list[tuple[TrackedCommitment, datetime | None]]
"""The commitments of a case, each with the moment at which it was answered; None while it is open."""
