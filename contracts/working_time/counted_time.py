"""Counted time as a number: where a limit ends, and how suspensions defer the end.

Each unit of limits and each counting method has its own mapping between moments and numbers. On the numbers all limits
are computed alike.
"""

from calendar import monthrange
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

from contracts.messages.plans import Limit
from contracts.working_time.calendar import Calendar
from contracts.working_time.hours import OfficeHours
from contracts.working_time.limit_history import CountingMethod, CountingRules, LimitHistory, Suspension, Unit

SECOND = 1_000_000
DAY = 86_400 * SECOND
"""By the second, time is counted in whole microseconds, so no moment is rounded."""

_MICROSECOND = timedelta(microseconds=1)


class SuspendedSpan(NamedTuple):
    """A suspension in counted time: the numbers between ``begins`` and ``ends`` do not count.

    ``ends`` is None while it is open.
    """

    begins: int
    ends: int | None
    suspension: Suspension


class CountedTime(NamedTuple):
    """Counted time of one limit: a number that grows while time counts and stands still while it does not."""

    start: int
    amount: int
    """The length of the limit."""
    spans: tuple[SuspendedSpan, ...]
    """The suspensions after the start, ordered and without overlap."""
    moment: Callable[[int], tuple[datetime, int] | None]
    """The moment at which a limit that reaches this number ends, and the ordinal of its local day.

    None if an open suspension lies before it.
    """
    at_end_of: Callable[[int], int]
    """The number at the end of the local day with this ordinal."""
    unit: Unit


def end_of_limit(time: CountedTime) -> tuple[datetime, int] | None:
    """The end of the limit and the ordinal of its local day; None if an open suspension lies before it."""
    reached = _end_position(time)
    return None if reached is None else time.moment(reached)


def _end_position(time: CountedTime) -> int | None:
    """The number that the limit reaches; None if an open suspension lies before it."""
    target = time.start + time.amount
    for span in time.spans:
        # In whole days, a limit that ends on the day before the suspension is not affected. By the second, a limit that
        # is used up when the suspension begins lasts until its end, since only more time than the limit is late.
        if span.begins > target or (time.unit is not Unit.MICROSECONDS and span.begins == target):
            break
        if span.ends is None:
            return None
        target += span.ends - span.begins
    return target


def used_until(time: CountedTime, until: int) -> int:
    """How much of the limit is used up at ``until``."""
    used = max(time.start, until) - time.start
    for span in time.spans:
        ends = until if span.ends is None else min(until, span.ends)
        used -= max(0, ends - span.begins)
    return min(used, time.amount)


def counted_time(history: LimitHistory, rules: CountingRules) -> CountedTime:
    """The counted time of this limit."""
    limit, calendar, hours = history.limit, rules.calendar, rules.hours
    more = history.extension.days if history.extension else 0
    start = hours.local(history.starts_at)
    if limit.working_minutes is not None:
        clock = WorkingClock(calendar, hours, within_hours=True)
        return _to_the_second(history, clock, 60 * SECOND * limit.working_minutes + more * clock.day)
    if limit.working_days == 0 and not more:
        return _filing(start, rules)
    if rules.method is CountingMethod.SECOND:
        if limit.working_days is not None:
            clock = WorkingClock(calendar, hours, within_hours=False)
            return _to_the_second(history, clock, (limit.working_days + more) * DAY)
        return _to_the_second(history, WallClock(hours), (_calendar_days(limit, start) + more) * DAY)
    if limit.working_days is not None:
        first = calendar.rank(start.toordinal())
        spans = _day_spans(history, hours, calendar.rank)
        moment = _closing_of(hours, calendar.ordinal_of)
        return CountedTime(first, limit.working_days + more, spans, moment, calendar.rank, Unit.WORKING_DAYS)
    spans = _day_spans(history, hours, _identity)

    def on_a_working_day(ordinal: int) -> int | None:
        """If the last day is a day off, the next working day is the last (Civil Code, article 203)."""
        while True:
            span = _span_covering(spans, ordinal)
            if span is None and calendar.is_working(date.fromordinal(ordinal)):
                return ordinal
            if span is not None and span.ends is None:
                return None
            ordinal += 1

    days = _calendar_days(limit, start) + more
    return CountedTime(
        start.toordinal(), days, spans, _closing_of(hours, on_a_working_day), _identity, Unit.CALENDAR_DAYS
    )


def _filing(start: datetime, rules: CountingRules) -> CountedTime:
    """A filing (备案) must be completed on the spot. It takes no time, so nothing suspends it."""
    calendar, hours = rules.calendar, rules.hours
    rank = filing_rank(start, calendar, hours)
    return CountedTime(rank, 0, (), _closing_of(hours, calendar.ordinal_of), calendar.rank, Unit.WORKING_DAYS)


def _closing_of(hours: OfficeHours, day: Callable[[int], int | None]) -> Callable[[int], tuple[datetime, int] | None]:
    def moment(reached: int) -> tuple[datetime, int] | None:
        ordinal = day(reached)
        return None if ordinal is None else (hours.closing(ordinal), ordinal)

    return moment


def _identity(ordinal: int) -> int:
    return ordinal


def _span_covering(spans: Sequence[SuspendedSpan], ordinal: int) -> SuspendedSpan | None:
    return next((one for one in spans if one.begins < ordinal and (one.ends is None or ordinal <= one.ends)), None)


def _calendar_days(limit: Limit, start: datetime) -> int:
    """The calendar days of a limit in days or in months.

    A month ends on the day with the same number, or on its last day (Civil Code, article 202).
    """
    if limit.calendar_days is not None:
        return limit.calendar_days
    if limit.months is None:
        raise ValueError("a limit without length")
    years, month = divmod(start.month - 1 + limit.months, 12)
    year, month = start.year + years, month + 1
    last = date(year, month, min(start.day, monthrange(year, month)[1]))
    return last.toordinal() - start.toordinal()


def _day_spans(history: LimitHistory, hours: OfficeHours, number: Callable[[int], int]) -> tuple[SuspendedSpan, ...]:
    """Suspensions in whole days: from the day of the suspension to the day before the resumption."""
    start = number(hours.local(history.starts_at).toordinal())
    return _spans(history, start, lambda at: number(hours.local(at).toordinal() - 1))


class WallClock:
    """The local wall clock of a place, as a number of microseconds."""

    def __init__(self, hours: OfficeHours) -> None:
        self._hours = hours

    def position(self, at: datetime) -> int:
        """The microseconds since ordinal 0."""
        local = self._hours.local(at)
        return local.toordinal() * DAY + _microseconds_of(local)

    def moment(self, position: int) -> tuple[datetime, int]:
        """The moment at this position, and the ordinal of its day."""
        ordinal, into = divmod(position, DAY)
        return self._hours.at(ordinal, into), ordinal

    def at_end_of(self, ordinal: int) -> int:
        """The position at the end of that day."""
        return (ordinal + 1) * DAY


class WorkingClock:
    """The time of working days in microseconds: whole days, or their hours of business only (``within_hours``)."""

    def __init__(self, calendar: Calendar, hours: OfficeHours, *, within_hours: bool) -> None:
        self._calendar = calendar
        self._hours = hours
        self._sessions: tuple[tuple[int, int], ...] = ((0, DAY),)
        if within_hours:
            self._sessions = tuple((opens // _MICROSECOND, closes // _MICROSECOND) for opens, closes in hours.sessions)
        self.day = sum(closes - opens for opens, closes in self._sessions)
        """The counted microseconds of one working day."""

    def position(self, at: datetime) -> int:
        """The counted microseconds since the first working day."""
        local = self._hours.local(at)
        ordinal = local.toordinal()
        before = self._calendar.rank(ordinal - 1)
        position = before * self.day
        if self._calendar.rank(ordinal) > before:
            now = _microseconds_of(local)
            position += sum(max(0, min(now, closes) - opens) for opens, closes in self._sessions)
        return position

    def moment(self, position: int) -> tuple[datetime, int]:
        """The last moment at which no more has counted: where a day is used up, the beginning of the next."""
        days, left = divmod(position, self.day)
        ordinal = self._calendar.ordinal_of(days + 1)
        for opens, closes in self._sessions:
            if left < closes - opens:
                return self._hours.at(ordinal, opens + left), ordinal
            left -= closes - opens
        raise AssertionError("what is left of a day is less than the day")

    def at_end_of(self, ordinal: int) -> int:
        """How much has counted at the end of that day."""
        return self._calendar.rank(ordinal) * self.day


def _to_the_second(history: LimitHistory, clock: WallClock | WorkingClock, amount: int) -> CountedTime:
    start = clock.position(history.starts_at)
    spans = _spans(history, start, clock.position)
    return CountedTime(start, amount, spans, clock.moment, clock.at_end_of, Unit.MICROSECONDS)


def _spans(history: LimitHistory, start: int, position: Callable[[datetime], int]) -> tuple[SuspendedSpan, ...]:
    """The suspensions in order, without what lies before the start, and without what another has taken already."""
    found = [
        SuspendedSpan(max(start, position(one.since)), None if one.until is None else position(one.until), one)
        for one in history.suspensions
    ]
    kept: list[SuspendedSpan] = []
    reached = start
    for span in sorted(found, key=lambda span: (span.begins, span.ends is None, span.ends or 0, span.suspension.since)):
        begins = max(reached, span.begins)
        if span.ends is None:
            kept.append(SuspendedSpan(begins, None, span.suspension))
            break
        if span.ends > begins:
            kept.append(SuspendedSpan(begins, span.ends, span.suspension))
            reached = span.ends
    return tuple(kept)


def _microseconds_of(local: datetime) -> int:
    return ((local.hour * 60 + local.minute) * 60 + local.second) * SECOND + local.microsecond


def filing_rank(local: datetime, calendar: Calendar, hours: OfficeHours) -> int:
    """The rank of the working day on which a filing that came in at this local time must be completed.

    A filing that comes in on a day off or after closing is received when the office opens next, so that the deadline
    never lies before the event.
    """
    in_time = calendar.is_working(local) and _microseconds_of(local) <= hours.closes // _MICROSECOND
    return calendar.rank(local.toordinal()) + (not in_time)
