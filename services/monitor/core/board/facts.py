"""The facts of a case that the figures of the board count: one row for each commitment that has begun. Pure."""

from collections.abc import Callable
from datetime import date
from typing import NamedTuple

from contracts.messages.alerts import Rung
from contracts.working_time import OfficeHours, working_days_used
from services.monitor.core.case_time import clock_history
from services.monitor.core.commitment import TrackedCommitment
from services.monitor.core.rules import Rules
from services.monitor.core.state import MonitoredCase

STANDING = {
    Rung.WARNING: "warnings",
    Rung.YELLOW: "yellow_cards",
    Rung.RED: "red_cards",
    Rung.OVERSIGHT: "oversights",
}
"""The event that counts an alert of each rung that is not withdrawn."""


class CommitmentFacts(NamedTuple):
    """What the figures count of one commitment. Days are local to the place.

    ``due_on``: the last day of the committed limit. ``days_used``, ``days_committed``, ``days_statutory``: working days
    that have counted until the answer and until the ends of both limits; None while it is not answered. ``events`` and
    ``event_days``: what else is counted, and on which day each counts; None without any.
    """

    case_id: str
    commitment: str
    kind: str
    owner: str
    region: str
    matter: str
    opened_on: date
    due_on: date
    paused: bool
    ended_on: date | None
    on_time: bool | None
    days_used: int | None
    days_committed: int | None
    days_statutory: int | None
    events: tuple[str, ...] | None
    event_days: tuple[date, ...] | None


def rules_versions(case: MonitoredCase) -> set[int]:
    """The versions of the rules by which the deadlines of the case are computed."""
    return {commitment.rules_version for commitment in case.commitments if commitment.due is not None}


def facts_of(case_id: str, case: MonitoredCase, rules_of: Callable[[int], Rules]) -> list[CommitmentFacts]:
    """The facts of each commitment with an owner and a deadline.

    They follow from the state of the case alone: it makes no difference which messages led to it, nor in which order.
    """
    if case.region is None or case.matter is None:
        return []  # the acceptance has not arrived yet
    found = []
    for commitment, ended_at in case.commitment_ends():
        owner, opened_at, due = commitment.owner, commitment.opened_at, commitment.due
        if owner is None or opened_at is None or due is None:
            continue  # not begun
        rules = rules_of(commitment.rules_version)
        counting = rules.counting_rules(case.region)
        hours = counting.hours
        days: tuple[int | None, int | None, int | None] = (None, None, None)
        if ended_at is not None and (clock := clock_history(case, commitment, rules)) is not None:
            # The ends of limits are those without a suspension that is still open.
            over = [one for one in clock.suspensions if one.until is not None]
            days = (
                working_days_used(clock.starts_at, clock.suspensions, ended_at, counting),
                working_days_used(clock.starts_at, over, due.committed_due, counting),
                working_days_used(clock.starts_at, over, due.statutory_due, counting),
            )
        events = _events(case, commitment, hours)
        found.append(
            CommitmentFacts(
                case_id,
                commitment.key,
                commitment.key.partition("/")[0],
                owner,
                case.region,
                case.matter,
                hours.local(opened_at).date(),
                hours.local(due.committed_due).date(),
                due.pause is not None,
                hours.local(ended_at).date() if ended_at is not None else None,
                ended_at <= due.committed_due if ended_at is not None else None,
                *days,
                tuple(event for event, _ in events) or None,
                tuple(day for _, day in events) or None,
            )
        )
    return found


def _events(case: MonitoredCase, commitment: TrackedCommitment, hours: OfficeHours) -> list[tuple[str, date]]:
    """What is counted beside the beginning and the end, with its day, in one order.

    Everything about an alert counts on the day on which it was raised, and everything about an appeal on the day on
    which it was made: so the parts of a whole stand in the same period.
    """
    found: list[tuple[str, date]] = []
    for alert in commitment.raised:
        raised_on = hours.local(alert.raised_at).date()
        if not alert.withdrawn:
            found.append((STANDING[alert.rung], raised_on))
            acknowledged = alert.acknowledgement
            if (
                alert.rung is Rung.WARNING
                and acknowledged is not None
                and commitment.due is not None
                and acknowledged.acknowledged_at <= commitment.due.committed_due
            ):
                found.append(("acknowledged_in_time", raised_on))
        if (appeal := alert.appeal) is not None:
            appealed_on = hours.local(appeal.appealed_at).date()
            found.append(("appeals", appealed_on))
            if appeal.answer is not None:
                found.append(("appeals_upheld" if appeal.answer.upheld else "appeals_rejected", appealed_on))
    found += [
        ("platform_faults", hours.local(issue.raised_at).date())
        for issue in case.platform_issues
        if issue.commitment == commitment.key
    ]
    return sorted(found)
