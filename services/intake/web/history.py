"""The history of a case as the applicant sees it, in English and Chinese."""

from datetime import datetime

from pydantic import ConfigDict

from contracts.messages.cases import CaseExtended, CaseRestarted, CaseSuspended, SuspensionKind
from contracts.messages.plans import Outcome, PlanStep
from contracts.values import Model
from services.intake.core.catalogue.models import BilingualText
from services.intake.core.state import Case, StepProgress, TimeChange

_SUSPENSIONS = {
    SuspensionKind.PROCEDURE: BilingualText(zh="特别程序", en="special procedure"),
    SuspensionKind.CORRECTION: BilingualText(zh="补正材料", en="correction"),
    SuspensionKind.HOLD: BilingualText(zh="暂停办理", en="on hold"),
}
_OUTCOMES = {
    Outcome.APPROVED: BilingualText(zh="准予", en="approved"),
    Outcome.REFUSED: BilingualText(zh="不予许可", en="refused"),
}


class HistoryEvent(Model):
    """An event in the life of a case."""

    model_config = ConfigDict(frozen=True)

    at: datetime
    event: str
    event_zh: str


def history(case: Case) -> tuple[HistoryEvent, ...]:
    """All events of a case, in order of time."""
    events = [HistoryEvent(at=case.accepted.accepted_at, event="Case accepted", event_zh="受理")]
    for planned, progress in zip(case.accepted.plan.steps, case.steps, strict=True):
        events += _step_events(planned, progress)
    events += [_time_event(change) for change in case.time_changes]
    if case.decision is not None:
        outcome = _OUTCOMES[case.decision.outcome]
        event, event_zh = f"Case decided: {outcome.en}", f"办结：{outcome.zh}"
        events.append(HistoryEvent(at=case.decision.decided_at, event=event, event_zh=event_zh))
    # Sorting is stable: of two events at one moment, the cause stands before its effect.
    return tuple(sorted(events, key=lambda event: event.at))


def _step_events(planned: PlanStep, progress: StepProgress) -> list[HistoryEvent]:
    department, item = planned.department, planned.item_name
    events = []
    if progress.requested_at is not None:
        event, event_zh = f"Sent to {department}: {item}", f"送交 {department}：{item}"
        events.append(HistoryEvent(at=progress.requested_at, event=event, event_zh=event_zh))
    if progress.delivered_at is not None:
        event, event_zh = f"Received by {department}: {item}", f"{department} 已签收：{item}"
        events.append(HistoryEvent(at=progress.delivered_at, event=event, event_zh=event_zh))
    if progress.decided_at is not None and progress.outcome is not None:
        outcome = _OUTCOMES[progress.outcome]
        event, event_zh = f"Decided by {department}: {item}, {outcome.en}", f"{department} 已办结：{item}，{outcome.zh}"
        events.append(HistoryEvent(at=progress.decided_at, event=event, event_zh=event_zh))
    return events


def _time_event(change: TimeChange) -> HistoryEvent:
    """A change of the time of the case, without its reason: a reason may name people."""
    match change:
        case CaseSuspended(until=None):
            kind = _SUSPENSIONS[change.kind]
            at, event, event_zh = change.since, f"Time suspended: {kind.en}", f"暂停计时：{kind.zh}"
        case CaseSuspended(until=until):
            assert until is not None
            at, event, event_zh = until, "Time resumed", "恢复计时"
        case CaseExtended():
            at, event, event_zh = (
                change.notified_at,
                f"Limit extended by {change.days} days",
                f"期限延长 {change.days} 日",
            )
        case CaseRestarted():
            at, event, event_zh = change.restarted_at, "Time restarted", "重新计时"
    return HistoryEvent(at=at, event=event, event_zh=event_zh)
