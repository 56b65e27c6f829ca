"""The promises that are examined, and the form of a fault."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Invariant(StrEnum):
    """The promises that are examined. The values are their names in files."""

    DECIDED = "decided"
    TASKS = "tasks"
    COMMITMENTS = "commitments"
    RUNGS = "rungs"
    PUBLISHED = "published"
    PARKED = "parked"
    REPLAYED = "replayed"
    UNIQUE = "unique"


TITLES = {
    Invariant.DECIDED: "cases decided once, or open with a next step / 办件",
    Invariant.TASKS: "tasks handed over once, under one number / 交办任务",
    Invariant.COMMITMENTS: "commitments opened once, closed with their case / 时限责任",
    Invariant.RUNGS: "rungs fired once when late, and never in time / 预警级别",
    Invariant.PUBLISHED: "messages published within a minute / 发件箱",
    Invariant.PARKED: "parked messages that have a reason / 死信",
    Invariant.REPLAYED: "states that follow from their messages / 状态重演",
    Invariant.UNIQUE: "numbers, documents and fees given once / 编号唯一",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One promise broken for one case.

    ``in_transit``: a message was published and not processed, which is a fault only if it stays so.
    """

    invariant: Invariant
    case_id: str
    what: str
    in_transit: bool = False


@dataclass(frozen=True, slots=True)
class Moments:
    """The moments that the checks of a case depend on.

    ``now`` is a moment of the shared clock. ``soon`` is one of the machine's clock: monitor must
    repeat a query for a card before then. Outboxes and ledgers are complete since ``kept_since``. Cases closed before
    ``closed_since`` may have been deleted.
    """

    now: datetime
    soon: datetime
    kept_since: datetime
    closed_since: datetime


MAX_CLOCK_STEP = timedelta(days=1)
"""Moments that are further out of order than this are impossible. Nearer ones may be of a clock that was set back."""


def optional_moment(text: str | None) -> datetime | None:
    """A moment of a JSON document that may be missing."""
    return datetime.fromisoformat(text) if text is not None else None


def moment(text: str) -> datetime:
    """A moment of a JSON document."""
    return datetime.fromisoformat(text)
