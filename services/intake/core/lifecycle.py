"""Capability: a case is accepted (受理), then decided (办结)."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from contracts.core import InvalidMessage, Rejected
from contracts.envelope import Instant, Message, Name
from contracts.messages.cases import Applicant, CaseAccepted, CaseDecided, Channel, StepState
from contracts.messages.fields import PersonId, Region
from contracts.messages.plans import Plan
from contracts.moves import Moves
from contracts.working_time import CountingRules, due_uninterrupted
from services.intake.core.state import Case, CaseDue, Decision, StepProgress


class AcceptCase(Message):
    """Command: accept this case. The sender has checked the application and chosen the case number.

    ``fingerprint`` identifies the request: the same request under the same number is the same case.
    """

    type: ClassVar[str] = "onedoor.intake.accept-case.v1"

    plan: Plan
    region: Region
    channel: Channel
    applicant: Applicant | None = None
    materials: tuple[Name, ...] = ()
    accepted_at: Instant
    by: PersonId | None = None
    """The clerk who accepts it for the applicant."""
    on_behalf_of: PersonId | None = None
    fingerprint: Annotated[str, Field(min_length=1, max_length=128)]


class CaseState(StrEnum):
    """Whether a case is still open."""

    ACCEPTED = "accepted"
    DECIDED = "decided"


MOVES: Moves[CaseState] = {
    (None, AcceptCase): CaseState.ACCEPTED,
    (CaseState.ACCEPTED, CaseDecided): CaseState.DECIDED,
}


class KeyReused(InvalidMessage):
    """The case number belongs to another request: one idempotency key was used for two applications."""

    def __init__(self) -> None:
        super().__init__("this case was accepted for another request", "该办件由另一申请受理")


class CaseIsDecided(Rejected):
    """The command needs an open case."""

    def __init__(self) -> None:
        super().__init__("the case is decided", "该办件已办结")


class BeforeAcceptance(Rejected):
    """The command takes effect before the case was accepted."""

    def __init__(self) -> None:
        super().__init__("that lies before the case was accepted", "该时间早于受理时间")


def state_of(case: Case) -> CaseState:
    """The state of this capability."""
    return CaseState.ACCEPTED if case.decision is None else CaseState.DECIDED


def accept(command: AcceptCase, rules: CountingRules) -> Case:
    """The new case, with the deadlines that it has on the day of acceptance."""
    return Case(
        accepted=CaseAccepted(
            plan=command.plan,
            region=command.region,
            channel=command.channel,
            applicant=command.applicant,
            materials=command.materials,
            accepted_at=command.accepted_at,
            by=command.by,
            on_behalf_of=command.on_behalf_of,
        ),
        fingerprint=command.fingerprint,
        due_at_acceptance=_due(command.plan, command.accepted_at, rules),
        steps=tuple(StepProgress(step=step.step, state=StepState.WAITING) for step in command.plan.steps),
    )


def check_same_request(case: Case, command: AcceptCase) -> None:
    """Raise `KeyReused` unless the case was accepted for this very request."""
    if case.fingerprint != command.fingerprint:
        raise KeyReused


def decide(case: Case, decided: CaseDecided) -> Case:
    """The case with this decision; of two decisions the earlier holds."""
    reported = Decision(decided_at=decided.decided_at, outcome=decided.outcome)
    if case.decision is None or _order(reported) < _order(case.decision):
        return case.replace(decision=reported)
    return case


def _order(decision: Decision) -> tuple[datetime, str]:
    return decision.decided_at, decision.outcome


def _due(plan: Plan, accepted_at: datetime, rules: CountingRules) -> CaseDue | None:
    if plan.limits is None:
        return None
    committed = due_uninterrupted(plan.limits.committed, accepted_at, rules)
    statutory = due_uninterrupted(plan.limits.statutory, accepted_at, rules)
    return CaseDue(
        committed=committed.at,
        statutory=statutory.at,
        provisional=committed.provisional or statutory.provisional,
    )
