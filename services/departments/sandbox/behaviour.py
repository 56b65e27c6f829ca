"""How a sandbox works: when it decides, with which outcome, and which mistakes it makes. Pure and reproducible.

Every choice is drawn from the task id and a seed, so that the same run has the same outcomes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from enum import StrEnum
from hashlib import blake2b
from statistics import NormalDist

from contracts.messages.plans import Outcome
from contracts.zone import CHINA

OPENS, CLOSES = time(9), time(17)
OFFICE_DAY = timedelta(hours=8)

SHORTEST_DAYS = 0.05
"""The least that a decision takes, in office days."""


class Mistake(StrEnum):
    """Faults between a department's system and the platform."""

    NO_ANSWER = "no-answer"
    """The application is taken; the first answer never arrives."""
    GARBLED_RECEIPT = "garbled-receipt"
    """The application is taken; the first answer is unreadable."""
    BLANK_NUMBER = "blank-number"
    """The application is taken; the number in the first answer is white space."""
    PADDED_NUMBER = "padded-number"
    """The number in a receipt is padded with spaces; in the decision it is not."""
    GARBLED_DECISION = "garbled-decision"
    """The notification of the decision is unreadable."""
    OVERSIZED_DECISION = "oversized-decision"
    """The texts in the notification of the decision are far too long."""
    REPEATED = "repeated"
    """The decision is reported twice."""
    CONTRADICTED = "contradicted"
    """The decision is reported, and then the other outcome."""
    WRONG_CLOCK = "wrong-clock"
    """The reported times are those of a clock that has never been set: it is 56 years behind."""
    LOST = "lost"
    """The decision is never reported, only given in answer to a repeated request."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How a sandbox works. Days are office days; shares are between 0 and 1."""

    mean_days: float = 3.0
    item_days: Mapping[str, float] = field(default_factory=dict)
    """Mean days of single items, where they differ from ``mean_days``."""
    spread: float = 0.3
    """Standard deviation, as a share of the mean."""
    late_share: float = 0.0
    late_days: float = 60.0
    """Days that late cases take: far beyond any limit."""
    refused_share: float = 0.0
    mistake_share: float = 0.0
    mistakes: tuple[Mistake, ...] = tuple(Mistake)
    at_once: bool = False
    """Decides on receipt, so that the decision is in the answer to the application."""
    rejected_items: tuple[str, ...] = ()
    """Items whose applications the system does not take: its checks reject them."""
    seed: str = "sandbox"


@dataclass(frozen=True, slots=True)
class SimulatedOutcome:
    """The outcome of one application, drawn when it is received."""

    decide_at: datetime
    outcome: Outcome
    mistake: Mistake | None


def simulated_outcome(behaviour: Behaviour, task_id: str, item: str, received_at: datetime) -> SimulatedOutcome:
    """Draw the outcome of an application."""

    def draw(aspect: str) -> float:
        return _draw(f"{behaviour.seed}/{aspect}/{task_id}")

    outcome = Outcome.REFUSED if draw("refused") < behaviour.refused_share else Outcome.APPROVED
    mistake = None
    if behaviour.mistakes and draw("mistake") < behaviour.mistake_share:
        mistake = behaviour.mistakes[int(draw("which mistake") * len(behaviour.mistakes))]
    if behaviour.at_once:
        return SimulatedOutcome(received_at, outcome, mistake)
    if draw("late") < behaviour.late_share:
        days = behaviour.late_days
    else:
        mean = behaviour.item_days.get(item, behaviour.mean_days)
        days = mean * (1 + behaviour.spread * NormalDist().inv_cdf(draw("days")))
    return SimulatedOutcome(after_office_days(received_at, max(days, SHORTEST_DAYS)), outcome, mistake)


def after_office_days(start: datetime, days: float) -> datetime:
    """The moment, in UTC, at which so many office days have passed since ``start``.

    An office day is Monday to Friday, 9:00 to 17:00 in China. Sandboxes know no holidays.
    """
    left = OFFICE_DAY * days
    at = start.astimezone(CHINA)
    while True:
        opens = datetime.combine(at.date(), OPENS, CHINA)
        closes = datetime.combine(at.date(), CLOSES, CHINA)
        at = max(at, opens)
        if at.weekday() < 5 and at < closes:
            if left <= closes - at:
                return (at + left).astimezone(start.tzinfo)
            left -= closes - at
        at = datetime.combine(at.date() + timedelta(days=1), OPENS, CHINA)


def _draw(text: str) -> float:
    """A number strictly between 0 and 1 that depends on the text alone."""
    number = int.from_bytes(blake2b(text.encode(), digest_size=6).digest(), "big")
    return (number + 0.5) / 2**48
