"""What must hold, and what it means that it does not."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Invariant(StrEnum):
    """The promises that are examined. The value names each in files."""

    DECIDED = "decided"
    TASKS = "tasks"
    COMMITMENTS = "commitments"
    RUNGS = "rungs"
    PUBLISHED = "published"
    PARKED = "parked"
    LEDGER = "ledger"
    UNIQUE = "unique"


TITLES = {
    Invariant.DECIDED: "cases decided once, or open with a next step / 办件",
    Invariant.TASKS: "tasks handed over once, under one number / 交办任务",
    Invariant.COMMITMENTS: "commitments opened once, closed with their case / 时限责任",
    Invariant.RUNGS: "rungs fired once when late, and never in time / 预警级别",
    Invariant.PUBLISHED: "messages published within a minute / 发件箱",
    Invariant.PARKED: "parked records that say why / 死信",
    Invariant.LEDGER: "states that follow from their messages / 台账重演",
    Invariant.UNIQUE: "numbers, documents and fees given once / 编号唯一",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One promise that does not hold of one case.

    ``waits``: something said has not been heard, and may only be on its way; it is a fault if it stays so.
    """

    invariant: Invariant
    case_id: str
    what: str
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Grounds:
    """What a judgement rests on beside the records.

    ``now`` is a moment of the clock that the services read, ``soon`` one of the machine's: until then monitor must ask
    again for a card. ``kept_since``: ledgers are whole from then on. ``closed_since``: cases closed before then may
    have been forgotten.
    """

    now: datetime
    soon: datetime
    kept_since: datetime
    closed_since: datetime


def at(text: str | None) -> datetime | None:
    """The moment that stands in a JSON document."""
    return datetime.fromisoformat(text) if text is not None else None


def moment(text: str) -> datetime:
    """The same, of one that must be there."""
    return datetime.fromisoformat(text)
