"""How the time of each commitment has run, by what has suspended, extended or restarted it. Pure."""

from datetime import datetime

from contracts.messages.commitments import CASE, STEP_PREFIX, step_key
from contracts.working_time import Extension, Suspension
from services.monitor.core.commitment import TrackedCommitment
from services.monitor.core.ladder import ClockHistory
from services.monitor.core.rules import Rules
from services.monitor.core.state import MonitoredCase, SuspensionRecord


def clock_history(case: MonitoredCase, commitment: TrackedCommitment, rules: Rules) -> ClockHistory | None:
    """How the time of this commitment has run; None before it has begun.

    An extension concerns the case and the steps that it names, a restart the case and all of its steps. Changes after
    the commitment was answered do not count. A department's procedure counts until its step has ended.
    """
    if commitment.opened_at is None:
        return None
    if case.is_uninterrupted:
        return ClockHistory(commitment.opened_at)
    ended_at = case.ended_at(commitment)
    suspensions = []
    for record in case.suspensions:
        until = suspension_end(case, record)
        if until is not None and until < record.since:
            continue
        if (ended_at is None or record.since < ended_at) and rules.suspends(record.kind, record.step, commitment.key):
            suspensions.append(Suspension(record.since, until, record.reason, record.article))
    if commitment.is_beside_plan:
        return ClockHistory(commitment.opened_at, tuple(suspensions))
    granted, restarted_at = case.extension, case.restarted_at
    extension = None
    if (
        granted is not None
        and (commitment.key == CASE or commitment.key.removeprefix(STEP_PREFIX) in granted.steps)
        and (ended_at is None or granted.notified_at < ended_at)
    ):
        extension = Extension(granted.days, granted.reason, granted.notified_at)
    if restarted_at is not None and ended_at is not None and restarted_at >= ended_at:
        restarted_at = None
    return ClockHistory(commitment.opened_at, tuple(suspensions), extension, restarted_at)


def suspension_end(case: MonitoredCase, record: SuspensionRecord) -> datetime | None:
    """When a suspension ends: a procedure ends with its step at the latest."""
    step = record.step or ""
    commitment = case.commitment(step_key(step))
    step_ended_at = commitment.ended_at if commitment is not None else dict(case.ended_steps).get(step)
    return min((end for end in (record.until, step_ended_at) if end is not None), default=None)
