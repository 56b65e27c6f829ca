"""Why a commitment is due when it is."""

from enum import StrEnum

from contracts.commitments import CommitmentKey
from contracts.working_time import Course, OfficeHours, Terms, published_calendar
from contracts.working_time.explain import Explanation, explain
from services.monitor.state import MonitoredCase


class LimitKind(StrEnum):
    """Which of the two limits of a commitment (承诺 / 法定时限)."""

    COMMITTED = "committed"
    STATUTORY = "statutory"


def derived(state: MonitoredCase, commitment: CommitmentKey, kind: LimitKind) -> Explanation | None:
    """The derivation of the moment at which this commitment is due; None if it is not held, or has not begun."""
    watch = state.watch(commitment)
    if watch is None or watch.limits is None or watch.opened_at is None:
        return None
    limit = watch.limits.committed if kind is LimitKind.COMMITTED else watch.limits.statutory
    return explain(Course(limit, watch.opened_at), Terms(published_calendar(), OfficeHours()))
