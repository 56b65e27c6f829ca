"""The course of a time limit (期限的经过): when it began, what suspended, restarted or lengthened it, when it is due.

Two rules of counting:

*By the day* (`Rule.DAY`): the day of the event does not count, and the last day counts to the close of business (Civil
Code of China, articles 201 and 203). Days from the day of a suspension to the day before its end do not count; the day
of resumption counts again (Administrative Licensing Law, article 45: such time is not within the limit).

*By the second* (`Rule.SECOND`): working time that has really passed, as systems of electronic supervision count it.
Days off are cut out of time, and so are suspensions, each to the second. Something is late as soon as more time than
the limit has passed: what is answered while no working time passes is not.

A limit in working minutes is counted by the second under either rule, within the hours of business.
"""

from calendar import monthrange
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from enum import StrEnum
from typing import NamedTuple

from contracts.plans import Limit
from contracts.working_time.calendar import Calendar
from contracts.working_time.deadlines import Due, due_after, rank_on_the_spot
from contracts.working_time.hours import OfficeHours

SECOND = 1_000_000
DAY = 86_400 * SECOND
"""By the second, time is counted in whole microseconds: no moment is rounded."""


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


class Suspended(NamedTuple):
    """Nothing is due while an open suspension lasts: so much of the limit is left, in ``unit``."""

    since: datetime
    left: int
    unit: "Unit"


class Span(NamedTuple):
    """A suspension on an axis of counted time: it takes away what lies between, and is open without an end."""

    begins: int
    ends: int | None
    of: Suspension


class Axis(NamedTuple):
    """Counted time as a number that grows while time counts and stands still while it does not."""

    start: int
    amount: int
    """How far from the start the limit reaches."""
    spans: tuple[Span, ...]
    """What is taken away after the start, in order, none overlapping another."""
    moment: Callable[[int], tuple[datetime, int]]
    """The moment at which the number is reached, and the ordinal of its local day."""
    at_end_of: Callable[[int], int]
    """The number at the end of the local day with this ordinal."""
    unit: Unit


def due(course: Course, terms: Terms) -> Due | Suspended:
    """When the limit ends. A moment pinned by somebody else is never moved, and counts if it is the earlier.

    Raises `OverflowError` or `ValueError` for a limit that ends beyond the year 9999.
    """
    pinned = course.limit.due_at
    if not course.limit.counted:
        if pinned is None:
            raise ValueError("a limit without length and moment")
        return Due(pinned, provisional=False)
    counted = _counted(course, terms)
    if pinned is None:
        return counted
    if isinstance(counted, Suspended) or pinned <= counted.at:
        return Due(pinned, provisional=False)
    return counted


def resolve(limit: Limit, start: datetime, calendar: Calendar, hours: OfficeHours) -> Due:
    """When a limit ends by the day for something that began at ``start`` and whose course has been straight since."""
    if limit.working_days is not None and limit.due_at is None:
        return due_after(start, limit.working_days, calendar, hours)
    found = due(Course(limit, start), Terms(calendar, hours))
    if isinstance(found, Suspended):
        raise AssertionError("what nothing suspends is not suspended")
    return found


def _counted(course: Course, terms: Terms) -> Due | Suspended:
    axis = axis_of(course, terms)
    reached = end(axis)
    if reached is None:
        span = axis.spans[-1]
        return Suspended(span.of.since, axis.start + axis.amount + _taken(axis, span.begins) - span.begins, axis.unit)
    at, ordinal = axis.moment(reached)
    return Due(at, ordinal >= terms.calendar.first_unpublished.toordinal())


def end(axis: Axis) -> int | None:
    """Where on the axis the limit ends; None while an open suspension lies before it."""
    target = axis.start + axis.amount
    for span in axis.spans:
        # Whole days: the last day must lie after the suspension's first. To the second: late is what is later.
        if span.begins > target or (axis.unit is not Unit.MICROSECONDS and span.begins == target):
            break
        if span.ends is None:
            return None
        target += span.ends - span.begins
    return target


def _taken(axis: Axis, until: int) -> int:
    return sum(span.ends - span.begins for span in axis.spans if span.ends is not None and span.begins < until)


def axis_of(course: Course, terms: Terms) -> Axis:
    """The axis on which this limit is counted."""
    limit, calendar, hours = course.limit, terms.calendar, terms.hours
    more = course.extension.days if course.extension else 0
    start = hours.local(course.starts_at)
    if limit.working_minutes is not None:
        clock = WorkingClock(calendar, hours, within_hours=True)
        return _by_the_second(course, clock, 60 * SECOND * limit.working_minutes + more * clock.day)
    if limit.working_days == 0 and not more:
        return _on_the_spot(start, terms)
    if terms.rule is Rule.SECOND:
        if limit.working_days is not None:
            clock = WorkingClock(calendar, hours, within_hours=False)
            return _by_the_second(course, clock, (limit.working_days + more) * DAY)
        return _by_the_second(course, WallClock(hours), (_calendar_days(limit, start) + more) * DAY)
    if limit.working_days is not None:
        first = calendar.rank(start.toordinal())
        spans = _day_spans(course, hours, calendar.rank)
        moment = _closing(hours, calendar.nth)
        return Axis(first, limit.working_days + more, spans, moment, calendar.rank, Unit.WORKING_DAYS)
    spans = _day_spans(course, hours, _itself)

    def on_a_working_day(ordinal: int) -> int:
        """Where the last day is a day off, the day after it is the last (Civil Code, article 203)."""
        while not calendar.is_working(date.fromordinal(ordinal)) or _is_suspended(spans, ordinal):
            ordinal += 1
        return ordinal

    days = _calendar_days(limit, start) + more
    return Axis(start.toordinal(), days, spans, _closing(hours, on_a_working_day), _itself, Unit.CALENDAR_DAYS)


def _on_the_spot(start: datetime, terms: Terms) -> Axis:
    """A filing (备案) must be completed on the spot; nothing suspends what takes no time."""
    calendar, hours = terms.calendar, terms.hours
    rank = rank_on_the_spot(start, calendar, hours)
    return Axis(rank, 0, (), _closing(hours, calendar.nth), calendar.rank, Unit.WORKING_DAYS)


def _closing(hours: OfficeHours, day: Callable[[int], int]) -> Callable[[int], tuple[datetime, int]]:
    def moment(reached: int) -> tuple[datetime, int]:
        ordinal = day(reached)
        return hours.closing(ordinal), ordinal

    return moment


def _itself(ordinal: int) -> int:
    return ordinal


def _is_suspended(spans: Sequence[Span], ordinal: int) -> bool:
    return any(span.begins < ordinal <= (span.ends if span.ends is not None else ordinal) for span in spans)


def _calendar_days(limit: Limit, start: datetime) -> int:
    """The days of a limit in days or in months. A month ends on the day of the same number, or on its last (Civil
    Code, article 202)."""
    if limit.calendar_days is not None:
        return limit.calendar_days
    if limit.months is None:
        raise ValueError("a limit without length")
    years, month = divmod(start.month - 1 + limit.months, 12)
    year, month = start.year + years, month + 1
    last = date(year, month, min(start.day, monthrange(year, month)[1]))
    return last.toordinal() - start.toordinal()


def _day_spans(course: Course, hours: OfficeHours, number: Callable[[int], int]) -> tuple[Span, ...]:
    """Suspensions by whole days: from the day of the suspension to the day before the resumption."""
    first = number(hours.local(course.starts_at).toordinal())

    def spans() -> Iterable[Span]:
        for one in course.suspensions:
            begins = max(first, number(hours.local(one.since).toordinal() - 1))
            ends = None if one.until is None else number(hours.local(one.until).toordinal() - 1)
            yield Span(begins, ends, one)

    return _in_order(spans(), first)


class WallClock:
    """Time by the clock on the wall of a place, in microseconds."""

    def __init__(self, hours: OfficeHours) -> None:
        self._hours = hours

    def position(self, at: datetime) -> int:
        """How much has passed since the first day there is."""
        local = self._hours.local(at)
        return local.toordinal() * DAY + _into_the_day(local.time())

    def moment(self, position: int) -> tuple[datetime, int]:
        """The moment at which so much has passed, and the ordinal of its day."""
        ordinal, into = divmod(position, DAY)
        return self._hours.at(ordinal, into), ordinal

    def at_end_of(self, ordinal: int) -> int:
        """How much has passed at the end of that day."""
        return (ordinal + 1) * DAY


class WorkingClock:
    """Time of working days, of whole ones or of their hours of business alone, in microseconds."""

    def __init__(self, calendar: Calendar, hours: OfficeHours, *, within_hours: bool) -> None:
        self._calendar = calendar
        self._hours = hours
        self._sessions: tuple[tuple[int, int], ...] = ((0, DAY),)
        if within_hours:
            self._sessions = tuple((_into_the_day(opens), _into_the_day(closes)) for opens, closes in hours.sessions)
        self.day = sum(closes - opens for opens, closes in self._sessions)
        """How much of a working day counts."""

    def position(self, at: datetime) -> int:
        """How much has counted since the first day there is."""
        local = self._hours.local(at)
        ordinal = local.toordinal()
        before = self._calendar.rank(ordinal - 1)
        position = before * self.day
        if self._calendar.rank(ordinal) > before:
            now = _into_the_day(local.time())
            position += sum(max(0, min(now, closes) - opens) for opens, closes in self._sessions)
        return position

    def moment(self, position: int) -> tuple[datetime, int]:
        """The last moment at which no more has counted: where a day is used up, the beginning of the next."""
        days, left = divmod(position, self.day)
        ordinal = self._calendar.nth(days + 1)
        for opens, closes in self._sessions:
            if left < closes - opens:
                return self._hours.at(ordinal, opens + left), ordinal
            left -= closes - opens
        raise AssertionError("what is left of a day is less than the day")

    def at_end_of(self, ordinal: int) -> int:
        """How much has counted at the end of that day."""
        return self._calendar.rank(ordinal) * self.day


def _by_the_second(course: Course, clock: WallClock | WorkingClock, amount: int) -> Axis:
    start = clock.position(course.starts_at)

    def spans() -> Iterable[Span]:
        for one in course.suspensions:
            ends = None if one.until is None else clock.position(one.until)
            yield Span(max(start, clock.position(one.since)), ends, one)

    return Axis(start, amount, _in_order(spans(), start), clock.moment, clock.at_end_of, Unit.MICROSECONDS)


def _in_order(spans: Iterable[Span], start: int) -> tuple[Span, ...]:
    """These spans without what lies before the start, and without what another has taken already."""
    kept: list[Span] = []
    reached = start
    for span in sorted(spans, key=lambda span: (span.begins, span.ends is None, span.ends or 0, span.of.since)):
        begins = max(reached, span.begins)
        if span.ends is None:
            kept.append(Span(begins, None, span.of))
            break
        if span.ends > begins:
            kept.append(Span(begins, span.ends, span.of))
            reached = span.ends
    return tuple(kept)


def _into_the_day(at: time) -> int:
    return ((at.hour * 60 + at.minute) * 60 + at.second) * SECOND + at.microsecond
