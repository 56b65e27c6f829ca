"""The course of a case: asked of all departments at once, joined, decided. Pure."""

from datetime import timedelta
from enum import StrEnum

from contracts.core import InvalidMessage, Step, UnknownCase, backoff
from contracts.envelope import Envelope, Instant, Message, Name, TimerFired
from contracts.messages.cases import Applicant, CaseAccepted, CaseDecided, CaseReported, CaseStateRequested, StepState
from contracts.messages.fields import Region
from contracts.messages.plans import Outcome
from contracts.messages.tasks import Document, TaskDelivered, TaskDone, TaskRequested, is_assigned, task_id
from contracts.values import Value
from services.routing.core.steps import OPEN, StepCourse, Steps, advance, finished, verdict

FIRST_PATIENCE = timedelta(seconds=30)
LONGEST_PATIENCE = timedelta(hours=6)


class Phase(StrEnum):
    """Where a case stands in routing."""

    OPEN = "open"
    DECIDED = "decided"


MOVES: dict[tuple[Phase | None, type[Message]], frozenset[Phase]] = {
    (None, CaseAccepted): frozenset({Phase.OPEN}),
    (Phase.OPEN, CaseAccepted): frozenset({Phase.OPEN}),
    (Phase.OPEN, CaseStateRequested): frozenset({Phase.OPEN}),
    (Phase.OPEN, TaskDelivered): frozenset({Phase.OPEN}),
    (Phase.OPEN, TaskDone): frozenset({Phase.OPEN, Phase.DECIDED}),
    (Phase.OPEN, TimerFired): frozenset({Phase.OPEN}),
    (Phase.DECIDED, CaseAccepted): frozenset({Phase.DECIDED}),
    (Phase.DECIDED, CaseStateRequested): frozenset({Phase.DECIDED}),
    (Phase.DECIDED, TaskDelivered): frozenset({Phase.DECIDED}),
    (Phase.DECIDED, TaskDone): frozenset({Phase.DECIDED}),
    (Phase.DECIDED, TimerFired): frozenset({Phase.DECIDED}),
}
"""The legal moves of a case: where a message may lead from each phase. The diagram in the docs is drawn from it."""


class Course(Value):
    """What routing knows of a case."""

    region: Region
    applicant: Applicant | None = None
    materials: tuple[Name, ...] = ()
    accepted_at: Instant
    steps: Steps
    asked: int = 1
    """How often the departments have been asked since something was last heard."""
    outcome: Outcome | None = None
    decided_at: Instant | None = None

    @property
    def phase(self) -> Phase:
        return Phase.OPEN if self.outcome is None else Phase.DECIDED


def handle(state: Course | None, envelope: Envelope[Message]) -> Step[Course]:
    """The next step of a case. Raises `InvalidMessage` for what cannot be true of it."""
    phase = state.phase if state else None
    if (phase, type(envelope.data)) not in MOVES:
        raise UnknownCase(envelope.subject) if state is None else InvalidMessage(f"{envelope.type} is not for routing")
    case_id = envelope.subject
    match envelope.data:
        case CaseAccepted() as accepted if state is None:
            return _opened(case_id, accepted)
        case CaseAccepted() | CaseStateRequested() if state is not None:
            return _step(state, _truth(state))
        case TaskDelivered() as delivered if state is not None:
            return _step(_delivered(case_id, state, delivered))
        case TaskDone() as done if state is not None:
            return _done(case_id, state, done)
        case TimerFired() if state is not None:
            return _asked_again(case_id, state)
    raise AssertionError("MOVES names a message that is not handled")


def _opened(case_id: str, accepted: CaseAccepted) -> Step[Course]:
    """Tell every department whose step can start, in one commit (抄告相关)."""
    course = Course(
        region=accepted.region,
        applicant=accepted.applicant,
        materials=accepted.materials,
        accepted_at=accepted.accepted_at,
        steps=tuple(StepCourse(plan=step) for step in accepted.plan.steps),
    )
    return _advanced(case_id, course, course.steps)


def _delivered(case_id: str, course: Course, delivered: TaskDelivered) -> Course:
    step = _find(case_id, course, delivered)
    if step.state is not StepState.REQUESTED:
        return course
    return course.replace(steps=_with(course.steps, step.to(StepState.DELIVERED, delivered_at=delivered.delivered_at)))


def _done(case_id: str, course: Course, done: TaskDone) -> Step[Course]:
    step = _find(case_id, course, done)
    if step.state is StepState.DONE:
        if step.outcome is not done.outcome:
            raise InvalidMessage(f"step {step.name} was {step.outcome}, and now it is said to be {done.outcome}")
        return _step(course)
    decided = step.to(
        StepState.DONE,
        delivered_at=done.delivered_at,
        decided_at=done.decided_at,
        outcome=done.outcome,
        document=done.document,
    )
    return _advanced(case_id, course, _with(course.steps, decided))


def _asked_again(case_id: str, course: Course) -> Step[Course]:
    """Nothing was heard for a while: ask all who owe an answer once more."""
    owing = [step for step in course.steps if step.state in OPEN]
    if not owing:
        return _step(course)
    again = course.replace(asked=course.asked + 1)
    return _step(again, *(_request(case_id, again, step) for step in owing))


def _advanced(case_id: str, course: Course, steps: Steps) -> Step[Course]:
    """The course with these steps: start what can start; decide when nothing is left to do."""
    moved = advance(steps, course.accepted_at)
    if finished(moved):
        outcome, decided_at = verdict(moved)
        course = course.replace(steps=moved, asked=1, outcome=outcome, decided_at=decided_at)
        return _step(course, _truth(course))
    course = course.replace(steps=moved, asked=1)
    started = [
        now
        for was, now in zip(steps, moved, strict=True)
        if was.state is StepState.WAITING and now.state is StepState.REQUESTED
    ]
    return _step(course, *(_request(case_id, course, step) for step in started))


def _request(case_id: str, course: Course, step: StepCourse) -> TaskRequested:
    if step.requested_at is None:
        raise AssertionError("an open step has been asked for")
    documents = tuple(
        Document(step=before.name, number=before.document)
        for before in course.steps
        if before.name in step.plan.after and before.document is not None
    )
    return TaskRequested(
        task_id=task_id(case_id, step.name),
        step=step.name,
        item=step.plan.item,
        item_name=step.plan.item_name,
        department=step.plan.department,
        system=step.plan.system,
        region=course.region,
        applicant=course.applicant,
        materials=course.materials,
        documents=documents,
        limits=step.plan.limits,
        requested_at=step.requested_at,
    )


def _truth(course: Course) -> CaseReported | CaseDecided:
    """How the case stands, for whoever asks."""
    reports = tuple(step.report() for step in course.steps)
    if course.outcome is None or course.decided_at is None:
        return CaseReported(steps=reports)
    return CaseDecided(outcome=course.outcome, decided_at=course.decided_at, steps=reports)


def _step(course: Course, *out: Message) -> Step[Course]:
    if course.phase is Phase.DECIDED:
        return Step(course, out, closed=True)
    return Step(course, out, retry_after=backoff(course.asked, FIRST_PATIENCE, LONGEST_PATIENCE))


def _find(case_id: str, course: Course, said: TaskDelivered | TaskDone) -> StepCourse:
    name = said.step
    for step in course.steps:
        if step.name == name:
            if not is_assigned(said, case_id, step.plan):
                raise InvalidMessage(f"step {name} is asked of {step.plan.system}, under another task")
            if step.state in (StepState.WAITING, StepState.DROPPED):
                raise InvalidMessage(f"step {name} is {step.state}: nobody was asked for it")
            return step
    raise InvalidMessage(f"the case has no step {name}")


def _with(steps: Steps, changed: StepCourse) -> Steps:
    return tuple(changed if step.name == changed.name else step for step in steps)
