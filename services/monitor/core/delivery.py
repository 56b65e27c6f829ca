"""Whether the departments received in time what a card is for. Pure."""

from datetime import datetime, timedelta

from contracts.messages.commitments import CASE
from services.monitor.core.commitment import TrackedCommitment
from services.monitor.core.state import MonitoredCase

SLOW_DELIVERY = timedelta(minutes=15)
"""Delivery takes seconds. The platform, and not the department, answers for a delivery that takes longer than this."""


def was_delivered(case: MonitoredCase, commitment: TrackedCommitment, due_at: datetime) -> bool | None:
    """Whether the departments had received by ``due_at`` what a card that falls due then is for; None if unknown.

    A step must have been delivered. A case depends on all of its steps: while a requested step had not reached its
    department for longer than `SLOW_DELIVERY`, the time was not the departments' to use.
    """
    if commitment.is_step:
        return None if commitment.delivered_at is None else commitment.delivered_at <= due_at
    return commitment.key != CASE or not any(
        opened_at <= due_at < delivered_at for opened_at, delivered_at in slow_deliveries(case)
    )


def was_delivered_late(case: MonitoredCase, commitment: TrackedCommitment) -> bool:
    """Whether, as far as is known, a card for this commitment fell due before delivery."""
    if commitment.due is None:
        return False
    if commitment.is_step:
        at = commitment.delivered_at or commitment.undelivered_at
        return at is not None and commitment.due.has_card_before(at)
    if commitment.key != CASE or not slow_deliveries(case):
        return False
    return not all(was_delivered(case, commitment, due_at) for due_at in commitment.due.cards())


def late_delivery_at(case: MonitoredCase, commitment: TrackedCommitment) -> datetime | None:
    """When a late delivery for this commitment reached its department."""
    if commitment.is_step:
        return commitment.delivered_at
    return max((delivered_at for _, delivered_at in slow_deliveries(case)), default=None)


def slow_deliveries(case: MonitoredCase) -> list[tuple[datetime, datetime]]:
    """Request and delivery of each step for which the time between them exceeds `SLOW_DELIVERY`."""
    return [
        (commitment.opened_at, commitment.delivered_at)
        for commitment in case.commitments
        if commitment.delivered_at is not None
        and commitment.opened_at is not None
        and commitment.delivered_at - commitment.opened_at > SLOW_DELIVERY
        and commitment.is_step
    ]
