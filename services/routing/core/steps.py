"""A plan on its way: which steps can start, which never will, and when all is done. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Self

from contracts.core import InvalidMessage
from contracts.envelope import Instant, Name
from contracts.messages.cases import StepReport, StepState
from contracts.messages.plans import Outcome, PlanStep
from contracts.values import Value

_S = StepState

MOVES: dict[StepState, frozenset[StepState]] = {
    _S.WAITING: frozenset({_S.REQUESTED, _S.DROPPED}),
    _S.REQUESTED: frozenset({_S.DELIVERED, _S.DONE}),
    _S.DELIVERED: frozenset({_S.DONE}),
    _S.DONE: frozenset(),
    _S.DROPPED: frozenset(),
}
"""The legal moves of a step. Whatever is not here does not happen."""

OPEN = frozenset({_S.REQUESTED, _S.DELIVERED})
"""A department has been asked and has not answered."""

ENDED = frozenset({_S.DONE, _S.DROPPED})
"""Nothing more can become of the step."""


class StepCourse(Value):
    """A step of the plan and how far it has come."""

    plan: PlanStep
    state: StepState = _S.WAITING
    requested_at: Instant | None = None
    delivered_at: Instant | None = None
    decided_at: Instant | None = None
    outcome: Outcome | None = None
    document: Name | None = None

    @property
    def name(self) -> str:
        return self.plan.step

    def to(self, state: StepState, **facts: object) -> Self:
        """The step after a move. Raises `InvalidMessage` for one that `MOVES` does not have."""
        if state not in MOVES[self.state]:
            raise InvalidMessage(f"step {self.name} is {self.state} and cannot become {state}")
        return self.replace(state=state, **facts)

    def report(self) -> StepReport:
        """What others are told of this step."""
        return StepReport(
            step=self.name,
            state=self.state,
            requested_at=self.requested_at,
            delivered_at=self.delivered_at,
            decided_at=self.decided_at,
            outcome=self.outcome,
            document=self.document,
        )


Steps = tuple[StepCourse, ...]


def advance(steps: Steps, accepted_at: datetime) -> Steps:
    """Start every step whose prerequisites are all approved; drop those that wait for a refused one.

    A step counts as asked for from the moment its last prerequisite was decided, or from acceptance if it has
    none: the order in which the answers reached us does not change it.
    """
    while any(step.state is _S.WAITING for step in steps):
        by_name = {step.name: step for step in steps}
        moved = tuple(_advanced(step, by_name, accepted_at) for step in steps)
        if moved == steps:
            break
        steps = moved
    return steps


def _advanced(step: StepCourse, by_name: Mapping[str, StepCourse], accepted_at: datetime) -> StepCourse:
    if step.state is not _S.WAITING:
        return step
    prerequisites = [by_name[name] for name in step.plan.after]
    if any(before.state is _S.DROPPED or before.outcome is Outcome.REFUSED for before in prerequisites):
        return step.to(_S.DROPPED)
    if all(before.outcome is Outcome.APPROVED for before in prerequisites):
        decided = [before.decided_at for before in prerequisites if before.decided_at is not None]
        return step.to(_S.REQUESTED, requested_at=max(decided, default=accepted_at))
    return step


def finished(steps: Steps) -> bool:
    """Whether no step is open and none can start any more. Ask after `advance`."""
    return all(step.state in ENDED for step in steps)


def verdict(steps: Steps) -> tuple[Outcome, datetime]:
    """The outcome of a finished plan, refused if any step was, and the moment of its last decision."""
    refused = any(step.outcome is Outcome.REFUSED for step in steps)
    decided_at = max(step.decided_at for step in steps if step.decided_at is not None)
    return (Outcome.REFUSED if refused else Outcome.APPROVED), decided_at
