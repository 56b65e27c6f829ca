"""Explains why a commitment is due when it is. Pure."""

from contracts.messages.commitments import CommitmentKey
from contracts.working_time.explain import Explanation, explain
from services.monitor.core.rules import LimitKind, Rules
from services.monitor.core.state import MonitoredCase


def explanation(state: MonitoredCase, key: CommitmentKey, kind: LimitKind, rules: Rules) -> Explanation | None:
    """The days that count towards this limit, and those that do not; None if the commitment is unknown or not begun."""
    commitment = state.commitment(key)
    history = state.clock_history(commitment, rules) if commitment is not None else None
    if commitment is None or commitment.limits is None or history is None or state.region is None:
        return None
    limit = commitment.limits.committed if kind is LimitKind.COMMITTED else commitment.limits.statutory
    return explain(history.course(limit), rules.terms(state.region))
