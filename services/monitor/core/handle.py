"""The only door of monitor's core, which holds every commitment of a case to its deadlines. Pure.

Messages may arrive in any order, late and repeatedly. Each message is merged into the facts (`facts`). The deadlines
follow from the facts by the rules (`deadlines`). The alerts follow from facts and deadlines: the rungs that ought to
have fired, less those that have (`alerts.lifecycle`). Before a card, the facts are requested from their owner
(`alerts.verification`). Supervisors and departments act on alerts (`alerts.actions`), and supervisors hold cases
(`holds`) and settle doubtful times (`doubts`).
"""

from datetime import datetime, timedelta
from typing import assert_never, cast

from contracts.core import InvalidMessage, Transition, UnknownCase, backoff
from contracts.envelope import CaseId, Envelope, Message, RulesChanged, TimerFired
from contracts.messages.alerts import AlertAcknowledged, AlertAppealed, AppealDecided, Rung
from contracts.messages.cases import (
    CaseAccepted,
    CaseDecided,
    CaseExtended,
    CaseReported,
    CaseRestarted,
    CaseSuspended,
    StepState,
)
from contracts.messages.commitments import CASE, step_key
from contracts.messages.plans import Outcome
from contracts.messages.side_timers import SideTimersReported
from contracts.messages.tasks import TaskDelivered, TaskDone, TaskSuspended
from services.monitor.core import doubts, facts, holds
from services.monitor.core.alerts import actions
from services.monitor.core.alerts.lifecycle import alerts_closed_or_reopened, raise_due
from services.monitor.core.alerts.verification import (
    PendingRungs,
    cards_not_issued,
    needs_decision_request,
    pending_rungs,
    record_answer,
    report_platform_issues,
    verify_cards,
)
from services.monitor.core.deadlines import INTAKE_MESSAGES, compute_deadlines
from services.monitor.core.doubts import SettleTime
from services.monitor.core.holds import BeginHold, EndHold
from services.monitor.core.rules import Rules
from services.monitor.core.state import CommitmentEnds, DepartmentReport, MonitoredCase

MonitorMessage = (
    TimerFired
    | RulesChanged
    | CaseAccepted
    | CaseSuspended
    | CaseExtended
    | CaseRestarted
    | SideTimersReported
    | TaskDelivered
    | TaskSuspended
    | TaskDone
    | CaseReported
    | CaseDecided
    | BeginHold
    | EndHold
    | SettleTime
    | AlertAcknowledged
    | AlertAppealed
    | AppealDecided
)
"""All messages that monitor processes."""

_MESSAGES = frozenset(MonitorMessage.__args__)

ROUTING_MESSAGES = (TaskDelivered, TaskSuspended, TaskDone, CaseReported, CaseDecided)
"""Messages that show that routing knows the case."""

CONSUMES = (*INTAKE_MESSAGES, *ROUTING_MESSAGES)

CLOCK_MESSAGES = (TimerFired, RulesChanged)
"""Messages that carry nothing but the present moment of the clock."""

KNOWN_CASE_MESSAGES = (*CLOCK_MESSAGES, BeginHold, EndHold, SettleTime, AlertAcknowledged, AlertAppealed, AppealDecided)
"""Messages that are valid only for a case that monitor knows."""

FIRST_BACKOFF = timedelta(seconds=30)
LONGEST_BACKOFF = timedelta(hours=1)

DECISION_REQUEST_INTERVAL = timedelta(days=1)
"""Machine time after which the state of an open case is requested without a pending rung: its decision may have been
lost on the way to monitor alone."""


def handle(rules: Rules, state: MonitoredCase | None, envelope: Envelope[Message]) -> Transition[MonitoredCase]:
    """Process one message by the rules in force.

    Raises `InvalidMessage` for a deadline beyond the calendar or a message that monitor does not consume, `Rejected`
    for an action or a hold that is not possible, and `UnknownCase` for a message that needs a known case.
    """
    if type(envelope.data) not in _MESSAGES:
        raise InvalidMessage(f"{envelope.type} is not for monitor", f"{envelope.type} 不由 monitor 处理")
    message = cast(MonitorMessage, envelope.data)
    if state is None and isinstance(message, KNOWN_CASE_MESSAGES):
        raise UnknownCase(envelope.subject)
    case, recorded = _record(state or MonitoredCase(), envelope.subject, message, envelope.time)
    now = envelope.time if isinstance(message, CLOCK_MESSAGES) else None
    first_from_routing = not case.known_to_routing and isinstance(message, ROUTING_MESSAGES)
    if first_from_routing:
        case = case.replace(known_to_routing=True)
    case, deadlines = compute_deadlines(state, facts.with_procedures(case), rules, message)
    ends = case.commitment_ends()
    with_alerts, alerts = raise_due(case, ends, envelope.time, now)
    if with_alerts is not case:
        case, ends = with_alerts, with_alerts.commitment_ends()
    pending = pending_rungs(case, ends)
    # A change of rules processes a million cases at once: each sends its requests when its own timer fires.
    request_at = None if isinstance(message, RulesChanged) else now
    case, requests = verify_cards(case, pending, request_at, first_from_routing)
    case, issues = report_platform_issues(case, envelope.time)
    case, doubted = doubts.publish(case)
    ends_changed, not_issued = alerts_closed_or_reopened(state, case, envelope.time), cards_not_issued(state, case)
    out = (*deadlines, *recorded, *alerts, *ends_changed, *not_issued, *requests, *issues, *doubted)
    return _transition(case, ends, pending, out, envelope.time)


def _record(
    case: MonitoredCase, case_id: CaseId, message: MonitorMessage, time: datetime
) -> tuple[MonitoredCase, list[Message]]:
    """The case with the facts of this message, and the messages that follow from it directly."""
    match message:
        case TimerFired() | RulesChanged():  # first, since a million of these arrive at once
            return doubts.publish_again(case) if case.doubts and isinstance(message, TimerFired) else (case, [])
        case CaseAccepted():
            return _record_acceptance(case, case_id, message)
        case TaskDelivered() | TaskDone() | TaskSuspended():
            return _record_report_of_department(case, case_id, message, time)
        case SettleTime():
            return doubts.settle(case, case_id, message, time)
        case CaseSuspended():
            return facts.suspend(facts.record_change(case, message.change_id), facts.suspension_record(message)), []
        case BeginHold():
            return holds.begin(case, message, time)
        case EndHold():
            return holds.end(case, message, time)
        case CaseExtended():
            return facts.extend(facts.record_change(case, message.change_id), message), []
        case CaseRestarted():
            return facts.restart(facts.record_change(case, message.change_id), message.restarted_at), []
        case SideTimersReported():
            return record_answer(facts.record_side_timers(case, message, time), by_intake=True), []
        case CaseReported():
            return _record_report(case, message, time), []
        case CaseDecided():
            decided = facts.record_facts(case, CASE, ended_at=message.decided_at)
            return facts.record_steps(decided, message.steps, message.decided_at), []
        case AlertAcknowledged() | AlertAppealed() | AppealDecided():
            return actions.apply_action(case, message)
        case _:
            assert_never(message)


def _record_acceptance(
    case: MonitoredCase, case_id: CaseId, message: CaseAccepted
) -> tuple[MonitoredCase, list[Message]]:
    case = facts.record_acceptance(case, message)
    if not case.early_reports:
        return case, []
    out: list[Message] = []
    early, case = case.early_reports, case.replace(early_reports=())
    for one in early:
        # Intake and routing have the same report, and park it if it is not of the system that was requested.
        if facts.is_assigned(case, case_id, one.report):
            case, resolved = _record_report_of_department(case, case_id, one.report, one.arrived_at)
            out += resolved
    return case, out


def _record_report_of_department(
    case: MonitoredCase, case_id: CaseId, message: DepartmentReport, time: datetime
) -> tuple[MonitoredCase, list[Message]]:
    if not case.accepted:
        return facts.keep_early(case, message, time), []
    if not facts.is_assigned(case, case_id, message):
        raise InvalidMessage(
            f"step {message.step} is not assigned to {message.system}, or under another task",
            f"环节 {message.step} 未交给 {message.system}，或属于另一任务",
        )
    case, resolved = doubts.record(case, message, time)
    match message:
        case TaskDone():
            return _record_answer_of_department(case, message), resolved
        case TaskSuspended():
            return facts.suspend(case, facts.procedure_record(message)), resolved
        case TaskDelivered():
            key, opened_at, delivered_at = step_key(message.step), message.requested_at, message.delivered_at
            return facts.record_facts(case, key, opened_at=opened_at, delivered_at=delivered_at), resolved
        case _:
            assert_never(message)


def _record_answer_of_department(case: MonitoredCase, message: TaskDone) -> MonitoredCase:
    case = facts.end_step(case, message.step, message.decided_at)
    case = facts.record_facts(
        case,
        step_key(message.step),
        opened_at=message.requested_at,
        ended_at=message.decided_at,
        delivered_at=message.delivered_at,
    )
    if message.outcome is Outcome.APPROVED:
        return facts.approve_step(case, message.step, message.arrived_at)
    return case


def _record_report(case: MonitoredCase, message: CaseReported, time: datetime) -> MonitoredCase:
    if any(step.state is StepState.REQUESTED for step in message.steps):
        case = facts.record_facts(case, CASE, undelivered_at=time)
    else:
        case = facts.record_facts(case, CASE, open_at=time)
    return record_answer(facts.record_steps(case, message.steps, time, known_open=True), by_intake=False)


def _transition(
    state: MonitoredCase, ends: CommitmentEnds, pending: PendingRungs, out: tuple[Message, ...], time: datetime
) -> Transition[MonitoredCase]:
    # A card that is being verified waits for the answer. Its own moment is past and sets no timer.
    requested_at = state.requested_at
    timers = [at for _, rung, at in pending if requested_at is None or at > requested_at or rung is Rung.WARNING]
    # The list of what is due soon searches by timers, so there is one at each committed limit.
    for commitment, ended_at in ends:
        if ended_at is None and (limit := commitment.limit_without_rung) is not None and limit > time:
            timers.append(limit)
    retry = backoff(state.request_count, FIRST_BACKOFF, LONGEST_BACKOFF) if state.request_count else None
    if needs_decision_request(state, pending):
        retry = DECISION_REQUEST_INTERVAL
    waits = [wait for wait in (retry, doubts.retry_after(state)) if wait is not None] if state.doubts else []
    return Transition(
        state=state,
        out=out,
        timer_at=min(timers, default=None),
        retry_after=min(waits, default=retry),
        closed=state.matter is not None and all(ended_at is not None for _, ended_at in ends),
    )
