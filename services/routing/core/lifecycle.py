"""Capability: a case is open until no step is left to answer, then decided (办结)."""

from enum import StrEnum

from contracts.messages.cases import CaseAccepted, CaseDecided, CaseReported, StepReport
from contracts.messages.tasks import TaskDone
from contracts.moves import Moves
from services.routing.core import steps
from services.routing.core.state import RoutedCase, RoutedStep, Steps


class CaseState(StrEnum):
    """Whether a case still waits for answers."""

    OPEN = "open"
    DECIDED = "decided"


MOVES: Moves[CaseState] = {
    (None, CaseAccepted): CaseState.OPEN,
    # The answer that leaves no step open decides the case.
    (CaseState.OPEN, TaskDone): CaseState.DECIDED,
}


def state_of(case: RoutedCase) -> CaseState:
    """The state of this capability."""
    return CaseState.OPEN if case.outcome is None else CaseState.DECIDED


def open_case(accepted: CaseAccepted) -> RoutedCase:
    """The new case, with the steps requested that can start."""
    planned = tuple(RoutedStep(plan=step) for step in accepted.plan.steps)
    return RoutedCase(
        region=accepted.region,
        applicant=accepted.applicant,
        materials=accepted.materials,
        accepted_at=accepted.accepted_at,
        steps=steps.advance(planned, accepted.accepted_at),
    )


def answered(case: RoutedCase, changed: Steps) -> RoutedCase:
    """The case after an answer: with the steps requested that can start now, or decided if none is left."""
    advanced = steps.advance(changed, case.accepted_at)
    if not steps.finished(advanced):
        return case.replace(steps=advanced, attempts=1)
    outcome, decided_at = steps.verdict(advanced)
    return case.replace(steps=advanced, attempts=1, outcome=outcome, decided_at=decided_at)


def report(case: RoutedCase) -> CaseReported | CaseDecided:
    """The present state of the case, as other services read it."""
    reports = tuple(_report(step) for step in case.steps)
    if case.outcome is None or case.decided_at is None:
        return CaseReported(steps=reports)
    return CaseDecided(outcome=case.outcome, decided_at=case.decided_at, steps=reports)


def _report(step: RoutedStep) -> StepReport:
    return StepReport(
        step=step.name,
        state=step.state,
        requested_at=step.requested_at,
        delivered_at=step.delivered_at,
        decided_at=step.decided_at,
        arrived_at=step.arrived_at,
        outcome=step.outcome,
        document=step.document,
    )
