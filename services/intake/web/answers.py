"""What intake tells by HTTP. Pure: from a case or the catalogue to what is shown of it, without personal data."""

from datetime import date, datetime

from pydantic import BaseModel, ConfigDict

from contracts.envelope import CaseId
from contracts.messages.cases import CaseExtended, CaseRestarted, CaseSuspended, Channel, StepState, SuspensionKind
from contracts.messages.commitments import Commitment
from contracts.messages.plans import Fen, Outcome, PlanStep
from contracts.working_time import OfficeHours
from services.intake.catalogue import Bundle, Catalogue, Matter, required_materials
from services.intake.catalogue.models import FeeEntry, LimitDays, Text
from services.intake.catalogue.plans import items_of
from services.intake.core import lifecycle
from services.intake.core.lifecycle import CaseState
from services.intake.core.state import Case, CaseDue, StepProgress, TimeChange

_STATES = {
    CaseState.ACCEPTED: Text(zh="已受理", en="Accepted"),
    CaseState.DECIDED: Text(zh="已办结", en="Decided"),
}
_SUSPENSIONS = {
    SuspensionKind.PROCEDURE: Text(zh="特别程序", en="special procedure"),
    SuspensionKind.CORRECTION: Text(zh="补正材料", en="correction"),
    SuspensionKind.HOLD: Text(zh="暂停办理", en="on hold"),
}
_OUTCOMES = {
    Outcome.APPROVED: Text(zh="准予", en="approved"),
    Outcome.REFUSED: Text(zh="不予许可", en="refused"),
}


class Answer(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(frozen=True)


class DocumentView(Answer):
    """A formal, dated document."""

    name: Text
    number: str
    dated: date


class Receipt(Answer):
    """What an applicant holds in hand after acceptance (受理). The same application gets the same receipt."""

    number: CaseId
    secret: str
    """Shown together with the number to see the case."""
    tracking: str
    """Path at which the case is shown."""
    state: CaseState
    matter: str
    accepted_at: datetime
    due: CaseDue | None
    documents: tuple[DocumentView, ...]
    materials: tuple[str, ...]
    """Materials received."""


class StepView(Answer):
    """One step of a case."""

    step: str
    item: str
    department: str
    state: StepState
    requested_at: datetime | None
    delivered_at: datetime | None
    decided_at: datetime | None
    outcome: Outcome | None
    document: str | None
    due: CaseDue | None
    """None while the step waits for another, or has no limit of its own."""


class Event(Answer):
    """Something that happened to a case."""

    at: datetime
    what: str
    what_zh: str


class CaseView(Answer):
    """How a case stands."""

    number: CaseId
    state: CaseState
    state_name: Text
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
    history: tuple[Event, ...]


class MaterialView(Answer):
    """A material to hand in."""

    code: str
    name: Text


class MatterView(Answer):
    """An item or bundle as it is offered to the public."""

    code: str
    name: Text
    lead_department: str
    departments: tuple[str, ...]
    limits: LimitDays
    legal_basis: tuple[Text, ...]
    materials: tuple[MaterialView, ...]
    fees: tuple[FeeEntry, ...]
    fees_total_fen: Fen


class CatalogueView(Answer):
    """Everything that can be asked for."""

    version: str
    bundles: tuple[MatterView, ...]
    items: tuple[MatterView, ...]


def receipt(number: CaseId, secret: str, case: Case) -> Receipt:
    """The receipt of a case, made of its acceptance alone, so that it never changes."""
    accepted = case.accepted
    # The kind of document in pinyin (shòulǐ, acceptance), then the case's number.
    notice = DocumentView(
        name=Text(zh="受理通知书", en="Notice of acceptance"),
        number=f"SL-{number}",
        dated=OfficeHours().local(accepted.accepted_at).date(),
    )
    return Receipt(
        number=number,
        secret=secret,
        tracking=tracking_path(number),
        state=CaseState.ACCEPTED,
        matter=accepted.plan.matter_name,
        accepted_at=accepted.accepted_at,
        due=case.due_at_acceptance,
        documents=(notice,),
        materials=accepted.materials,
    )


def tracking_path(number: CaseId) -> str:
    """Where a case is shown."""
    return f"/cases/{number}"


def case_view(number: CaseId, case: Case) -> CaseView:
    """How a case stands, for whoever holds its number and secret."""
    accepted, plan = case.accepted, case.accepted.plan
    held = {known.commitment.key: _due(known.commitment) for known in case.commitments}
    return CaseView(
        number=number,
        state=lifecycle.state_of(case),
        state_name=_STATES[lifecycle.state_of(case)],
        outcome=case.decision.outcome if case.decision else None,
        decided_at=case.decision.decided_at if case.decision else None,
        matter=plan.matter_name,
        lead_department=plan.lead_department,
        catalogue_version=plan.catalogue_version,
        region=accepted.region,
        channel=accepted.channel,
        accepted_at=accepted.accepted_at,
        due=held.get("case", case.due_at_acceptance),
        steps=tuple(
            _step_view(planned, course, held.get(f"step/{planned.step}"))
            for planned, course in zip(plan.steps, case.steps, strict=True)
        ),
        history=history(case),
    )


def history(case: Case) -> tuple[Event, ...]:
    """What has happened to a case, in order of time."""
    plan = case.accepted.plan
    events = [Event(at=case.accepted.accepted_at, what="Case accepted", what_zh="受理")]
    for planned, course in zip(plan.steps, case.steps, strict=True):
        events += _step_history(planned, course)
    events += [event for word in case.time_changes for event in _time_history(word)]
    if case.decision is not None:
        outcome = _OUTCOMES[case.decision.outcome]
        what, what_zh = f"Case decided: {outcome.en}", f"办结：{outcome.zh}"
        events.append(Event(at=case.decision.decided_at, what=what, what_zh=what_zh))
    # Sorting is stable: of what happened at one moment, the cause stands before its effect.
    return tuple(sorted(events, key=lambda event: event.at))


def catalogue_view(catalogue: Catalogue) -> CatalogueView:
    """The catalogue as the public sees it."""
    return CatalogueView(
        version=catalogue.version,
        bundles=tuple(_matter_view(catalogue, bundle) for bundle in catalogue.bundles),
        items=tuple(_matter_view(catalogue, item) for item in catalogue.items),
    )


def _step_view(planned: PlanStep, course: StepProgress, held: CaseDue | None) -> StepView:
    return StepView(
        step=planned.step,
        item=planned.item_name,
        department=planned.department,
        state=course.state,
        requested_at=course.requested_at,
        delivered_at=course.delivered_at,
        decided_at=course.decided_at,
        outcome=course.outcome,
        document=course.document,
        due=held,
    )


def _due(held: Commitment) -> CaseDue:
    return CaseDue(
        committed=held.committed_due,
        statutory=held.statutory_due,
        provisional=held.provisional,
        pause=held.pause,
    )


def _step_history(planned: PlanStep, course: StepProgress) -> list[Event]:
    asked, item = planned.department, planned.item_name
    events = []
    if course.requested_at is not None:
        what, what_zh = f"Sent to {asked}: {item}", f"送交 {asked}：{item}"
        events.append(Event(at=course.requested_at, what=what, what_zh=what_zh))
    if course.delivered_at is not None:
        what, what_zh = f"Received by {asked}: {item}", f"{asked} 已签收：{item}"
        events.append(Event(at=course.delivered_at, what=what, what_zh=what_zh))
    if course.decided_at is not None and course.outcome is not None:
        outcome = _OUTCOMES[course.outcome]
        what, what_zh = f"Decided by {asked}: {item}, {outcome.en}", f"{asked} 已办结：{item}，{outcome.zh}"
        events.append(Event(at=course.decided_at, what=what, what_zh=what_zh))
    return events


def _time_history(word: TimeChange) -> list[Event]:
    """What happened to the time of the case. Reasons are for the file: they may name people."""
    match word:
        case CaseSuspended(until=None):
            kind = _SUSPENSIONS[word.kind]
            return [Event(at=word.since, what=f"Time stands still: {kind.en}", what_zh=f"中止计时：{kind.zh}")]
        case CaseSuspended(until=until):
            assert until is not None
            return [Event(at=until, what="Time runs again", what_zh="恢复计时")]
        case CaseExtended():
            what, what_zh = f"Limit extended by {word.days} days", f"期限延长 {word.days} 日"
            return [Event(at=word.notified_at, what=what, what_zh=what_zh)]
        case CaseRestarted():
            return [Event(at=word.restarted_at, what="Time begins anew", what_zh="重新计时")]


def _matter_view(catalogue: Catalogue, matter: Matter) -> MatterView:
    names = {department.code: department.name.both for department in catalogue.departments}
    items = items_of(catalogue, matter)
    fees = tuple(fee for item in items for fee in item.fees)
    return MatterView(
        code=matter.code,
        name=matter.name,
        lead_department=names[matter.lead if isinstance(matter, Bundle) else matter.department],
        departments=tuple(dict.fromkeys(names[item.department] for item in items)),
        limits=matter.limits,
        legal_basis=matter.legal_basis,
        materials=tuple(MaterialView(**dict(m)) for m in required_materials(catalogue, matter)),
        fees=fees,
        fees_total_fen=sum(fee.amount_fen for fee in fees),
    )
