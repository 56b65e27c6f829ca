"""An accepted case and the messages that intake may receive about it."""

from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

from contracts.core import Transition
from contracts.envelope import Envelope, Message, envelop
from contracts.messages.cases import Applicant, CaseDecided, CaseReported, Channel, StepReport, StepState
from contracts.messages.commitments import Commitment, CommitmentsOpened
from contracts.messages.plans import Outcome
from contracts.messages.tasks import TaskDelivered, TaskDone
from contracts.working_time.almanac import RegionalRules, almanac
from services.intake.catalogue.load import sample_catalogue
from services.intake.core.case_numbers import number_from
from services.intake.core.catalogue.plans import plan_for
from services.intake.core.handle import handle as handle_by
from services.intake.core.lifecycle import AcceptCase
from services.intake.core.state import Case
from tests.support.persons import citizen_number

NUMBER = number_from(b"a case number")
ACCEPTED_AT = datetime(2026, 3, 2, 2, tzinfo=UTC)
PLAN = plan_for(sample_catalogue(), sample_catalogue().bundles[1])
APPLICANT = Applicant(kind="person", name="王小明", id_number=citizen_number())
STEPS = {step.step: step for step in PLAN.steps}


handle = partial(handle_by, RegionalRules(almanac()))
"""Intake's core with the published calendar."""


def at(hours: float) -> datetime:
    return ACCEPTED_AT + timedelta(hours=hours)


def envelope(message: Message, hours: float = 0) -> Envelope[Message]:
    return envelop(message, id=UUID(int=1), source="onedoor/test", subject=NUMBER, time=at(hours))


def accept(fingerprint: str = "fingerprint") -> AcceptCase:
    return AcceptCase(
        plan=PLAN,
        region="110105",
        channel=Channel.WINDOW,
        applicant=APPLICANT,
        materials=("Contract of sale (房屋买卖合同)",),
        accepted_at=ACCEPTED_AT,
        fingerprint=fingerprint,
    )


def delivered(step: str, hours: float) -> TaskDelivered:
    return TaskDelivered(
        task_id=f"{NUMBER}/{step}",
        step=step,
        department=STEPS[step].department,
        system=STEPS[step].system,
        reference="D1",
        requested_at=at(1),
        delivered_at=at(hours),
    )


def done(step: str, hours: float, outcome: Outcome = Outcome.APPROVED, document: str = "Z1") -> TaskDone:
    return TaskDone(
        task_id=f"{NUMBER}/{step}",
        step=step,
        department=STEPS[step].department,
        system=STEPS[step].system,
        reference="D1",
        requested_at=at(1),
        delivered_at=at(hours - 1),
        outcome=outcome,
        document=document,
        decided_at=at(hours),
    )


def report(step: str, state: StepState, hours: float) -> StepReport:
    ended = state is StepState.DONE
    return StepReport(
        step=step,
        state=state,
        requested_at=None if state is StepState.WAITING else at(1),
        decided_at=at(hours) if ended else None,
        outcome=Outcome.APPROVED if ended else None,
        document="Z1" if ended else None,
    )


def reported(*steps: StepReport) -> CaseReported:
    return CaseReported(steps=steps)


def decided(hours: float, *steps: StepReport) -> CaseDecided:
    return CaseDecided(outcome=Outcome.APPROVED, decided_at=at(hours), steps=steps)


def commitments(*due: tuple[str, float]) -> CommitmentsOpened:
    return CommitmentsOpened(
        commitments=tuple(
            Commitment(
                key=key,
                owner="Land",
                opened_at=ACCEPTED_AT,
                committed_due=at(hours),
                statutory_due=at(10 * hours),
            )
            for key, hours in due
        )
    )


def run(*messages: Envelope[Message]) -> Transition[Case]:
    """Process the messages in order. The step that the last one leads to."""
    step: Transition[Case] | None = None
    for message in messages:
        step = handle(step.state if step else None, message)
    assert step is not None
    return step
