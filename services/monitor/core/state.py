"""What monitor remembers of a case: facts, each merged so that the order in which they are heard is of no matter."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Self

from contracts.core import InvalidMessage
from contracts.envelope import Code, Instant, Name
from contracts.messages.alerts import IssueKind, Occurrence, Rung
from contracts.messages.cases import ChangeId, SuspensionKind
from contracts.messages.commitments import MAX_COMMITMENTS, MAX_KEY_LENGTH, Commitment, CommitmentKey, Kind, kind_of
from contracts.messages.fields import PersonId, Reason, Region
from contracts.messages.plans import Limits
from contracts.messages.side_timers import INTAKE_KINDS
from contracts.values import Value
from contracts.working_time import Extension, Suspension
from services.monitor.core.ladder import ClockHistory, DueDates
from services.monitor.core.rules import Rules

CASE: CommitmentKey = "case"

HOLD = "hold/"
"""What the name of a supervisor's suspension begins with."""

_STEP = "step/"

SLOW = timedelta(minutes=15)
"""Delivering takes seconds; the platform answers for what takes longer than this."""

MAX_SUSPENSIONS = 100
"""Of one case. Each makes its state longer, and departments may say any number."""


def step_key(step: Code) -> CommitmentKey:
    """The commitment of one step."""
    return _STEP + step


def procedure_key(suspension: str) -> CommitmentKey:
    """The commitment of the special procedure that this suspension is of."""
    key = f"{Kind.PROCEDURE}/{suspension}"
    if len(key) <= MAX_KEY_LENGTH:
        return key
    return f"{Kind.PROCEDURE}/{blake2b(key.encode(), digest_size=16).hexdigest()}"


class Acknowledgement(Value):
    """Somebody who was told has taken an alert in hand."""

    by: PersonId
    reason: Reason
    acknowledged_at: Instant


class AppealAnswer(Value):
    """What a supervisor has decided on an appeal."""

    by: PersonId
    upheld: bool
    reason: Reason
    decided_at: Instant


class Appeal(Value):
    """A department's complaint against a card (申诉)."""

    by: PersonId
    reason: Reason
    appealed_at: Instant
    answer: AppealAnswer | None = None


class RaisedRung(Value):
    """A rung that has fired. It stays here when it is withdrawn: nothing that was said is forgotten."""

    rung: Rung
    raised_at: Instant
    withdrawn: bool = False
    occurrence: Occurrence = 1
    acknowledgement: Acknowledgement | None = None
    appeal: Appeal | None = None

    @property
    def overturned(self) -> bool:
        """Whether an appeal against it was upheld: then it is not raised again either."""
        return self.appeal is not None and self.appeal.answer is not None and self.appeal.answer.upheld


def settled_rungs(raised: Iterable[RaisedRung]) -> frozenset[Rung]:
    """The rungs that have fired and are not to fire again: those that stand, and those overturned on appeal."""
    return frozenset(one.rung for one in raised if not one.withdrawn or one.overturned)


class SuspensionRecord(Value):
    """A suspension, as it was last said (``recorded_at``): of the step that it is about, or of the case."""

    suspension: str
    kind: SuspensionKind
    step: Code | None = None
    system: Code | None = None
    """Whose word it is, of a department's."""
    owner: Name | None = None
    """The department that has opened a procedure; cases of an earlier program do not know it."""
    reason: str
    article: str = ""
    since: Instant
    until: Instant | None = None
    recorded_at: Instant

    def later(self, other: "SuspensionRecord") -> "SuspensionRecord":
        """Of two words about the same suspension the one that holds; it is the same one whatever their order."""
        return max(self, other, key=lambda one: (one.recorded_at, one.model_dump_json()))


class ExtensionRecord(Value):
    """An extension, of which the applicant was told."""

    days: int
    reason: str
    article: str = ""
    notified_at: Instant


class PlatformIssue(Value):
    """The platform has failed in something of a commitment, and operations were told."""

    issue: IssueKind
    commitment: CommitmentKey
    raised_at: Instant
    settled_at: Instant | None = None


class TrackedCommitment(Value):
    """One commitment. ``owner``, ``limits`` and ``after`` come with the acceptance, which may be heard last.

    ``opened_at``, ``delivered_at`` (when the department took the step) and ``ended_at`` are the earliest moments heard
    of. ``open_at`` is the latest at which routing knew it to be still open, and delivered where it is a step's;
    ``undelivered_at`` the latest at which it was open and not. ``due`` follows from all this, by the rules of
    ``rules_version``, wherever enough is known. ``after``: the steps that must be approved before this one begins.
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
        """Whether a department was asked for it."""
        return self.key.startswith(_STEP)

    @property
    def beside(self) -> bool:
        """Whether its clock runs beside those of the plan."""
        return self.key != CASE and not self.is_step

    @property
    def of_intake(self) -> bool:
        """Whether intake knows the truth about it, and not routing."""
        return self.beside and kind_of(self.key) in INTAKE_KINDS

    def merge(self, heard: "TrackedCommitment | None", accepted_at: datetime) -> Self:
        """This commitment, as the acceptance has it, with what has been heard of it.

        What waits for no other step begins with the acceptance.
        """
        begins_at = None if self.after else accepted_at
        if heard is None:
            return self.learn(opened_at=begins_at)
        known = self.learn(
            opened_at=heard.opened_at,
            ended_at=heard.ended_at,
            open_at=heard.open_at,
            undelivered_at=heard.undelivered_at,
            delivered_at=heard.delivered_at,
        )
        return known.learn(opened_at=begins_at).replace(raised=heard.raised)

    def learn(
        self,
        *,
        opened_at: datetime | None = None,
        ended_at: datetime | None = None,
        open_at: datetime | None = None,
        undelivered_at: datetime | None = None,
        delivered_at: datetime | None = None,
    ) -> Self:
        """This commitment with these facts merged in; itself if they are no news."""
        news: dict[str, object] = {}
        if opened_at is not None and (self.opened_at is None or opened_at < self.opened_at):
            news["opened_at"] = opened_at
        if ended_at is not None and (self.ended_at is None or ended_at < self.ended_at):
            news["ended_at"] = ended_at
        if delivered_at is not None and (self.delivered_at is None or delivered_at < self.delivered_at):
            news["delivered_at"] = delivered_at
        if open_at is not None and (self.open_at is None or open_at > self.open_at):
            news["open_at"] = open_at
        if undelivered_at is not None and (self.undelivered_at is None or undelivered_at > self.undelivered_at):
            news["undelivered_at"] = undelivered_at
        return self.replace(**news) if news else self

    def ahead(self) -> tuple[tuple[Rung, datetime], ...]:
        """The rungs that do not stand and may still fire, each with the moment at which it falls due."""
        if self.due is None or self.ended_at is not None:
            return ()
        ladder = self.due.ladder()
        if not self.raised:
            return ladder
        fired = settled_rungs(self.raised)
        return tuple(one for one in ladder if one[0] not in fired)

    @property
    def unmarked_limit(self) -> datetime | None:
        """When the committed limit ends, where no rung is to fire at that moment and time is not suspended."""
        if self.due is None or self.due.pause is not None:
            return None
        if self.due.committed is None and self.raised and Rung.YELLOW in settled_rungs(self.raised):
            return self.due.yellow  # overturned on appeal; the limit may have moved since
        return self.due.committed

    def as_message(self) -> Commitment | None:
        """The commitment as it is told to others; ``None`` while it is not open."""
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


class MonitoredCase(Value):
    """A case as monitor knows it. ``matter`` and ``region`` are unknown until the acceptance is heard, or intake's word
    of a clock beside the case's own.

    ``approvals``: the steps that others may wait for, each with the moment at which it was approved.
    ``suspensions``, ``extension``, ``restarted_at``: what has happened to the time of the case, and of which steps.
    ``words``: intake's words about it that have been heard. ``step_systems``: the plan's steps, each with the system
    that is asked for it; ``ended_steps``: when those have ended of which nothing else is kept.
    ``marks``: what the platform has failed in.
    ``routed``: something heard shows that routing knows the case, so that it can be asked about it.
    ``told`` counts what has been told of its deadlines. ``asked`` counts how often routing has been asked the question
    that is open now, last at ``queried_at``; ``unanswered`` the questions since all was last answered.
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

    @property
    def accepted(self) -> bool:
        """Whether the acceptance has been heard, and so all that the plan has."""
        case = self.commitment(CASE)
        return case is not None and case.owner is not None

    @property
    def decided_at(self) -> datetime | None:
        """When the case as a whole was answered."""
        case = self.commitment(CASE)
        return case.ended_at if case is not None else None

    def commitment(self, key: CommitmentKey) -> TrackedCommitment | None:
        """The commitment of this name."""
        for watch in self.commitments:
            if watch.key == key:
                return watch
        return None

    def ended_at(self, watch: TrackedCommitment) -> datetime | None:
        """When this commitment was answered.

        No step is owed any longer once its case is decided, and nothing that leads to acceptance once the case is
        accepted. A complaint, a consultation and delivery go on beside the case and after it.
        """
        own = watch.ended_at
        if watch.key == CASE:
            return own
        if watch.is_step or not watch.of_intake:
            other = self.decided_at
        elif kind_of(watch.key) in (Kind.ACCEPTANCE, Kind.NOTICE):
            case = self.commitment(CASE) if self.accepted else None
            other = case.opened_at if case is not None else None
        else:
            return own
        if own is None or other is None:
            return own or other
        return min(own, other)

    def answers(self) -> "Answers":
        """Each commitment, and when it was answered."""
        return [(watch, self.ended_at(watch)) for watch in self.commitments]

    def was_delivered(self, watch: TrackedCommitment, due_at: datetime) -> bool | None:
        """Whether the departments had been given by then what a card that falls due then is for; None while nobody
        knows.

        A step has to have been delivered. A case answers for all of its steps: where one that had been asked for was
        not with its department for longer than `SLOW`, its time was not the departments' to use.
        """
        if watch.is_step:
            return None if watch.delivered_at is None else watch.delivered_at <= due_at
        return watch.key != CASE or not any(
            opened_at <= due_at < delivered_at for opened_at, delivered_at in self.slow_deliveries()
        )

    def delivered_late(self, watch: TrackedCommitment) -> bool:
        """Whether, as far as is known, something was not delivered before a card for it fell due."""
        if watch.due is None:
            return False
        if watch.is_step:
            at = watch.delivered_at or watch.undelivered_at
            return at is not None and watch.due.has_card_before(at)
        if watch.key != CASE or not self.slow_deliveries():
            return False
        return not all(self.was_delivered(watch, due_at) for due_at in watch.due.cards())

    def delivery(self, watch: TrackedCommitment) -> datetime | None:
        """When what was delivered late came to its department."""
        if watch.is_step:
            return watch.delivered_at
        return max((delivered_at for _, delivered_at in self.slow_deliveries()), default=None)

    def slow_deliveries(self) -> list[tuple[datetime, datetime]]:
        """From when to when steps had been asked for and were not with their departments, where that was long."""
        return [
            (watch.opened_at, watch.delivered_at)
            for watch in self.commitments
            if watch.delivered_at is not None
            and watch.opened_at is not None
            and watch.delivered_at - watch.opened_at > SLOW
            and watch.is_step
        ]

    def run(self, watch: TrackedCommitment, rules: Rules) -> ClockHistory | None:
        """How the time of this commitment has run; None before it has begun.

        An extension and a restart are of the case as a whole. What happened after the commitment was answered is of no
        matter to it. A department's procedure counts for a step that it was asked for, until that has ended.
        """
        if watch.opened_at is None:
            return None
        if self.is_straight:
            return ClockHistory(watch.opened_at)
        ended_at = self.ended_at(watch)
        suspensions = []
        for one in self.suspensions:
            until = self.ends(one)
            if not self.may_say(one) or (until is not None and until < one.since):
                continue
            if (ended_at is None or one.since < ended_at) and rules.stops(one.kind, one.step, watch.key):
                suspensions.append(Suspension(one.since, until, one.reason, one.article))
        if watch.key != CASE:
            return ClockHistory(watch.opened_at, tuple(suspensions))
        more, restarted_at = self.extension, self.restarted_at
        extension = None
        if more is not None and (ended_at is None or more.notified_at < ended_at):
            extension = Extension(more.days, more.reason, more.notified_at)
        if restarted_at is not None and ended_at is not None and restarted_at >= ended_at:
            restarted_at = None
        return ClockHistory(watch.opened_at, tuple(suspensions), extension, restarted_at)

    def may_say(self, one: SuspensionRecord) -> bool:
        """Whether the case was asked of whoever says this. Cases of an earlier program do not know whom they asked."""
        return not self.step_systems or one.system is None or (one.step, one.system) in self.step_systems

    def ends(self, one: SuspensionRecord) -> datetime | None:
        """When a suspension ends: a procedure does so with its step, at the latest."""
        step = one.step or ""
        watch = self.commitment(step_key(step))
        of_step = watch.ended_at if watch is not None else dict(self.ended_steps).get(step)
        return min((end for end in (one.until, of_step) if end is not None), default=None)

    @property
    def is_straight(self) -> bool:
        """Whether nothing has happened to the time of the case."""
        return not self.suspensions and self.extension is None and self.restarted_at is None

    def end(self, step: Code, ended_at: datetime) -> Self:
        """This case with that step ended, and its procedures with it, where no commitment remembers it."""
        if not self.accepted or self.commitment(step_key(step)) is not None:
            return self
        known = dict(self.ended_steps)
        if step in known and known[step] <= ended_at:
            return self
        known[step] = ended_at
        return self.replace(ended_steps=tuple(sorted(known.items())))

    def suspend(self, news: SuspensionRecord) -> Self:
        """This case with that suspension, or with what is newer of it. Raises `InvalidMessage` for one too many."""
        known = {one.suspension: one for one in self.suspensions}
        before = known.get(news.suspension)
        known[news.suspension] = news.later(before) if before is not None else news
        if sum(one.system == news.system for one in known.values()) > MAX_SUSPENSIONS:
            raise InvalidMessage(f"the case has been suspended {MAX_SUSPENSIONS} times already")
        if known[news.suspension] is before:
            return self
        return self.replace(suspensions=tuple(known[name] for name in sorted(known)))

    def extend(self, news: ExtensionRecord) -> Self:
        """This case with that extension, unless it has an earlier one."""
        known = [one for one in (self.extension, news) if one is not None]
        earliest = min(known, key=lambda one: (one.notified_at, one.model_dump_json()))
        return self if earliest is self.extension else self.replace(extension=earliest)

    def restart(self, restarted_at: datetime) -> Self:
        """This case with its time begun anew then, or later if it is known to have been."""
        if self.restarted_at is not None and self.restarted_at >= restarted_at:
            return self
        return self.replace(restarted_at=restarted_at)

    def record_change(self, word: ChangeId) -> Self:
        """This case with that word heard. Raises `InvalidMessage` for one too many."""
        if word in self.change_ids:
            return self
        if len(self.change_ids) >= MAX_COMMITMENTS:
            raise InvalidMessage(f"the time of the case has been changed {MAX_COMMITMENTS} times already")
        return self.replace(change_ids=tuple(sorted((*self.change_ids, word))))

    def approve(self, step: Code, approved_at: datetime) -> Self:
        """This case with that step approved; what has waited for nothing else begins at the last approval."""
        if self.accepted and not any(step in watch.after for watch in self.commitments):
            return self
        approvals = dict(self.approvals)
        approvals[step] = min(approvals.get(step, approved_at), approved_at)
        case = self.replace(approvals=tuple(sorted(approvals.items())))
        for watch in self.commitments:
            if step in watch.after and approvals.keys() >= set(watch.after):
                case = case.put(watch.learn(opened_at=max(approvals[name] for name in watch.after)))
        return case

    def put(self, changed: TrackedCommitment) -> Self:
        """This case with this commitment, in place of the one of the same name if there is one."""
        for place, watch in enumerate(self.commitments):
            if watch.key == changed.key:
                return self.replace(commitments=(*self.commitments[:place], changed, *self.commitments[place + 1 :]))
        return self.replace(commitments=tuple(sorted((*self.commitments, changed), key=lambda watch: watch.key)))


Answers = list[tuple[TrackedCommitment, datetime | None]]
"""The commitments of a case, each with the moment at which it was answered; None while it is open."""
