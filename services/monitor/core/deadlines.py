"""Computes and explains the deadlines that follow from the facts by the rules. Publishes those that move. Pure."""

from contracts.core import InvalidMessage
from contracts.envelope import Message
from contracts.messages.cases import CaseAccepted, CaseExtended, CaseRestarted, CaseSuspended
from contracts.messages.commitments import (
    MAX_OPENED,
    Cause,
    CommitmentKey,
    CommitmentsMoved,
    CommitmentsOpened,
    Move,
)
from contracts.messages.plans import Limits
from contracts.messages.side_timers import SideTimersReported
from contracts.messages.tasks import TaskSuspended
from contracts.working_time import Suspension
from contracts.working_time.explanation.explain import Explanation, explain
from services.monitor.core.case_time import clock_history
from services.monitor.core.commitment import TrackedCommitment
from services.monitor.core.holds import BeginHold, EndHold
from services.monitor.core.ladder import due_dates
from services.monitor.core.rules import LimitKind, Rules
from services.monitor.core.state import MonitoredCase

INTAKE_MESSAGES = (CaseAccepted, CaseSuspended, CaseExtended, CaseRestarted, SideTimersReported)
"""Messages that intake repeats until monitor answers with the deadlines."""


def compute_deadlines(
    before: MonitoredCase | None, case: MonitoredCase, rules: Rules, message: Message
) -> tuple[MonitoredCase, list[Message]]:
    """Compute the deadlines that may have moved since ``before``, and publish those that have begun or moved.

    A commitment that has ended keeps its deadline, even if the rules change. Intake gets all deadlines in answer to
    each of its messages.
    """
    if case.region is None or case.matter is None:
        return case, []  # the acceptance has not arrived yet
    moves: list[Move] = []
    begun = changed = rules_changed = False
    earlier = {commitment.key: commitment for commitment in before.commitments} if before is not None else {}
    commitments = list(case.commitments)
    for index, commitment in enumerate(commitments):
        was = earlier.get(commitment.key)
        outdated = commitment.rules_version != rules.number and case.ended_at(commitment) is None
        if commitment.due is not None and not outdated and _has_same_time(before, was, case, commitment, rules):
            continue
        computed = _compute(case, commitment, rules, case.region, case.matter)
        if computed is commitment:
            continue
        commitments[index], changed = computed, True
        rules_changed = rules_changed or (outdated and _has_same_time(before, was, case, commitment, rules))
        if commitment.due is None:
            begun = True
        elif move := _move(commitment, computed):
            moves.append(move)
    if changed:
        case = case.replace(commitments=tuple(commitments))
    out: list[Message] = []
    if begun or isinstance(message, CaseAccepted if moves else INTAKE_MESSAGES):
        case = case.replace(sequence=case.sequence + 1)
        out.extend(_opened(case))
    if moves:
        case = case.replace(sequence=case.sequence + 1)
        cause = Cause.RULES if rules_changed else _cause(message)
        out.append(
            CommitmentsMoved(
                moves=tuple(moves),
                cause=cause,
                rules_version=rules.number,
                change_ids=case.change_ids,
                region=case.region,
                sequence=case.sequence,
            )
        )
    return case, out


def explanation(state: MonitoredCase, key: CommitmentKey, kind: LimitKind, rules: Rules) -> Explanation | None:
    """The days that count towards this limit, and those that do not.

    None for a commitment without a deadline: it is unknown or has not begun, or nothing gives it a limit.
    """
    commitment = state.commitment(key)
    if commitment is None or state.region is None or state.matter is None:
        return None
    limits = _limits(commitment, rules, state.region, state.matter)
    history = clock_history(state, commitment, rules)
    if limits is None or history is None:
        return None
    limit = limits.committed if kind is LimitKind.COMMITTED else limits.statutory
    return explain(history.limit_history(limit), rules.counting_rules(state.region))


def suspensions_without_effect(
    state: MonitoredCase, commitment: TrackedCommitment, rules: Rules
) -> tuple[Suspension, ...]:
    """The suspensions of a commitment that do not move its deadline, because another party has fixed it as a moment."""
    fixed = commitment.limits.committed.due_at if commitment.limits is not None else None
    if fixed is None or commitment.due is None or commitment.due.committed_due != fixed:
        return ()
    history = clock_history(state, commitment, rules)
    return history.suspensions if history is not None else ()


def _has_same_time(
    before: MonitoredCase | None,
    was: TrackedCommitment | None,
    case: MonitoredCase,
    commitment: TrackedCommitment,
    rules: Rules,
) -> bool:
    """Whether no new fact changes how the time of this commitment runs."""
    if before is None or was is None:
        return False
    # Most limits are the same object, and comparing values takes longer than comparing identity.
    if was.limits is not commitment.limits and was.limits != commitment.limits:
        return False
    if was.opened_at != commitment.opened_at:
        return False
    if before.is_uninterrupted and case.is_uninterrupted:
        return True
    return clock_history(before, was, rules) == clock_history(case, commitment, rules)


def _cause(message: Message) -> Cause:
    match message:
        case TaskSuspended(until=until, reported_at=changed_at) | CaseSuspended(until=until, recorded_at=changed_at):
            # The end of a suspension may be announced in advance.
            return Cause.SUSPENDED if until is None or until > changed_at else Cause.RESUMED
        case BeginHold():
            return Cause.SUSPENDED
        case EndHold():
            return Cause.RESUMED
        case CaseExtended():
            return Cause.EXTENDED
        case CaseRestarted():
            return Cause.RESTARTED
        case _:
            return Cause.BEGUN_EARLIER


def _limits(commitment: TrackedCommitment, rules: Rules, region: str, matter: str) -> Limits | None:
    """The limits of a commitment: those promised, or else those of the rules for what runs beside the plan."""
    if commitment.limits is None and commitment.is_beside_plan:
        return rules.limits(commitment.key, region, matter)
    return commitment.limits


def _compute(
    state: MonitoredCase, commitment: TrackedCommitment, rules: Rules, region: str, matter: str
) -> TrackedCommitment:
    """The commitment with its due dates by these rules; itself if they do not change."""
    limits = _limits(commitment, rules, region, matter)
    if limits is None:
        return commitment
    try:
        history = clock_history(state, commitment, rules)
        if history is None:
            return commitment
        due = due_dates(limits, history, rules.counted_ladder(commitment.key, region, matter))
    except (ValueError, OverflowError):
        raise InvalidMessage(
            f"the deadline of {commitment.key} lies beyond the calendar", f"{commitment.key} 的期限超出日历"
        ) from None
    if due is commitment.due or due == commitment.due:
        return commitment
    return commitment.replace(due=due, rules_version=rules.number)


def _move(was: TrackedCommitment, now: TrackedCommitment) -> Move | None:
    """How a published deadline moved; None if only its rungs did."""
    before, after = was.due, now.due
    if before is None or after is None or before.published == after.published:
        return None
    commitment = now.as_message()
    if commitment is None:
        return None
    return Move(
        commitment=commitment,
        committed_before=before.committed_due,
        statutory_before=before.statutory_due,
        paused_before=before.pause is not None,
    )


def _opened(state: MonitoredCase) -> list[Message]:
    """All deadlines of the case, in as many messages as needed."""
    published = tuple(message for commitment in state.commitments if (message := commitment.as_message()))
    return [
        CommitmentsOpened(
            commitments=published[first : first + MAX_OPENED],
            change_ids=state.change_ids,
            region=state.region,
            sequence=state.sequence,
        )
        for first in range(0, max(1, len(published)), MAX_OPENED)
    ]
