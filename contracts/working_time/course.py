"""The course of a time limit (期限的经过): when it began, and what suspended, restarted or lengthened it.

Two rules of counting:

*By the day* (`Rule.DAY`): the day of the event does not count, and the last day counts to the close of business (Civil
Code of China, articles 201 and 203). Days from the day of a suspension to the day before its end do not count; the day
of resumption counts again (Administrative Licensing Law, article 45: such time is not within the limit).

*By the second* (`Rule.SECOND`): working time that has really passed, as systems of electronic supervision count it.
Days off are cut out of time, and so are suspensions, each to the second. Something is late as soon as more time than
the limit has passed: what is answered while no working time passes is not.

A limit in working minutes is counted by the second under either rule, within the hours of business.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from contracts.messages.plans import Limit
from contracts.working_time.calendar import Calendar
from contracts.working_time.hours import OfficeHours


class Rule(StrEnum):
    """How time is counted."""

    DAY = "day"
    SECOND = "second"


@dataclass(frozen=True, slots=True)
class Terms:
    """By what time is counted."""

    calendar: Calendar
    hours: OfficeHours = field(default_factory=OfficeHours)
    rule: Rule = Rule.DAY


@dataclass(frozen=True, slots=True)
class Suspension:
    """Time that does not count, with the reason and the article that allows it (特别程序). Open without an end."""

    since: datetime
    until: datetime | None = None
    reason: str = ""
    article: str = ""

    def __post_init__(self) -> None:
        if self.until is not None and self.until < self.since:
            raise ValueError(f"a suspension cannot end at {self.until} and begin at {self.since}")


@dataclass(frozen=True, slots=True)
class Extension:
    """More time, granted once, of which the applicant has been told (Administrative Licensing Law, article 42)."""

    days: int
    """Of the kind in which the limit is counted; for a limit in minutes, days of business."""
    reason: str
    told_at: datetime

    def __post_init__(self) -> None:
        if self.days < 1:
            raise ValueError("an extension is of one day or more")
        if not self.reason.strip():
            raise ValueError("an extension needs its reason")


@dataclass(frozen=True, slots=True)
class Course:
    """All that decides when a limit ends. ``restarted_at``: the limit began anew then."""

    limit: Limit
    began_at: datetime
    suspensions: tuple[Suspension, ...] = ()
    extension: Extension | None = None
    restarted_at: datetime | None = None

    @property
    def starts_at(self) -> datetime:
        """From when time is counted."""
        return self.began_at if self.restarted_at is None else max(self.began_at, self.restarted_at)


class Unit(StrEnum):
    """What is counted."""

    WORKING_DAYS = "working days"
    CALENDAR_DAYS = "calendar days"
    MICROSECONDS = "microseconds"


class Due(NamedTuple):
    """When something is due, in UTC; provisional when holidays not yet published may still move it."""

    at: datetime
    provisional: bool


class Suspended(NamedTuple):
    """Nothing is due while an open suspension lasts: so much of the limit is left, in ``unit``."""

    since: datetime
    left: int
    unit: Unit
