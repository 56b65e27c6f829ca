"""A case at intake, and the messages that intake may receive about it."""

from datetime import datetime, timedelta
from typing import Any

from contracts.envelope import Message
from contracts.messages.cases import CaseSuspended, Channel, StepReport, StepState, SuspensionKind
from contracts.messages.commitments import Commitment, CommitmentsOpened
from contracts.messages.plans import Outcome
from services.intake.app import SERVICE
from services.intake.catalogue.load import sample_catalogue
from services.intake.core.case_numbers import number_from
from services.intake.core.catalogue.plans import plan_for
from services.intake.core.lifecycle import AcceptCase
from services.intake.core.state import Case
from tests.support.messages import APPLICANT, MONDAY, CaseMessages, case_suspended, report
from tests.support.scenario import At, Scenario

NUMBER = number_from(b"a case number")
CASE = CaseMessages(plan_for(sample_catalogue(), sample_catalogue().bundles[1]), NUMBER, "110105")
STEPS = [step.step for step in CASE.plan.steps]


def after(hours: float) -> datetime:
    """So many hours after the acceptance."""
    return MONDAY + timedelta(hours=hours)


def accept(fingerprint: str = "fingerprint") -> AcceptCase:
    """The command of an applicant."""
    return AcceptCase(
        plan=CASE.plan,
        region=CASE.region,
        channel=Channel.WINDOW,
        applicant=APPLICANT,
        materials=("Contract of sale (房屋买卖合同)",),
        accepted_at=MONDAY,
        fingerprint=fingerprint,
    )


def step_report(step: str, state: StepState, hours: float) -> StepReport:
    """How routing reports a step that was requested an hour after acceptance, and ended then if it is done."""
    ended: dict[str, Any] = {}
    if state is StepState.DONE:
        ended = {"decided_at": after(hours), "outcome": Outcome.APPROVED, "document": "Z1"}
    return report(step, state, None if state is StepState.WAITING else after(1), **ended)


ALL_DONE = [step_report(step, StepState.DONE, 30) for step in STEPS]


def commitments(*due: tuple[str, float], change_ids: tuple[str, ...] = ()) -> CommitmentsOpened:
    """Monitor's deadlines, each so many hours after acceptance, and the changes that it confirms."""
    held = (
        Commitment(key=key, owner="Land", opened_at=MONDAY, committed_due=after(hours), statutory_due=after(10 * hours))
        for key, hours in due
    )
    return CommitmentsOpened(commitments=tuple(held), change_ids=change_ids)


def hold(suspension: str = "s1", until: float | None = None, change_id: str | None = None) -> CaseSuspended:
    """A hold by a supervisor that begins an hour after acceptance, or its end."""
    ends = after(until) if until is not None else None
    change = change_id or f"{suspension}-{'begin' if until is None else 'end'}"
    return case_suspended(after(1), ends, change_id=change, suspension=suspension, kind=SuspensionKind.HOLD)


def accepted(*messages: At | Message) -> Scenario[Case]:
    """An accepted case, after these messages."""
    return Scenario(SERVICE.core, NUMBER).given(accept(), *messages)
