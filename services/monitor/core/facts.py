"""Merges the content of each message into the facts of a case. Pure."""

from datetime import datetime
from hashlib import blake2b

from contracts.core import InvalidMessage
from contracts.envelope import CaseId, Code
from contracts.messages.cases import (
    CaseAccepted,
    CaseExtended,
    CaseHeld,
    CaseSuspended,
    ChangeId,
    StepReport,
    StepState,
    SuspensionKind,
)
from contracts.messages.commitments import (
    CASE,
    MAX_COMMITMENTS,
    MAX_KEY_LENGTH,
    STEP_PREFIX,
    CommitmentKey,
    Kind,
    step_key,
)
from contracts.messages.plans import MAX_STEPS
from contracts.messages.side_timers import SideTimersReported
from contracts.messages.tasks import TaskSuspended, task_id
from services.monitor.core.case_time import suspension_end
from services.monitor.core.commitment import TrackedCommitment
from services.monitor.core.state import DepartmentReport, EarlyReport, ExtensionRecord, MonitoredCase, SuspensionRecord

HOLD = "hold/"
"""Prefix of the name of a supervisor's suspension."""

MAX_SUSPENSIONS = 2 * MAX_STEPS
"""Suspensions of one case from one department system, or from all others together: each makes the state longer."""

MAX_EARLY_REPORTS = MAX_SUSPENSIONS
"""Reports of one department system that are kept until the acceptance arrives. All of them may be suspensions."""


def record_acceptance(state: MonitoredCase, message: CaseAccepted) -> MonitoredCase:
    """Merge the acceptance: the commitments of the plan, their owners, and when the case began."""
    case = state.commitment(CASE)
    began_at = case.opened_at if case is not None else None
    if state.accepted and began_at is not None and message.accepted_at >= began_at:
        return state
    plan = message.plan
    planned = {CASE: TrackedCommitment(key=CASE, owner=plan.lead_department, limits=plan.limits)}
    for step in plan.steps:
        if step.limits:
            key = step_key(step.step)
            planned[key] = TrackedCommitment(key=key, owner=step.department, limits=step.limits, after=step.after)
    # A step without a limit is no commitment: facts recorded of it before the acceptance are dropped.
    commitments = [_planned(planned[key], state.commitment(key), message.accepted_at) for key in planned]
    commitments += [commitment for commitment in state.commitments if commitment.is_side_timer]
    step_systems = tuple(sorted((step.step, step.system) for step in plan.steps))
    accepted = state.replace(matter=plan.matter, region=message.region, approvals=(), step_systems=step_systems)
    accepted = accepted.replace(commitments=tuple(sorted(commitments, key=lambda commitment: commitment.key)))
    for step_name, arrived_at in state.approvals:
        accepted = approve_step(accepted, step_name, arrived_at)
    for recorded in state.commitments:
        if recorded.is_step and recorded.key not in planned and recorded.ended_at is not None:
            accepted = end_step(accepted, recorded.key.removeprefix(STEP_PREFIX), recorded.ended_at)
    return accepted


def keep_early(state: MonitoredCase, report: DepartmentReport, arrived_at: datetime) -> MonitoredCase:
    """This case with a report that arrived before the acceptance. Raises `InvalidMessage` for one too many."""
    if any(early.report == report for early in state.early_reports):
        return state
    if sum(early.report.system == report.system for early in state.early_reports) >= MAX_EARLY_REPORTS:
        raise InvalidMessage(
            f"{report.system} has reported {MAX_EARLY_REPORTS} times on this case, which is not accepted",
            f"{report.system} 已就该办件回报 {MAX_EARLY_REPORTS} 次，而办件尚未受理",
        )
    return state.replace(early_reports=(*state.early_reports, EarlyReport(report=report, arrived_at=arrived_at)))


def is_assigned(state: MonitoredCase, case_id: CaseId, report: DepartmentReport) -> bool:
    """Whether the report comes from the system that the plan requests to do the step. Needs the acceptance."""
    return report.task_id == task_id(case_id, report.step) and (report.step, report.system) in state.step_systems


def procedure_id(system: Code, step: Code, procedure: Code) -> str:
    """The name of the suspension that is a department's special procedure."""
    return f"{system}/{step}/{procedure}"


def procedure_record(message: TaskSuspended) -> SuspensionRecord:
    """A department's special procedure, which concerns its step."""
    return SuspensionRecord(
        suspension=procedure_id(message.system, message.step, message.procedure),
        kind=SuspensionKind.PROCEDURE,
        step=message.step,
        system=message.system,
        owner=message.department,
        reason=f"{message.name}: {message.reason}",
        article=message.article,
        since=message.since,
        until=message.until,
        recorded_at=message.reported_at,
    )


def suspension_record(message: CaseSuspended | CaseHeld) -> SuspensionRecord:
    """A suspension of the case, recorded by staff at intake or as a supervisor's hold."""
    if isinstance(message, CaseHeld):
        name, kind = f"{HOLD}{message.hold}", SuspensionKind.HOLD
    else:
        name, kind = message.suspension, message.kind
    return SuspensionRecord(
        suspension=name,
        kind=kind,
        reason=message.reason,
        article=message.article,
        since=message.since,
        until=message.until,
        recorded_at=message.recorded_at,
        by=message.by if isinstance(message, CaseHeld) else None,
        on_behalf_of=message.on_behalf_of if isinstance(message, CaseHeld) else None,
    )


def with_procedures(state: MonitoredCase) -> MonitoredCase:
    """This case with a commitment for each special procedure.

    It is open for as long as the procedure suspends time, and known to be open as its step is.
    """
    if state.is_uninterrupted or not state.accepted:
        return state
    for record in state.suspensions:
        if record.step is None or record.owner is None:
            continue
        key = procedure_key(record.suspension)
        step = state.commitment(step_key(record.step)) or state.commitment(CASE)
        known = state.commitment(key) or TrackedCommitment(key=key, owner=record.owner)
        open_at = step.open_at if step is not None else None
        state = state.with_commitment(
            known.replace(opened_at=record.since, ended_at=suspension_end(state, record), open_at=open_at)
        )
    return state


def procedure_key(suspension: str) -> CommitmentKey:
    """The key of the commitment for the special procedure that this suspension reports."""
    key = f"{Kind.PROCEDURE}/{suspension}"
    if len(key) <= MAX_KEY_LENGTH:
        return key
    return f"{Kind.PROCEDURE}/{blake2b(key.encode(), digest_size=16).hexdigest()}"


def record_side_timers(state: MonitoredCase, message: SideTimersReported, known_at: datetime) -> MonitoredCase:
    """Merge intake's report of the side timers, as they were at ``known_at``."""
    state = record_change(state, message.change_id)
    if not state.accepted:
        state = state.replace(matter=message.matter, region=message.region)
    for timer in message.timers:
        known = state.commitment(timer.commitment) or TrackedCommitment(
            key=timer.commitment, owner=timer.owner, limits=timer.limits, opened_at=timer.started_at
        )
        open_at = known_at if timer.ended_at is None else None
        state = state.with_commitment(
            _merge(known, opened_at=timer.started_at, ended_at=timer.ended_at, open_at=open_at)
        )
    return state


def record_facts(
    state: MonitoredCase,
    key: str,
    *,
    opened_at: datetime | None = None,
    ended_at: datetime | None = None,
    open_at: datetime | None = None,
    undelivered_at: datetime | None = None,
    delivered_at: datetime | None = None,
) -> MonitoredCase:
    """Merge facts about one commitment. Facts of a step without a limit in the plan are not kept."""
    commitment = state.commitment(key)
    if commitment is None:
        if state.accepted:
            return state
        commitment = TrackedCommitment(key=key)
    changed = _merge(
        commitment,
        opened_at=opened_at,
        ended_at=ended_at,
        open_at=open_at,
        undelivered_at=undelivered_at,
        delivered_at=delivered_at,
    )
    return state if changed is commitment else state.with_commitment(changed)


def record_steps(
    state: MonitoredCase, reports: tuple[StepReport, ...], known_at: datetime, *, known_open: bool = False
) -> MonitoredCase:
    """Merge routing's report of the steps at ``known_at``, the latest moment at which a dropped step was dropped.

    ``known_open``: the steps reported as open were open at ``known_at``.
    """
    open_at = known_at if known_open else None
    for report in reports:
        key = step_key(report.step)
        match report.state:
            case StepState.WAITING:
                continue
            case StepState.REQUESTED:
                state = record_facts(state, key, opened_at=report.requested_at, undelivered_at=open_at)
            case StepState.DELIVERED:
                # A report of delivery without its moment shows that the step is delivered by now.
                delivered_at = report.delivered_at or known_at
                state = record_facts(
                    state, key, opened_at=report.requested_at, open_at=open_at, delivered_at=delivered_at
                )
            case StepState.DONE | StepState.DROPPED:
                ended_at = report.decided_at or known_at
                state = end_step(state, report.step, ended_at)
                state = record_facts(
                    state,
                    key,
                    opened_at=report.requested_at,
                    ended_at=ended_at,
                    delivered_at=report.delivered_at,
                )
    return state


def end_step(state: MonitoredCase, step: Code, ended_at: datetime) -> MonitoredCase:
    """This case with the end of a step that has no commitment of its own; its procedures end with it."""
    if not state.accepted or state.commitment(step_key(step)) is not None:
        return state
    known = dict(state.ended_steps)
    if step in known and known[step] <= ended_at:
        return state
    known[step] = ended_at
    return state.replace(ended_steps=tuple(sorted(known.items())))


def approve_step(state: MonitoredCase, step: Code, arrived_at: datetime) -> MonitoredCase:
    """This case with that step approved. A step begins when the last of the approvals that it waits for arrived."""
    if state.accepted and not any(step in commitment.after for commitment in state.commitments):
        return state
    approvals = dict(state.approvals)
    approvals[step] = min(approvals.get(step, arrived_at), arrived_at)
    state = state.replace(approvals=tuple(sorted(approvals.items())))
    for commitment in state.commitments:
        if step in commitment.after and approvals.keys() >= set(commitment.after):
            opened_at = max(approvals[name] for name in commitment.after)
            state = state.with_commitment(_merge(commitment, opened_at=opened_at))
    return state


def suspend(state: MonitoredCase, reported: SuspensionRecord) -> MonitoredCase:
    """This case with that suspension, or the newer report of it. Raises `InvalidMessage` for one too many."""
    known = {record.suspension: record for record in state.suspensions}
    before = known.get(reported.suspension)
    known[reported.suspension] = reported.later(before) if before is not None else reported
    if sum(record.system == reported.system for record in known.values()) > MAX_SUSPENSIONS:
        raise InvalidMessage(
            f"the case has been suspended {MAX_SUSPENSIONS} times already", f"该办件已暂停计时 {MAX_SUSPENSIONS} 次"
        )
    if known[reported.suspension] is before:
        return state
    return state.replace(suspensions=tuple(known[name] for name in sorted(known)))


def extend(state: MonitoredCase, message: CaseExtended) -> MonitoredCase:
    """Merge an extension: of several the earliest counts."""
    reported = ExtensionRecord(
        days=message.days,
        steps=message.steps,
        reason=message.reason,
        article=message.article,
        notified_at=message.notified_at,
    )
    known = [record for record in (state.extension, reported) if record is not None]
    earliest = min(known, key=lambda record: (record.notified_at, record.model_dump_json()))
    return state if earliest is state.extension else state.replace(extension=earliest)


def restart(state: MonitoredCase, restarted_at: datetime) -> MonitoredCase:
    """This case with its time restarted at that moment, unless a later restart is known."""
    if state.restarted_at is not None and state.restarted_at >= restarted_at:
        return state
    return state.replace(restarted_at=restarted_at)


def record_change(state: MonitoredCase, change_id: ChangeId) -> MonitoredCase:
    """This case with a change reported by intake marked as included. Raises `InvalidMessage` for one too many."""
    if change_id in state.change_ids:
        return state
    if len(state.change_ids) >= MAX_COMMITMENTS:
        raise InvalidMessage(
            f"the time of the case has been changed {MAX_COMMITMENTS} times already",
            f"该办件的时限已变更 {MAX_COMMITMENTS} 次",
        )
    return state.replace(change_ids=tuple(sorted((*state.change_ids, change_id))))


def _planned(
    planned: TrackedCommitment, recorded: TrackedCommitment | None, accepted_at: datetime
) -> TrackedCommitment:
    """A commitment of the plan with the facts recorded before the acceptance arrived.

    It begins with the acceptance if it waits for no other step.
    """
    begins_at = None if planned.after else accepted_at
    if recorded is None:
        return _merge(planned, opened_at=begins_at)
    known = _merge(
        planned,
        opened_at=recorded.opened_at,
        ended_at=recorded.ended_at,
        open_at=recorded.open_at,
        undelivered_at=recorded.undelivered_at,
        delivered_at=recorded.delivered_at,
    )
    return _merge(known, opened_at=begins_at).replace(raised=recorded.raised)


def _merge(
    commitment: TrackedCommitment,
    *,
    opened_at: datetime | None = None,
    ended_at: datetime | None = None,
    open_at: datetime | None = None,
    undelivered_at: datetime | None = None,
    delivered_at: datetime | None = None,
) -> TrackedCommitment:
    """The commitment with these facts merged in; itself if they change nothing."""
    changes: dict[str, object] = {}
    if opened_at is not None and (commitment.opened_at is None or opened_at < commitment.opened_at):
        changes["opened_at"] = opened_at
    if ended_at is not None and (commitment.ended_at is None or ended_at < commitment.ended_at):
        changes["ended_at"] = ended_at
    if delivered_at is not None and (commitment.delivered_at is None or delivered_at < commitment.delivered_at):
        changes["delivered_at"] = delivered_at
    if open_at is not None and (commitment.open_at is None or open_at > commitment.open_at):
        changes["open_at"] = open_at
    if undelivered_at is not None and (commitment.undelivered_at is None or undelivered_at > commitment.undelivered_at):
        changes["undelivered_at"] = undelivered_at
    return commitment.replace(**changes) if changes else commitment
