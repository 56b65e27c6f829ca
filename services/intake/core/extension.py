"""Capability: the limit of a case is extended once (Administrative Licensing Law, article 42)."""

from datetime import datetime
from enum import StrEnum

from contracts.core import Rejected
from contracts.envelope import Code
from contracts.messages.cases import CaseExtended, StepState
from contracts.messages.plans import Outcome
from contracts.moves import Moves
from services.intake.core.lifecycle import AcceptCase
from services.intake.core.state import Case


class LimitState(StrEnum):
    """Whether the limit of a case is the one of its plan."""

    REGULAR = "regular"
    EXTENDED = "extended"


MOVES: Moves[LimitState] = {
    (None, AcceptCase): LimitState.REGULAR,
    (LimitState.REGULAR, CaseExtended): LimitState.EXTENDED,
}


class AlreadyExtended(Rejected):
    """Article 42 allows one extension."""

    def __init__(self) -> None:
        super().__init__("the case has been extended, and may be once only", "期限已延长，只能延长一次")


class UnknownStep(Rejected):
    """The extension is for a step that the plan does not have."""

    def __init__(self, step: Code) -> None:
        super().__init__(f"the case has no step {step}", f"该办件没有环节 {step}")


class StepAnswered(Rejected):
    """A step that had ended when the applicant was notified needs no more days."""

    def __init__(self, step: Code) -> None:
        super().__init__(
            f"step {step} had ended when the applicant was notified; name an open step, or none for all open ones",
            f"告知申请人时环节 {step} 已结束；请选择未办结的环节，或不填（即所有未办结的环节）",
        )


class StepsInSequence(Rejected):
    """Two steps one after the other cannot both get the days: together they would get twice those of the case."""

    def __init__(self, earlier: Code, later: Code) -> None:
        super().__init__(
            f"step {later} comes after step {earlier}: name one of them, since the days are added once",
            f"环节 {later} 在环节 {earlier} 之后办理；期限只能延长一次，请只选其一",
        )


def state_of(case: Case) -> LimitState:
    """The state of this capability."""
    return LimitState.REGULAR if case.extension is None else LimitState.EXTENDED


def apply(case: Case, change: CaseExtended) -> Case:
    """The case with its limit extended. Without ``steps`` the open steps get the days.

    The open steps are those that had begun and were not answered when the applicant was notified. None of them waits
    for another, so that no way through the plan becomes longer by more than the days of the case.

    Raises `AlreadyExtended`, `UnknownStep`, `StepAnswered` or `StepsInSequence`.
    """
    if (state_of(case), CaseExtended) not in MOVES:
        raise AlreadyExtended
    over, approved = _steps_at(case, change.notified_at)
    planned = {step.step: step for step in case.accepted.plan.steps}
    steps = change.steps or tuple(
        name for name, step in planned.items() if name not in over and approved.issuperset(step.after)
    )
    for name in steps:
        if name not in planned:
            raise UnknownStep(name)
        if name in over:
            raise StepAnswered(name)
        if earlier := _all_before(case, name) & set(steps):
            raise StepsInSequence(min(earlier), name)
    return case.replace(extension=change.replace(steps=steps))


def _steps_at(case: Case, at: datetime) -> tuple[set[Code], set[Code]]:
    """The steps that were over at that moment, and those of them whose approval had arrived, so that others began.

    A step that has been answered shows that all steps before it were approved, also if their answers are still on
    their way.
    """
    answered = [step for step in case.steps if step.decided_at is not None and step.decided_at <= at]
    arrived = [step for step in answered if step.arrived_at is not None and step.arrived_at <= at]
    approved = {step.step for step in arrived if step.outcome is Outcome.APPROVED}
    approved = approved.union(*(_all_before(case, step.step) for step in answered))
    dropped = {step.step for step in case.steps if step.state is StepState.DROPPED}
    return approved | dropped | {step.step for step in answered}, approved


def _all_before(case: Case, step: Code) -> set[Code]:
    """The steps that this one comes after, directly or not."""
    after = {one.step: one.after for one in case.accepted.plan.steps}
    found: set[Code] = set()
    left = [*after[step]]
    while left:
        if (earlier := left.pop()) not in found:
            found.add(earlier)
            left += after[earlier]
    return found
