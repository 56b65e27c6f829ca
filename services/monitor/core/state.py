"""Monitor's state of a case. Data only: the modules beside this file derive from it and change it. Pure."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import Field

from contracts.envelope import Code, Instant, Name
from contracts.messages.alerts import IssueKind
from contracts.messages.cases import ChangeId, SuspensionKind
from contracts.messages.commitments import CASE, CommitmentKey, Kind, kind_of
from contracts.messages.fields import PersonId, Region
from contracts.messages.tasks import TaskDelivered, TaskDone, TaskSuspended, TimeField, TimeSettled
from contracts.values import Value
from services.monitor.core.commitment import TrackedCommitment


class SuspensionRecord(Value):
    """The latest report of a suspension, by ``recorded_at``. It concerns ``step``, or the case where there is none."""

    suspension: str
    kind: SuspensionKind
    step: Code | None = None
    system: Code | None = None
    """The department system that reported a special procedure."""
    owner: Name | None = None
    """The department that opened a special procedure."""
    reason: str
    article: str = ""
    since: Instant
    until: Instant | None = None
    recorded_at: Instant
    by: PersonId | None = None
    """The supervisor who began a hold, or has ended it."""
    on_behalf_of: PersonId | None = None

    def later(self, other: "SuspensionRecord") -> "SuspensionRecord":
        """The one of two reports of the same suspension that counts, whichever arrived first."""
        return max(self, other, key=lambda record: (record.recorded_at, record.model_dump_json()))


class ExtensionRecord(Value):
    """An extension of the limit of the case and of these steps. The applicant was notified of it (article 42)."""

    days: int
    steps: tuple[Code, ...] = ()
    reason: str
    article: str = ""
    notified_at: Instant


class PlatformIssue(Value):
    """A failure of the platform that concerns a commitment. Operations were alerted of it."""

    issue: IssueKind
    commitment: CommitmentKey
    raised_at: Instant
    settled_at: Instant | None = None


class DoubtRecord(Value):
    """A doubtful time of a department, until the department reports it without doubt.

    ``counts_at``: the moment that counts meanwhile. ``published``: supervisors were notified of it. ``settlement``: the
    decision of a supervisor, which is published ``attempts`` times already.
    """

    step: Code
    procedure: Code | None = None
    field: TimeField
    claimed: Instant
    counts_at: Instant | None
    owner: Name
    doubted_at: Instant
    published: bool = False
    settlement: TimeSettled | None = None
    attempts: int = 0


DepartmentReport = TaskDone | TaskDelivered | TaskSuspended


class EarlyReport(Value):
    """A department's report that arrived before the acceptance, which shows if the department was requested at all."""

    report: Annotated[DepartmentReport, Field(union_mode="left_to_right")]
    arrived_at: Instant


class MonitoredCase(Value):
    """A case as monitor knows it. ``matter`` and ``region`` come with the acceptance or with a report of side timers.

    ``approvals``: steps that others may wait for, each with the moment at which its approval arrived.
    ``suspensions``, ``extension``, ``restarted_at``: what has changed the time of the case or of its steps.
    ``change_ids``: the changes reported by intake that are included. ``step_systems``: the plan's steps, each with the
    system that is requested to do it. ``ended_steps``: when those steps ended that have no commitment of their own.
    ``early_reports``: reports of departments that arrived before the acceptance. ``doubts``: their doubtful times.
    ``known_to_routing``: a message showed that routing knows the case, so that routing can report its state.
    ``sequence`` counts the messages published about its deadlines. ``request_count`` counts the requests for
    the facts that a card awaits, the last at ``requested_at``; ``unanswered_requests`` those since the last complete
    answer.
    """

    matter: Code | None = None
    region: Region | None = None
    commitments: tuple[TrackedCommitment, ...] = ()
    suspensions: tuple[SuspensionRecord, ...] = ()
    extension: ExtensionRecord | None = None
    restarted_at: Instant | None = None
    change_ids: tuple[ChangeId, ...] = ()
    step_systems: tuple[tuple[Code, Code], ...] = ()
    early_reports: tuple[EarlyReport, ...] = ()
    ended_steps: tuple[tuple[Code, Instant], ...] = ()
    approvals: tuple[tuple[Code, Instant], ...] = ()
    platform_issues: tuple[PlatformIssue, ...] = ()
    doubts: tuple[DoubtRecord, ...] = ()
    known_to_routing: bool = False
    sequence: int = 0
    request_count: int = 0
    unanswered_requests: int = 0
    requested_at: Instant | None = None

    @property
    def accepted(self) -> bool:
        """Whether the acceptance has arrived, and with it the plan."""
        case = self.commitment(CASE)
        return case is not None and case.owner is not None

    @property
    def accepted_at(self) -> datetime | None:
        """When the case as a whole began."""
        case = self.commitment(CASE)
        return case.opened_at if case is not None else None

    @property
    def decided_at(self) -> datetime | None:
        """When the case as a whole was decided."""
        case = self.commitment(CASE)
        return case.ended_at if case is not None else None

    @property
    def is_uninterrupted(self) -> bool:
        """Whether nothing has changed the time of the case."""
        return not self.suspensions and self.extension is None and self.restarted_at is None

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


CommitmentEnds = list[tuple[TrackedCommitment, datetime | None]]
"""The commitments of a case, each with the moment at which it was answered; None while it is open."""
