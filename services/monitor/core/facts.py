"""What each message tells monitor of a case, merged into the facts. Pure."""

from datetime import datetime

from contracts.messages.cases import CaseAccepted, CaseHeld, CaseSuspended, StepReport, StepState, SuspensionKind
from contracts.messages.side_timers import SideTimersReported
from contracts.messages.tasks import TaskSuspended
from services.monitor.core.state import (
    CASE,
    HOLD,
    MonitoredCase,
    SuspensionRecord,
    TrackedCommitment,
    procedure_key,
    step_key,
)


def accept(state: MonitoredCase, message: CaseAccepted) -> MonitoredCase:
    """Merge the acceptance: what each commitment is, who owes it, and when the case's own began."""
    case = state.commitment(CASE)
    began_at = case.opened_at if case is not None else None
    if state.accepted and began_at is not None and message.accepted_at >= began_at:
        return state
    plan = message.plan
    owed = {CASE: TrackedCommitment(key=CASE, owner=plan.lead_department, limits=plan.limits)}
    for step in plan.steps:
        if step.limits:
            key = step_key(step.step)
            owed[key] = TrackedCommitment(key=key, owner=step.department, limits=step.limits, after=step.after)
    # What has been heard of steps without a limit is dropped: nothing is owed there.
    watches = [owed[key].merge(state.commitment(key), message.accepted_at) for key in owed]
    watches += [watch for watch in state.commitments if watch.of_intake]
    asked = tuple(sorted((step.step, step.system) for step in plan.steps))
    accepted = state.replace(matter=plan.matter, region=message.region, approvals=(), step_systems=asked)
    accepted = accepted.replace(commitments=tuple(sorted(watches, key=lambda watch: watch.key)))
    for name, approved_at in state.approvals:
        accepted = accepted.approve(name, approved_at)
    for heard in state.commitments:
        if heard.is_step and heard.key not in owed and heard.ended_at is not None:
            accepted = accepted.end(heard.key.removeprefix("step/"), heard.ended_at)
    return accepted


def procedure(message: TaskSuspended) -> SuspensionRecord:
    """A department's special procedure, which is its step's."""
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


def suspension(message: CaseSuspended) -> SuspensionRecord:
    return SuspensionRecord(
        suspension=message.suspension,
        kind=message.kind,
        reason=message.reason,
        article=message.article,
        since=message.since,
        until=message.until,
        recorded_at=message.recorded_at,
    )


def hold(message: CaseHeld) -> SuspensionRecord:
    """A supervisor's, which is the case's."""
    return SuspensionRecord(
        suspension=f"{HOLD}{message.hold}",
        kind=SuspensionKind.HOLD,
        reason=message.reason,
        article=message.article,
        since=message.since,
        until=message.until,
        recorded_at=message.recorded_at,
    )


def procedures(state: MonitoredCase) -> MonitoredCase:
    """This case with a commitment for each special procedure that it knows: it is open for as long as time stands
    still for it, and as far as its step is known to be."""
    if state.is_straight or not state.accepted:
        return state
    for one in state.suspensions:
        if one.step is None or one.owner is None or not state.may_say(one):
            continue
        key = procedure_key(one.suspension)
        step = state.commitment(step_key(one.step)) or state.commitment(CASE)
        known = state.commitment(key) or TrackedCommitment(key=key, owner=one.owner)
        open_at = step.open_at if step is not None else None
        state = state.put(known.replace(opened_at=one.since, ended_at=state.ends(one), open_at=open_at))
    return state


def clocks(state: MonitoredCase, message: SideTimersReported, known_at: datetime) -> MonitoredCase:
    """Merge what intake says of the clocks beside the case's own, as they were at this moment."""
    state = state.record_change(message.change_id)
    if not state.accepted:
        state = state.replace(matter=message.matter, region=message.region)
    for clock in message.timers:
        known = state.commitment(clock.commitment) or TrackedCommitment(
            key=clock.commitment, owner=clock.owner, limits=clock.limits, opened_at=clock.started_at
        )
        open_at = known_at if clock.ended_at is None else None
        state = state.put(known.learn(opened_at=clock.started_at, ended_at=clock.ended_at, open_at=open_at))
    return state


def learn(
    state: MonitoredCase,
    key: str,
    *,
    opened_at: datetime | None = None,
    ended_at: datetime | None = None,
    open_at: datetime | None = None,
    undelivered_at: datetime | None = None,
    delivered_at: datetime | None = None,
) -> MonitoredCase:
    """Merge facts about one commitment; those of a step that has no limit in the plan are not kept."""
    watch = state.commitment(key)
    if watch is None:
        if state.accepted:
            return state
        watch = TrackedCommitment(key=key)
    learnt = watch.learn(
        opened_at=opened_at,
        ended_at=ended_at,
        open_at=open_at,
        undelivered_at=undelivered_at,
        delivered_at=delivered_at,
    )
    return state if learnt is watch else state.put(learnt)


def learn_steps(
    state: MonitoredCase, reports: tuple[StepReport, ...], known_at: datetime, *, known_open: bool = False
) -> MonitoredCase:
    """Merge what routing says of the steps at this moment, by which a dropped one was dropped. ``known_open``: what is
    said to be open was so then."""
    open_at = known_at if known_open else None
    for report in reports:
        key = step_key(report.step)
        match report.state:
            case StepState.WAITING:
                continue
            case StepState.REQUESTED:
                state = learn(state, key, opened_at=report.requested_at, undelivered_at=open_at)
            case StepState.DELIVERED:
                # Who says that it is delivered and not when knows it to be delivered now.
                delivered_at = report.delivered_at or known_at
                state = learn(state, key, opened_at=report.requested_at, open_at=open_at, delivered_at=delivered_at)
            case StepState.DONE | StepState.DROPPED:
                ended_at = report.decided_at or known_at
                state = state.end(report.step, ended_at)
                state = learn(
                    state,
                    key,
                    opened_at=report.requested_at,
                    ended_at=ended_at,
                    delivered_at=report.delivered_at,
                )
    return state
