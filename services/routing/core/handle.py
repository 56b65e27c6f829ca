"""The only door of routing's core: each message goes to one small function.

The capabilities have their states and tables of moves in `lifecycle` (the case) and `steps` (its steps).
"""

from datetime import timedelta
from typing import assert_never, cast

from contracts.core import EarlyRequest, InvalidMessage, Transition, UnknownCase, backoff
from contracts.envelope import CaseId, Envelope, Message, TimerFired
from contracts.messages.cases import CaseAccepted, CaseStateRequested, StepState
from contracts.messages.tasks import Document, TaskDelivered, TaskDone, TaskRequested, task_id
from services.routing.core import lifecycle, steps
from services.routing.core.lifecycle import CaseState
from services.routing.core.state import RoutedCase, RoutedStep, Steps

FIRST_RETRY = timedelta(seconds=30)
LONGEST_RETRY = timedelta(hours=6)

RoutingMessage = TaskDelivered | TaskDone | CaseAccepted | CaseStateRequested | TimerFired

_MESSAGES = frozenset(RoutingMessage.__args__)


def handle(state: RoutedCase | None, envelope: Envelope[Message]) -> Transition[RoutedCase]:
    """Process one message of one case.

    Raises `EarlyRequest` for a request about a case that was not accepted, `UnknownCase` for any other message about
    it, and `InvalidMessage` for a message that contradicts the case or is not for routing.
    """
    if type(envelope.data) not in _MESSAGES:
        raise InvalidMessage(f"{envelope.type} is not for routing", f"{envelope.type} 不由 routing 处理")
    message, case_id = cast(RoutingMessage, envelope.data), envelope.subject
    if state is None:
        if isinstance(message, CaseAccepted):
            return _open(case_id, message)
        if isinstance(message, CaseStateRequested):
            raise EarlyRequest(case_id)
        raise UnknownCase(case_id)
    match message:
        case TaskDelivered():
            return _deliver(case_id, state, message)
        case TaskDone():
            return _answer(case_id, state, message)
        case CaseAccepted() | CaseStateRequested():
            return _transition(state, lifecycle.report(state))
        case TimerFired():
            return _request_again(case_id, state)
        case _:
            assert_never(message)


def _open(case_id: CaseId, accepted: CaseAccepted) -> Transition[RoutedCase]:
    """Request every step that can start, all in one commit (抄告相关)."""
    case = lifecycle.open_case(accepted)
    return _transition(
        case, *(_request(case_id, case, step) for step in case.steps if step.state is StepState.REQUESTED)
    )


def _deliver(case_id: CaseId, case: RoutedCase, delivered: TaskDelivered) -> Transition[RoutedCase]:
    changed = steps.deliver(case_id, case, delivered)
    return _transition(case if changed is case.steps else case.replace(steps=changed))


def _answer(case_id: CaseId, case: RoutedCase, done: TaskDone) -> Transition[RoutedCase]:
    """The answer starts the steps that waited for it, or decides the case."""
    changed = steps.answer(case_id, case, done)
    if changed is case.steps:
        return _transition(case)
    case = lifecycle.answered(case, changed)
    if lifecycle.state_of(case) is CaseState.DECIDED:
        return _transition(case, lifecycle.report(case))
    return _transition(case, *(_request(case_id, case, step) for step in _started(changed, case.steps)))


def _started(before: Steps, after: Steps) -> list[RoutedStep]:
    pairs = zip(before, after, strict=True)
    return [new for old, new in pairs if old.state is StepState.WAITING and new.state is StepState.REQUESTED]


def _request_again(case_id: CaseId, case: RoutedCase) -> Transition[RoutedCase]:
    """Repeat every request that has no answer yet."""
    unanswered = [step for step in case.steps if step.state in steps.OPEN]
    if not unanswered:
        return _transition(case)
    case = case.replace(attempts=case.attempts + 1)
    return _transition(case, *(_request(case_id, case, step) for step in unanswered))


def _request(case_id: CaseId, case: RoutedCase, step: RoutedStep) -> TaskRequested:
    assert step.requested_at is not None, "an open step has been requested"
    documents = tuple(
        Document(step=earlier.name, number=earlier.document)
        for earlier in case.steps
        if earlier.name in step.plan.after and earlier.document is not None
    )
    return TaskRequested(
        task_id=task_id(case_id, step.name),
        step=step.name,
        item=step.plan.item,
        item_name=step.plan.item_name,
        department=step.plan.department,
        system=step.plan.system,
        region=case.region,
        applicant=case.applicant,
        materials=case.materials,
        documents=documents,
        limits=step.plan.limits,
        requested_at=step.requested_at,
    )


def _transition(case: RoutedCase, *out: Message) -> Transition[RoutedCase]:
    """The transition to this case: closed when decided, otherwise retried if no answer comes."""
    if lifecycle.state_of(case) is CaseState.DECIDED:
        return Transition(case, out, closed=True)
    return Transition(case, out, retry_after=backoff(case.attempts, FIRST_RETRY, LONGEST_RETRY))
