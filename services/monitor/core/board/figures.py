"""The figures of the board, from the counts of a period. Pure.

Rates are in percent and means in working days, both to two decimals, halves away from zero. Nothing is divided by
nothing: such a figure is None, which people see as a dash.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Self


@dataclass(frozen=True, slots=True)
class Counts:
    """What is counted of commitments in a period. Each counts on one day: see `facts.CommitmentFacts`.

    ``received`` counts on the day of the beginning; ``closed`` to ``days_statutory`` on the day of the answer;
    ``due_open``, the open ones whose time runs, on the last day of their limit.
    """

    received: int = 0
    closed: int = 0
    on_time: int = 0
    early: int = 0
    same_day: int = 0
    days_used: int = 0
    days_committed: int = 0
    days_statutory: int = 0
    due_open: int = 0
    warnings: int = 0
    acknowledged_in_time: int = 0
    yellow_cards: int = 0
    red_cards: int = 0
    oversights: int = 0
    appeals: int = 0
    appeals_upheld: int = 0
    appeals_rejected: int = 0
    platform_faults: int = 0

    @classmethod
    def total(cls, counts: Iterable[Self]) -> Self:
        """The sums of all of them."""
        return cls(*map(sum, zip(*map(_VALUES, counts), strict=True)))


COUNTED = tuple(field.name for field in fields(Counts))
"""The names of all counts, in their order."""

_VALUES = attrgetter(*COUNTED)


def ratio(part: int, of: int, scale: int = 1) -> float | None:
    """``scale * part / of`` to two decimals, halves away from zero; None where ``of`` is 0.

    ``of`` must not be negative. Computed in whole numbers: no half is lost by a binary fraction.
    """
    if of == 0:
        return None
    hundredths = (200 * scale * abs(part) + of) // (2 * of)
    return (hundredths if part >= 0 else -hundredths) / 100


def rate(part: int, of: int) -> float | None:
    """The percentage."""
    return ratio(part, of, 100)


FIGURES: Mapping[str, Callable[[Counts], float | None]] = {
    "received": lambda c: c.received,
    "closed": lambda c: c.closed,
    "on_time": lambda c: c.on_time,
    "late": lambda c: c.closed - c.on_time,
    "on_time_rate": lambda c: rate(c.on_time, c.closed),
    "early": lambda c: c.early,
    "early_rate": lambda c: rate(c.early, c.closed),
    "same_day": lambda c: c.same_day,
    "same_day_rate": lambda c: rate(c.same_day, c.closed),
    "mean_days": lambda c: ratio(c.days_used, c.closed),
    "mean_days_committed": lambda c: ratio(c.days_committed, c.closed),
    "mean_days_statutory": lambda c: ratio(c.days_statutory, c.closed),
    "days_saved": lambda c: c.days_committed - c.days_used,
    "days_saved_statutory": lambda c: c.days_statutory - c.days_used,
    "warnings": lambda c: c.warnings,
    "acknowledged_in_time": lambda c: c.acknowledged_in_time,
    "acknowledged_in_time_rate": lambda c: rate(c.acknowledged_in_time, c.warnings),
    "yellow_cards": lambda c: c.yellow_cards,
    "red_cards": lambda c: c.red_cards,
    "oversights": lambda c: c.oversights,
    "appeals": lambda c: c.appeals,
    "appeals_upheld": lambda c: c.appeals_upheld,
    "appeals_rejected": lambda c: c.appeals_rejected,
    "appeals_undecided": lambda c: c.appeals - c.appeals_upheld - c.appeals_rejected,
    "platform_faults": lambda c: c.platform_faults,
}
"""The figures of a period, by name."""

PRESENT = ("open", "due_today", "overdue")
"""The figures of the present moment, which no period has."""

CATALOGUE = ("items_due", "items_present", "items_present_rate", "review_authority_rate", "decision_authority_rate")
"""Figures about items due and present at the centre and rights granted to it. They are None until the catalogue has
this data."""


def figures_of(counts: Counts, months: int) -> dict[str, float | None]:
    """All figures of a period. ``months``: its calendar months, 0 for other days, which have no monthly mean."""
    found = {name: compute(counts) for name, compute in FIGURES.items()}
    return found | {"closed_per_month": ratio(counts.closed, months)}


def change(now: float | None, before: float | None) -> float | None:
    """The difference between two figures as they are shown; None if one of them is none."""
    if now is None or before is None:
        return None
    return (round(100 * now) - round(100 * before)) / 100
