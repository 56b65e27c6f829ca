"""A case as intake knows it: accepted, then decided, and how far its steps have come.

What is heard is merged so that order, repetition and delay do not matter: of what is said twice the earlier holds.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, ClassVar, assert_never, cast

from pydantic import Field

from contracts.core import InvalidMessage, Rejected, Step, UnknownCase, backoff
from contracts.envelope import Envelope, Instant, Message, Name, RulesChanged, TimerFired
from contracts.messages.cases import (
    Applicant,
    CaseAccepted,
    CaseDecided,
    CaseExtended,
    CaseReported,
    CaseRestarted,
    CaseSuspended,
    ChangeId,
    Channel,
    StepReport,
    StepState,
)
from contracts.messages.commitments import Commitment, CommitmentsMoved, CommitmentsOpened, Pause
from contracts.messages.fields import Region
from contracts.messages.plans import Outcome, Plan
from contracts.messages.side_timers import SideTimer, SideTimersReported, SideTimersRequested
from contracts.messages.tasks import TaskDelivered, TaskDone, is_assigned
from contracts.values import Value
from contracts.working_time import CountingRules, resolve
from contracts.working_time.almanac import RegionalRules
from services.intake.core import side_timers
from services.intake.core.side_timers import EndTimer, StartTimer, TimerCommand

MAX_TIME_CHANGES = 50
"""About the time of one case."""

FIRST_PATIENCE = timedelta(seconds=30)
LONGEST_PATIENCE = timedelta(hours=6)

_PROGRESS = {state: place for place, state in enumerate(StepState)}
"""Later states are further: what has been dropped stays dropped, whatever is heard late."""


class AcceptCase(Message):
    """Accept this case. Everything has been checked; whoever asks has chosen the number.

    ``fingerprint`` stands for the request: the same request again means the same case.
    """

    type: ClassVar[str] = "onedoor.intake.accept-case.v1"

    plan: Plan
    region: Region
    channel: Channel
    applicant: Applicant | None = None
    materials: tuple[Name, ...] = ()
    accepted_at: Instant
    fingerprint: Annotated[str, Field(min_length=1, max_length=128)]


class CaseState(StrEnum):
    """Where a case stands, as intake knows it (受理, 办结)."""

    ACCEPTED = "accepted"
    DECIDED = "decided"


class KeyReused(InvalidMessage):
    """The case number already belongs to another request: one idempotency key was used for two applications."""

    def __init__(self) -> None:
        super().__init__("this case was accepted for another request")


class CaseDue(Value):
    """When something is due; provisional when holidays not yet published may still move it. While it is paused, when it
    would have been due had time run on."""

    committed: Instant
    statutory: Instant
    provisional: bool
    pause: Pause | None = None


class HeldCommitment(Value):
    """A commitment that monitor holds, and when it last said so: its later word replaces its earlier one."""

    sequence: int = 0
    reported_at: Instant
    commitment: Commitment


class StepCourse(StepReport):
    """What has been heard of one step."""

    settled: bool = False
    """The answer is routing's word, which outranks what the department was heard to say."""


class Decision(Value):
    """How the case ended."""

    decided_at: Instant
    outcome: Outcome


class Case(Value):
    """All that intake remembers of one case."""

    accepted: CaseAccepted
    fingerprint: str
    due_at_acceptance: CaseDue | None = None
    steps: tuple[StepCourse, ...]
    """In the plan's order."""
    commitments: tuple[HeldCommitment, ...] = ()
    monitored: bool = False
    """Monitor has said which deadlines it holds, if only that there are none."""
    suspensions: tuple[CaseSuspended, ...] = ()
    """What has been said of each suspension, its beginning and its end, in order."""
    extension: CaseExtended | None = None
    restarts: tuple[CaseRestarted, ...] = ()
    timers: tuple[SideTimer, ...] = ()
    """Beside the case's own."""
    timer_changes: int = 0
    """How often these have changed."""
    confirmed_changes: tuple[ChangeId, ...] = ()
    """Of these words those that monitor has heard."""
    decision: Decision | None = None
    asked: int = 1
    """How often the acceptance has been said; 0 when all is answered."""

    @property
    def state(self) -> CaseState:
        return CaseState.DECIDED if self.decision else CaseState.ACCEPTED

    @property
    def answered(self) -> bool:
        """Routing has decided, monitor holds the deadlines and has heard of all that changed them: nothing is left to
        ask for."""
        return self.decision is not None and self.monitored and not self.unconfirmed

    @property
    def finished(self) -> bool:
        """All is answered, and no clock runs any longer."""
        return self.answered and all(clock.ended_at is not None for clock in self.timers)

    @property
    def time_changes(self) -> "tuple[TimeChange, ...]":
        """All that has been said of the time of the case."""
        return (*self.suspensions, *((self.extension,) if self.extension else ()), *self.restarts)

    @property
    def to_confirm(self) -> "tuple[TimeChange | SideTimersReported, ...]":
        """What monitor has to hear: all these words, and the truth about the clocks beside the case's own."""
        return (*self.time_changes, side_timers.report(self)) if self.timers else self.time_changes

    @property
    def unconfirmed(self) -> "tuple[TimeChange | SideTimersReported, ...]":
        """What monitor is not known to have heard."""
        return tuple(word for word in self.to_confirm if word.change_id not in self.confirmed_changes)

    def latest(self, suspension: str) -> CaseSuspended | None:
        """The latest word about a suspension."""
        return next((word for word in reversed(self.suspensions) if word.suspension == suspension), None)


ExternalMessage = TaskDelivered | TaskDone | CaseReported | CaseDecided | CommitmentsOpened | CommitmentsMoved
"""What others say of an accepted case."""

TimeChange = CaseSuspended | CaseExtended | CaseRestarted
"""What staff say of the time of an open case."""

MOVES: dict[tuple[CaseState | None, type[Message]], CaseState] = {
    (None, AcceptCase): CaseState.ACCEPTED,
    (CaseState.ACCEPTED, AcceptCase): CaseState.ACCEPTED,
    (CaseState.ACCEPTED, CaseSuspended): CaseState.ACCEPTED,
    (CaseState.ACCEPTED, CaseExtended): CaseState.ACCEPTED,
    (CaseState.ACCEPTED, CaseRestarted): CaseState.ACCEPTED,
    (CaseState.ACCEPTED, StartTimer): CaseState.ACCEPTED,
    (CaseState.ACCEPTED, EndTimer): CaseState.ACCEPTED,
    (CaseState.ACCEPTED, SideTimersRequested): CaseState.ACCEPTED,
    (CaseState.ACCEPTED, TaskDelivered): CaseState.ACCEPTED,
    (CaseState.ACCEPTED, TaskDone): CaseState.ACCEPTED,
    (CaseState.ACCEPTED, CaseReported): CaseState.ACCEPTED,
    (CaseState.ACCEPTED, CommitmentsOpened): CaseState.ACCEPTED,
    (CaseState.ACCEPTED, CommitmentsMoved): CaseState.ACCEPTED,
    (CaseState.ACCEPTED, TimerFired): CaseState.ACCEPTED,
    (CaseState.ACCEPTED, CaseDecided): CaseState.DECIDED,
    (CaseState.DECIDED, AcceptCase): CaseState.DECIDED,
    (CaseState.DECIDED, CaseSuspended): CaseState.DECIDED,
    (CaseState.DECIDED, CaseExtended): CaseState.DECIDED,
    (CaseState.DECIDED, CaseRestarted): CaseState.DECIDED,
    (CaseState.DECIDED, StartTimer): CaseState.DECIDED,
    (CaseState.DECIDED, EndTimer): CaseState.DECIDED,
    (CaseState.DECIDED, SideTimersRequested): CaseState.DECIDED,
    (CaseState.DECIDED, TaskDelivered): CaseState.DECIDED,
    (CaseState.DECIDED, TaskDone): CaseState.DECIDED,
    (CaseState.DECIDED, CaseReported): CaseState.DECIDED,
    (CaseState.DECIDED, CommitmentsOpened): CaseState.DECIDED,
    (CaseState.DECIDED, CommitmentsMoved): CaseState.DECIDED,
    (CaseState.DECIDED, TimerFired): CaseState.DECIDED,
    (CaseState.DECIDED, CaseDecided): CaseState.DECIDED,
}
"""Every legal move of a case: its state, the message, its next state. ``None`` is a case not yet known."""


def handle(places: RegionalRules, state: Case | None, envelope: Envelope[Message]) -> Step[Case]:
    """One message for one case, with deadlines reckoned as time is counted at its place.

    Raises `UnknownCase` for a message about a case never accepted here, `KeyReused` for a second application under
    the number of the first, `Rejected` for time that cannot be changed so, and `InvalidMessage` for what cannot be
    true of the case.
    """
    message = envelope.data
    if isinstance(message, RulesChanged) and state is not None:
        return _waiting(state)  # monitor holds the deadlines, and tells of those that move
    if (state.state if state else None, type(message)) not in MOVES:
        if state is None:
            raise UnknownCase(envelope.subject)
        raise InvalidMessage(f"{message.type} means nothing to a case that is {state.state}")
    if isinstance(message, AcceptCase):
        return _accept(state, message, places.counting_rules(message.region))
    case = cast(Case, state)
    if isinstance(message, TimerFired):
        return _ask_again(case)
    if isinstance(message, TimeChange):
        return _say(case, message)
    if isinstance(message, TimerCommand):
        changed = side_timers.changed(case, message)
        return (
            _waiting(changed.replace(asked=1), side_timers.report(changed)) if changed is not case else _waiting(case)
        )
    if isinstance(message, SideTimersRequested):
        return _waiting(case, side_timers.report(case))
    return _settled(_heard(envelope.subject, case, cast(ExternalMessage, message), envelope.time))


def _accept(case: Case | None, command: AcceptCase, terms: CountingRules) -> Step[Case]:
    if case is not None:
        if case.fingerprint != command.fingerprint:
            raise KeyReused
        return _waiting(case)
    accepted = CaseAccepted(
        plan=command.plan,
        region=command.region,
        channel=command.channel,
        applicant=command.applicant,
        materials=command.materials,
        accepted_at=command.accepted_at,
    )
    new = Case(
        accepted=accepted,
        fingerprint=command.fingerprint,
        due_at_acceptance=_due(command.plan, command.accepted_at, terms),
        steps=tuple(StepCourse(step=step.step, state=StepState.WAITING) for step in command.plan.steps),
    )
    return _waiting(new, accepted)


def _due(plan: Plan, accepted_at: datetime, terms: CountingRules) -> CaseDue | None:
    if plan.limits is None:
        return None
    committed = resolve(plan.limits.committed, accepted_at, terms.calendar, terms.hours)
    statutory = resolve(plan.limits.statutory, accepted_at, terms.calendar, terms.hours)
    return CaseDue(
        committed=committed.at,
        statutory=statutory.at,
        provisional=committed.provisional or statutory.provisional,
    )


def _ask_again(case: Case) -> Step[Case]:
    """Say the acceptance again: routing answers with a decision, monitor with its commitments, as often as asked."""
    if case.answered:
        return _waiting(case)
    return _waiting(case.replace(asked=case.asked + 1), case.accepted, *case.unconfirmed)


def _say(case: Case, word: TimeChange) -> Step[Case]:
    """Keep a word about the time of the case, and say it until monitor has heard it. Raises `Rejected`."""
    if any(known.change_id == word.change_id for known in case.time_changes):
        return _waiting(case)
    if case.decision is not None:
        raise Rejected("the case is decided", "该办件已办结")
    if _begins(word) < case.accepted.accepted_at:
        raise Rejected("that lies before the case was accepted", "该时间早于受理时间")
    ends = isinstance(word, CaseSuspended) and word.until is not None
    if len(case.time_changes) >= MAX_TIME_CHANGES and not ends:
        raise Rejected(
            f"its time has been changed {MAX_TIME_CHANGES} times already", f"计时已变更 {MAX_TIME_CHANGES} 次"
        )
    match word:
        case CaseSuspended():
            known = case.latest(word.suspension)
            if known is None and word.until is None and any(_lasts(case, one) for one in case.suspensions):
                raise Rejected("the case is suspended already", "该办件已中止计时")
            if known is None and word.until is not None:
                raise Rejected("there is no such suspension", "没有此项中止")
            if known is not None and known.until is not None:
                raise Rejected("this suspension has ended", "此项中止已结束")
            case = case.replace(suspensions=(*case.suspensions, word))
        case CaseExtended():
            if case.extension is not None:
                raise Rejected("the case has been extended, and may be once only", "期限已延长，只能延长一次")
            case = case.replace(extension=word)
        case CaseRestarted():
            case = case.replace(restarts=(*case.restarts, word))
    return _waiting(case.replace(asked=1), word)


def _begins(word: TimeChange) -> datetime:
    match word:
        case CaseSuspended():
            return word.since
        case CaseExtended():
            return word.notified_at
        case CaseRestarted():
            return word.restarted_at


def _lasts(case: Case, word: CaseSuspended) -> bool:
    known = case.latest(word.suspension)
    return known is not None and known.until is None


def _heard(case_id: str, case: Case, message: ExternalMessage, reported_at: datetime) -> Case:
    match message:
        case TaskDelivered():
            _must_be_asked(case_id, case, message)
            return _reported(case, (_receipt(message),), of_routing=False)
        case TaskDone():
            _must_be_asked(case_id, case, message)
            return _reported(case, (_answer(message),), of_routing=False)
        case CaseReported():
            return _reported(case, message.steps, of_routing=True)
        case CaseDecided():
            return _decided(_reported(case, message.steps, of_routing=True), message)
        case CommitmentsOpened():
            held = _committed(case, message.commitments, message.sequence, reported_at)
            return _confirmed(held, message.change_ids).replace(monitored=True)
        case CommitmentsMoved():
            held = _committed(case, tuple(move.commitment for move in message.moves), message.sequence, reported_at)
            return _confirmed(held, message.change_ids)
        case _:
            assert_never(message)


def _must_be_asked(case_id: str, case: Case, said: TaskDelivered | TaskDone) -> None:
    """Raise `InvalidMessage` when somebody speaks for a step who has not been asked for it."""
    for step in case.accepted.plan.steps:
        if step.step == said.step and not is_assigned(said, case_id, step):
            raise InvalidMessage(f"step {step.step} is asked of {step.system}, under another task")


def _receipt(delivered: TaskDelivered) -> StepReport:
    return StepReport(
        step=delivered.step,
        state=StepState.DELIVERED,
        requested_at=delivered.requested_at,
        delivered_at=delivered.delivered_at,
    )


def _answer(done: TaskDone) -> StepReport:
    return StepReport(
        step=done.step,
        state=StepState.DONE,
        requested_at=done.requested_at,
        delivered_at=done.delivered_at,
        decided_at=done.decided_at,
        outcome=done.outcome,
        document=done.document,
    )


def _reported(case: Case, reports: tuple[StepReport, ...], *, of_routing: bool) -> Case:
    known = {step.step: step for step in case.steps}
    for report in reports:
        if report.step not in known:
            raise InvalidMessage(f"the plan of this case has no step {report.step}")
        known[report.step] = _merged(known[report.step], report, settled=of_routing)
    return case.replace(steps=tuple(known.values()))


def _merged(course: StepCourse, report: StepReport, *, settled: bool) -> StepCourse:
    """What the two say together of the same step.

    The furthest state, the earliest dates, and one answer whole: two answers are never mixed.
    """
    news: dict[str, object] = {
        "state": max(course.state, report.state, key=_PROGRESS.__getitem__),
        "requested_at": _earlier(course.requested_at, report.requested_at),
        "delivered_at": _earlier(course.delivered_at, report.delivered_at),
    }
    if _is_answer(course, report, settled=settled):
        news["decided_at"] = report.decided_at
        news["outcome"] = report.outcome
        news["document"] = report.document
        news["settled"] = settled
    return course.replace(**news)


def _is_answer(course: StepCourse, report: StepReport, *, settled: bool) -> bool:
    """Whether the report brings an answer that holds against the one that is known."""
    if report.decided_at is None or course.decided_at is None:
        return report.decided_at is not None
    return _order_of_answers(report, settled) < _order_of_answers(course, course.settled)


def _order_of_answers(report: StepReport, settled: bool) -> tuple[bool, datetime | None, str, str]:
    """The first in this order holds: routing's word before the department's, then the earlier."""
    return not settled, report.decided_at, report.outcome or "", report.document or ""


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    if one is None or other is None:
        return one or other
    return min(one, other)


def _decided(case: Case, decided: CaseDecided) -> Case:
    news = Decision(decided_at=decided.decided_at, outcome=decided.outcome)
    earliest = min((d for d in (case.decision, news) if d), key=lambda d: (d.decided_at, d.outcome))
    return case.replace(decision=earliest)


def _committed(case: Case, commitments: tuple[Commitment, ...], sequence: int, reported_at: datetime) -> Case:
    held = {known.commitment.key: known for known in case.commitments}
    for commitment in commitments:
        news = HeldCommitment(sequence=sequence, reported_at=reported_at, commitment=commitment)
        known = held.get(commitment.key)
        if known is None or _order_of_words(known) < _order_of_words(news):
            held[commitment.key] = news
    return case.replace(commitments=tuple(held[key] for key in sorted(held)))


def _confirmed(case: Case, heard: tuple[ChangeId, ...]) -> Case:
    """The case with the words that monitor has heard."""
    own = {word.change_id for word in case.to_confirm}
    return case.replace(confirmed_changes=tuple(sorted({*case.confirmed_changes, *heard} & own)))


def _order_of_words(held: HeldCommitment) -> tuple[int, datetime, str]:
    """The last in this order holds. Of two said at one moment either would do, so long as it is always the same."""
    return held.sequence, held.reported_at, held.commitment.model_dump_json()


def _settled(case: Case) -> Step[Case]:
    """Once all is answered the count of questions is forgotten, so that only what was heard makes the state."""
    return _waiting(case.replace(asked=0) if case.answered and case.asked else case)


def _waiting(case: Case, *out: Message) -> Step[Case]:
    if case.answered:
        return Step(case, out, closed=case.finished)
    return Step(case, out, retry_after=backoff(case.asked, FIRST_PATIENCE, LONGEST_PATIENCE))
