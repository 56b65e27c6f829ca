"""Answers about a case: the receipt and the state. Nothing in them is personal data."""

from datetime import date, datetime

from pydantic import ConfigDict

from contracts.envelope import CaseId
from contracts.messages.cases import Channel, StepReport
from contracts.messages.commitments import CASE, Commitment, step_key
from contracts.messages.plans import Outcome
from contracts.values import Model
from contracts.working_time import OfficeHours
from services.intake.core import lifecycle
from services.intake.core.catalogue.models import BilingualText
from services.intake.core.lifecycle import CaseState
from services.intake.core.state import Case, CaseDue
from services.intake.web.history import HistoryEvent, history

_STATE_NAMES = {
    CaseState.ACCEPTED: BilingualText(zh="已受理", en="Accepted"),
    CaseState.DECIDED: BilingualText(zh="已办结", en="Decided"),
}


_NOTICE_OF_ACCEPTANCE = BilingualText(zh="受理通知书", en="Notice of acceptance")

_HOURS = OfficeHours()


class AnswerPart(Model):
    """A part of an answer."""

    model_config = ConfigDict(frozen=True)


class DocumentView(AnswerPart):
    """A formal, dated document."""

    name: BilingualText
    number: str
    dated: date


class Receipt(AnswerPart):
    """The applicant's receipt for an accepted application (受理). The same application gets the same receipt."""

    number: CaseId
    secret: str
    """Shown together with the number to see the case."""
    tracking: str
    """Path of the case."""
    state: CaseState
    matter: str
    accepted_at: datetime
    due: CaseDue | None
    documents: tuple[DocumentView, ...]
    materials: tuple[str, ...]
    """Materials received."""


class StepView(StepReport):
    """One step of a case: the reports of it, its department and its deadline."""

    item: str
    department: str
    due: CaseDue | None
    """None while the step waits for another, or has no limit of its own."""


class CaseView(AnswerPart):
    """The state of a case."""

    number: CaseId
    state: CaseState
    state_name: BilingualText
    outcome: Outcome | None
    decided_at: datetime | None
    matter: str
    lead_department: str
    catalogue_version: str
    region: str
    channel: Channel
    accepted_at: datetime
    due: CaseDue | None
    steps: tuple[StepView, ...]
    history: tuple[HistoryEvent, ...]


def receipt(number: CaseId, secret: str, case: Case) -> Receipt:
    """The receipt of a case. It shows the acceptance only, so that it never changes."""
    accepted = case.accepted
    # Documents are numbered by their kind in pinyin (shòulǐ, acceptance) and the case number.
    notice = DocumentView(
        name=_NOTICE_OF_ACCEPTANCE,
        number=f"SL-{number}",
        dated=_HOURS.local(accepted.accepted_at).date(),
    )
    return Receipt(
        number=number,
        secret=secret,
        tracking=f"/cases/{number}",
        state=CaseState.ACCEPTED,
        matter=accepted.plan.matter_name,
        accepted_at=accepted.accepted_at,
        due=case.due_at_acceptance,
        documents=(notice,),
        materials=accepted.materials,
    )


def case_view(number: CaseId, case: Case) -> CaseView:
    """The state of a case, for the holder of its number and secret."""
    accepted, plan, state = case.accepted, case.accepted.plan, lifecycle.state_of(case)
    due = {held.commitment.key: _due(held.commitment) for held in case.commitments}
    return CaseView(
        number=number,
        state=state,
        state_name=_STATE_NAMES[state],
        outcome=case.decision.outcome if case.decision else None,
        decided_at=case.decision.decided_at if case.decision else None,
        matter=plan.matter_name,
        lead_department=plan.lead_department,
        catalogue_version=plan.catalogue_version,
        region=accepted.region,
        channel=accepted.channel,
        accepted_at=accepted.accepted_at,
        due=due.get(CASE, case.due_at_acceptance),
        steps=tuple(
            StepView(
                item=planned.item_name,
                department=planned.department,
                due=due.get(step_key(planned.step)),
                **vars(progress),
            )
            for planned, progress in zip(plan.steps, case.steps, strict=True)
        ),
        history=history(case),
    )


def _due(commitment: Commitment) -> CaseDue:
    return CaseDue(
        committed=commitment.committed_due,
        statutory=commitment.statutory_due,
        provisional=commitment.provisional,
        pause=commitment.pause,
    )
