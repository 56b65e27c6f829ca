"""Deadlines in working days (期限).

The day of the event does not count and the last day counts to the close of business (Civil Code of China, articles
201 and 203; the limits of the Administrative Licensing Law are in working days by its article 82).
"""

from datetime import datetime

from contracts.messages.plans import Limit
from contracts.working_time.calendar import Calendar
from contracts.working_time.counted_time import counted_time, end_of_limit, filing_rank, used_until
from contracts.working_time.hours import OfficeHours
from contracts.working_time.limit_history import CountingRules, Due, LimitHistory, Suspended


def due(course: LimitHistory, terms: CountingRules) -> Due | Suspended:
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
    if isinstance(counted, Suspended):
        return Due(pinned, provisional=False)
    if pinned <= counted.at:
        # What is counted may yet become the earlier, unless all days before the moment are firm.
        return Due(pinned, counted.provisional and terms.hours.local(pinned).date() >= terms.calendar.provisional_from)
    return counted


def resolve(limit: Limit, start: datetime, calendar: Calendar, hours: OfficeHours) -> Due:
    """When a limit ends by the day for something that began at ``start`` and whose course has been straight since."""
    if limit.working_days is not None and limit.due_at is None:
        return due_after(start, limit.working_days, calendar, hours)
    found = due(LimitHistory(limit, start), CountingRules(calendar, hours))
    if isinstance(found, Suspended):
        raise AssertionError("what nothing suspends is not suspended")
    return found


def _counted(course: LimitHistory, terms: CountingRules) -> Due | Suspended:
    axis = counted_time(course, terms)
    found = end_of_limit(axis)
    if found is None:
        span = axis.spans[-1]
        return Suspended(span.of.since, axis.amount - used_until(axis, span.begins), axis.unit)
    at, ordinal = found
    return Due(at, ordinal >= terms.calendar.provisional_from.toordinal())


def due_after(start: datetime, working_days: int, calendar: Calendar, hours: OfficeHours) -> Due:
    """The close of business on the ``working_days``-th working day after the local day of ``start``.

    With 0 working days (a filing, 备案) it is due on the spot: at the next close of business of a working day.
    """
    if working_days < 0:
        raise ValueError("a limit cannot be negative")
    local = hours.local(start)
    rank = calendar.rank(local.toordinal()) + working_days if working_days else filing_rank(local, calendar, hours)
    last = calendar.ordinal_of(rank)
    return Due(hours.closing(last), last >= calendar.provisional_from.toordinal())


def working_days_before(at: datetime, n: int, calendar: Calendar, hours: OfficeHours) -> datetime:
    """The opening of business on the n-th working day before the local day of ``at``, in UTC.

    With n = 0 it is the opening of business of that day itself or, when it is no working day, of the last working
    day before it.
    """
    day = hours.local(at)
    ordinal = day.toordinal()
    reached = calendar.rank(ordinal if n == 0 else ordinal - 1)
    return hours.opening(calendar.ordinal_of(reached - n + (n > 0)))


def working_days_between(start: datetime, end: datetime, calendar: Calendar, hours: OfficeHours) -> int:
    """How many working days ``end`` lies after ``start``, for statistics: counted as a deadline is.

    The local day of ``start`` does not count, that of ``end`` does; negative when ``end`` lies on an earlier day.
    """
    return calendar.rank(hours.local(end).toordinal()) - calendar.rank(hours.local(start).toordinal())
