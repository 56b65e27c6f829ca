"""Capability: a step of the plan waits, is requested from its department, delivered, and done; or it is dropped."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from contracts.core import InvalidMessage
from contracts.envelope import CaseId
from contracts.messages.cases import CaseAccepted, StepState
from contracts.messages.plans import Outcome
from contracts.messages.tasks import TaskDelivered, TaskDone, is_assigned
from contracts.moves import Moves, Trigger, next_state
from services.routing.core.state import RoutedCase, RoutedStep, Steps


class Prerequisites(StrEnum):
    """The effect of the answers to earlier steps on a step that waits for them."""

    APPROVED = "all prerequisites approved"
    REFUSED = "a prerequisite refused"


MOVES: Moves[StepState] = {
    (None, CaseAccepted): StepState.WAITING,
    (StepState.WAITING, Prerequisites.APPROVED): StepState.REQUESTED,
    (StepState.WAITING, Prerequisites.REFUSED): StepState.DROPPED,
    (StepState.REQUESTED, TaskDelivered): StepState.DELIVERED,
    (StepState.REQUESTED, TaskDone): StepState.DONE,
    (StepState.DELIVERED, TaskDone): StepState.DONE,
}

OPEN = frozenset({StepState.REQUESTED, StepState.DELIVERED})
"""The step was requested and is not answered."""

ENDED = frozenset({StepState.DONE, StepState.DROPPED})
"""No move leads out of these."""


def advance(steps: Steps, accepted_at: datetime) -> Steps:
    """Request every step whose prerequisites are all approved; drop those that wait for a refused one.

    A step begins when the last answer that it waits for arrived, or with the acceptance if it waits for none. Each
    answer says itself when it arrived, so that the order in which they are processed does not change it.
    """
    while any(step.state is StepState.WAITING for step in steps):
        by_name = {step.name: step for step in steps}
        moved = tuple(_advance_step(step, by_name, accepted_at) for step in steps)
        if moved == steps:
            break
        steps = moved
    return steps


def deliver(case_id: CaseId, case: RoutedCase, delivered: TaskDelivered) -> Steps:
    """The steps with this receipt; unchanged if it is known or the answer came first. Raises `InvalidMessage`."""
    step = _find(case_id, case, delivered)
    if step.state is not StepState.REQUESTED:
        return case.steps
    return _with(case.steps, _move(step, TaskDelivered, delivered_at=delivered.delivered_at))


def answer(case_id: CaseId, case: RoutedCase, done: TaskDone) -> Steps:
    """The steps with this answer; unchanged if it is known. Raises `InvalidMessage` if it contradicts another.

    Of two times of one decision the earlier counts: a doubtful time is the latest possible moment. When the answer
    arrived is the same in every report of it, and the steps after it have begun then.
    """
    step = _find(case_id, case, done)
    if step.state is StepState.DONE:
        if step.outcome is not done.outcome:
            raise InvalidMessage(
                f"step {step.name} was {step.outcome}, and is now reported as {done.outcome}",
                f"环节 {step.name} 原为 {step.outcome}，现报为 {done.outcome}",
            )
        return _with_earlier_times(case.steps, step, done)
    answered = _move(
        step,
        TaskDone,
        delivered_at=done.delivered_at,
        decided_at=done.decided_at,
        arrived_at=done.arrived_at,
        outcome=done.outcome,
        document=done.document,
    )
    return _with(case.steps, answered)


def _with_earlier_times(steps: Steps, step: RoutedStep, done: TaskDone) -> Steps:
    assert step.delivered_at is not None and step.decided_at is not None, "a step that is done has both times"
    if step.delivered_at <= done.delivered_at and step.decided_at <= done.decided_at:
        return steps
    delivered_at, decided_at = min(step.delivered_at, done.delivered_at), min(step.decided_at, done.decided_at)
    return _with(steps, step.replace(delivered_at=delivered_at, decided_at=decided_at))


def finished(steps: Steps) -> bool:
    """Whether no step is open and none can start any more. Call it after `advance`."""
    return all(step.state in ENDED for step in steps)


def verdict(steps: Steps) -> tuple[Outcome, datetime]:
    """The outcome of a finished plan, refused if any step was, and the moment of its last decision."""
    refused = any(step.outcome is Outcome.REFUSED for step in steps)
    decided_at = max(step.decided_at for step in steps if step.decided_at is not None)
    return (Outcome.REFUSED if refused else Outcome.APPROVED), decided_at


def _advance_step(step: RoutedStep, by_name: Mapping[str, RoutedStep], accepted_at: datetime) -> RoutedStep:
    if step.state is not StepState.WAITING:
        return step
    prerequisites = [by_name[name] for name in step.plan.after]
    if any(before.state is StepState.DROPPED or before.outcome is Outcome.REFUSED for before in prerequisites):
        return _move(step, Prerequisites.REFUSED)
    if all(before.outcome is Outcome.APPROVED for before in prerequisites):
        arrived = [before.arrived_at for before in prerequisites if before.arrived_at is not None]
        return _move(step, Prerequisites.APPROVED, requested_at=max(arrived, default=accepted_at))
    return step


def _move(step: RoutedStep, trigger: Trigger, **facts: object) -> RoutedStep:
    return step.replace(state=next_state(MOVES, f"step {step.name}", step.state, trigger), **facts)


def _find(case_id: CaseId, case: RoutedCase, message: TaskDelivered | TaskDone) -> RoutedStep:
    for step in case.steps:
        if step.name == message.step:
            if not is_assigned(message, case_id, step.plan):
                raise InvalidMessage(
                    f"step {step.name} is assigned to {step.plan.system}, under another task",
                    f"环节 {step.name} 已交给 {step.plan.system}，属于另一任务",
                )
            if step.state in (StepState.WAITING, StepState.DROPPED):
                raise InvalidMessage(
                    f"step {step.name} is {step.state}: it has not been requested",
                    f"环节 {step.name} 的状态为 {step.state}，尚未交办",
                )
            return step
    raise InvalidMessage(f"the case has no step {message.step}", f"该办件没有环节 {message.step}")


def _with(steps: Steps, changed: RoutedStep) -> Steps:
    return tuple(changed if step.name == changed.name else step for step in steps)
