"""Why a commitment is due when it is."""

from contracts.messages.commitments import CommitmentKey
from contracts.working_time.explain import Explanation, explain
from services.monitor.core.rules import LimitKind, Rules
from services.monitor.core.state import MonitoredCase


def explained(state: MonitoredCase, commitment: CommitmentKey, kind: LimitKind, rules: Rules) -> Explanation | None:
    """The derivation of the moment at which this commitment is due; None if it is not held, or has not begun."""
    watch = state.commitment(commitment)
    run = state.run(watch, rules) if watch is not None else None
    if watch is None or watch.limits is None or run is None or state.region is None:
        return None
    limit = watch.limits.committed if kind is LimitKind.COMMITTED else watch.limits.statutory
    return explain(run.course(limit), rules.terms(state.region))
