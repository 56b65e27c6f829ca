"""How a stand-in office works: when it decides, what, and which mistakes it makes. Pure and reproducible.

Everything is drawn from the task's id and a seed, so that the same run makes the same office.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from enum import StrEnum
from hashlib import blake2b
from statistics import NormalDist
from zoneinfo import ZoneInfo

from contracts.messages.plans import Outcome

ZONE = ZoneInfo("Asia/Shanghai")
OPENS, CLOSES = time(9), time(17)
OFFICE_DAY = timedelta(hours=8)

SHORTEST_DAYS = 0.05
"""Nobody decides in no time at all."""


class Mistake(StrEnum):
    """What can go wrong between an office and those who ask it."""

    SILENT = "silent"
    """Takes the application; its first answer never comes."""
    GARBLED_RECEIPT = "garbled-receipt"
    """Takes the application; its first answer is nonsense."""
    GARBLED_DECISION = "garbled-decision"
    """Decides; what it says of the decision by itself is nonsense."""
    REPEATED = "repeated"
    """Says its decision twice."""
    LOST = "lost"
    """Decides, and tells only those who ask again."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How an office works. Days are its own office days; shares are between 0 and 1."""

    mean_days: float = 3.0
    item_days: Mapping[str, float] = field(default_factory=dict)
    """Mean days of single items, where they differ from ``mean_days``."""
    spread: float = 0.3
    """Standard deviation, as a share of the mean."""
    late_share: float = 0.0
    late_days: float = 60.0
    """How long the late ones take: far beyond any limit."""
    refused_share: float = 0.0
    mistake_share: float = 0.0
    mistakes: tuple[Mistake, ...] = tuple(Mistake)
    at_once: bool = False
    """Decides as it takes the application, so that the decision is in the answer to it."""
    seed: str = "office"


@dataclass(frozen=True, slots=True)
class SimulatedOutcome:
    """What will become of one application."""

    decide_at: datetime
    outcome: Outcome
    mistake: Mistake | None


def simulated_outcome(manner: Behaviour, task_id: str, item: str, received_at: datetime) -> SimulatedOutcome:
    """What this office will make of the application it received at this moment."""

    def draw(aspect: str) -> float:
        return _draw(f"{manner.seed}/{aspect}/{task_id}")

    outcome = Outcome.REFUSED if draw("refused") < manner.refused_share else Outcome.APPROVED
    mistake = None
    if manner.mistakes and draw("mistake") < manner.mistake_share:
        mistake = manner.mistakes[int(draw("which mistake") * len(manner.mistakes))]
    if manner.at_once:
        return SimulatedOutcome(received_at, outcome, mistake)
    if draw("late") < manner.late_share:
        days = manner.late_days
    else:
        mean = manner.item_days.get(item, manner.mean_days)
        days = mean * (1 + manner.spread * NormalDist().inv_cdf(draw("days")))
    return SimulatedOutcome(after_office_days(received_at, max(days, SHORTEST_DAYS)), outcome, mistake)


def after_office_days(start: datetime, days: float) -> datetime:
    """The moment, in UTC, when so many office days have been worked since ``start``.

    An office day is Monday to Friday, nine to five. Stand-in offices know no holidays.
    """
    left = OFFICE_DAY * days
    at = start.astimezone(ZONE)
    while True:
        opens = datetime.combine(at.date(), OPENS, ZONE)
        closes = datetime.combine(at.date(), CLOSES, ZONE)
        at = max(at, opens)
        if at.weekday() < 5 and at < closes:
            if left <= closes - at:
                return (at + left).astimezone(start.tzinfo)
            left -= closes - at
        at = datetime.combine(at.date() + timedelta(days=1), OPENS, ZONE)


def _draw(text: str) -> float:
    """A number strictly between 0 and 1 that depends on the text and nothing else."""
    number = int.from_bytes(blake2b(text.encode(), digest_size=6).digest(), "big")
    return (number + 0.5) / 2**48
