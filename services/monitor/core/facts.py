"""Merges the content of each message into the facts of a case. Pure."""

from datetime import datetime

from contracts.messages.cases import CaseAccepted, CaseHeld, CaseSuspended, StepReport, StepState, SuspensionKind
from contracts.messages.side_timers import SideTimersReported
from contracts.messages.tasks import TaskSuspended
from services.monitor.core.commitment import CASE, TrackedCommitment, step_key
from services.monitor.core.state import MonitoredCase
from services.monitor.core.suspensions import HOLD, SuspensionRecord, procedure_key


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
    commitments = [planned[key].with_recorded_facts(state.commitment(key), message.accepted_at) for key in planned]
    commitments += [commitment for commitment in state.commitments if commitment.is_side_timer]
    step_systems = tuple(sorted((step.step, step.system) for step in plan.steps))
    accepted = state.replace(matter=plan.matter, region=message.region, approvals=(), step_systems=step_systems)
    accepted = accepted.replace(commitments=tuple(sorted(commitments, key=lambda commitment: commitment.key)))
    for step_name, approved_at in state.approvals:
        accepted = accepted.approve_step(step_name, approved_at)
    for recorded in state.commitments:
        if recorded.is_step and recorded.key not in planned and recorded.ended_at is not None:
            accepted = accepted.end_step(recorded.key.removeprefix("step/"), recorded.ended_at)
    return accepted


def procedure_record(message: TaskSuspended) -> SuspensionRecord:
    """A department's special procedure, which concerns its step."""
    return SuspensionRecord(
        suspension=f"{message.system}/{message.step}/{message.procedure}",
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
    )


def with_procedures(state: MonitoredCase) -> MonitoredCase:
    """This case with a commitment for each special procedure.

    It is open for as long as the procedure suspends time, and known to be open as its step is.
    """
    if state.is_uninterrupted or not state.accepted:
        return state
    for record in state.suspensions:
        if record.step is None or record.owner is None or not state.is_from_requested_system(record):
            continue
        key = procedure_key(record.suspension)
        step = state.commitment(step_key(record.step)) or state.commitment(CASE)
        known = state.commitment(key) or TrackedCommitment(key=key, owner=record.owner)
        open_at = step.open_at if step is not None else None
        state = state.with_commitment(
            known.replace(opened_at=record.since, ended_at=state.suspension_end(record), open_at=open_at)
        )
    return state


def record_side_timers(state: MonitoredCase, message: SideTimersReported, known_at: datetime) -> MonitoredCase:
    """Merge intake's report of the side timers, as they were at ``known_at``."""
    state = state.record_change(message.change_id)
    if not state.accepted:
        state = state.replace(matter=message.matter, region=message.region)
    for timer in message.timers:
        known = state.commitment(timer.commitment) or TrackedCommitment(
            key=timer.commitment, owner=timer.owner, limits=timer.limits, opened_at=timer.started_at
        )
        open_at = known_at if timer.ended_at is None else None
        state = state.with_commitment(
            known.with_facts(opened_at=timer.started_at, ended_at=timer.ended_at, open_at=open_at)
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
    changed = commitment.with_facts(
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
                state = state.end_step(report.step, ended_at)
                state = record_facts(
                    state,
                    key,
                    opened_at=report.requested_at,
                    ended_at=ended_at,
                    delivered_at=report.delivered_at,
                )
    return state
