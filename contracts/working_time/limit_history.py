"""The history of a time limit (期限的经过): when it began, and what suspended, restarted or extended it.

There are two methods of counting:

*By the day* (`CountingMethod.DAY`): the day of the event does not count, and the last day counts to the close of
business (Civil Code of China, articles 201 and 203). The days from that of a suspension to the one before its end do
not count; the day of resumption counts again (Administrative Licensing Law, article 45: such time is not within the
limit).

*By the second* (`CountingMethod.SECOND`): working time that has really passed, as systems of electronic supervision
count it. Days off and suspensions are cut out of the time, to the second. A deadline is missed as soon as more time
than the limit has passed: an answer that comes while no working time passes is still in time.

A limit in working minutes is counted by the second under either method, within the hours of business.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from contracts.faults import fault
from contracts.messages.plans import Limit
from contracts.working_time.calendar import Calendar
from contracts.working_time.hours import OfficeHours


class CountingMethod(StrEnum):
    """How time is counted."""

    DAY = "day"
    SECOND = "second"


@dataclass(frozen=True, slots=True)
class CountingRules:
    """The calendar, the hours and the method by which time is counted at one place."""

    calendar: Calendar
    hours: OfficeHours = field(default_factory=OfficeHours)
    method: CountingMethod = CountingMethod.DAY


@dataclass(frozen=True, slots=True)
class Suspension:
    """Time that does not count, with the reason and the article that allows it (特别程序).

    ``until`` is None while it lasts.
    """

    since: datetime
    until: datetime | None = None
    reason: str = ""
    article: str = ""

    def __post_init__(self) -> None:
        if self.until is not None and self.until < self.since:
            raise fault(
                f"a suspension cannot end at {self.until} and begin at {self.since}",
                f"暂停计时不能开始于 {self.since} 而结束于 {self.until}",
            )


@dataclass(frozen=True, slots=True)
class Extension:
    """More time, granted once and notified to the applicant (Administrative Licensing Law, article 42)."""

    days: int
    """In the unit of the limit; for a limit in minutes, business days."""
    reason: str
    notified_at: datetime

    def __post_init__(self) -> None:
        if self.days < 1:
            raise fault("an extension is of one day or more", "延长期限至少为一天")
        if not self.reason.strip():
            raise fault("an extension needs its reason", "延长期限须说明理由")


@dataclass(frozen=True, slots=True)
class LimitHistory:
    """Everything that decides when a limit ends. ``restarted_at`` is when it began anew, if it did."""

    limit: Limit
    began_at: datetime
    suspensions: tuple[Suspension, ...] = ()
    extension: Extension | None = None
    restarted_at: datetime | None = None

    @property
    def starts_at(self) -> datetime:
        """The moment from which time is counted."""
        return self.began_at if self.restarted_at is None else max(self.began_at, self.restarted_at)


class Unit(StrEnum):
    """The unit in which a limit is counted."""

    WORKING_DAYS = "working days"
    CALENDAR_DAYS = "calendar days"
    MICROSECONDS = "microseconds"


class Due(NamedTuple):
    """A due moment in UTC. It is provisional if holidays that are not yet published may still move it."""

    at: datetime
    provisional: bool


class Suspended(NamedTuple):
    """No due moment while a suspension is open; ``left`` is the rest of the limit, in ``unit``."""

    since: datetime
    left: int
    unit: Unit
