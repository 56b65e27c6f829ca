"""Deadlines in working days (期限).

The day of the event does not count and the last day counts to the close of business (Civil Code of China, articles
201 and 203; the limits of the Administrative Licensing Law are in working days by its article 82).
"""

from collections.abc import Sequence
from datetime import datetime

from contracts.messages.plans import Limit
from contracts.working_time.calendar import Calendar
from contracts.working_time.counted_time import counted_time, end_of_limit, filing_rank, used_until
from contracts.working_time.hours import OfficeHours
from contracts.working_time.limit_history import CountingMethod, CountingRules, Due, LimitHistory, Suspended, Suspension

_ENDLESS = Limit(working_days=3650)
"""Longer than any commitment takes: all days count towards it."""


def due(history: LimitHistory, rules: CountingRules) -> Due | Suspended:
    """The end of the limit. A moment fixed by another party never moves, and applies if it is the earlier one.

    Raises `OverflowError` or `ValueError` for a limit that ends beyond the year 9999.
    """
    pinned = history.limit.due_at
    if not history.limit.counted:
        if pinned is None:
            raise ValueError("a limit without a length and a moment")
        return Due(pinned, provisional=False)
    counted = _counted(history, rules)
    if pinned is None:
        return counted
    if isinstance(counted, Suspended):
        return Due(pinned, provisional=False)
    if pinned <= counted.at:
        # The counted end may still move before the fixed moment, unless all days up to that moment are final.
        return Due(pinned, counted.provisional and rules.hours.local(pinned).date() >= rules.calendar.provisional_from)
    return counted


def due_uninterrupted(limit: Limit, start: datetime, rules: CountingRules) -> Due:
    """The end of a limit without suspension, restart or extension. Raises what `due` raises."""
    if limit.working_days is not None and limit.due_at is None and rules.method is CountingMethod.DAY:
        return due_after(start, limit.working_days, rules.calendar, rules.hours)
    found = due(LimitHistory(limit, start), rules)
    assert isinstance(found, Due), "a limit without suspensions has an end"
    return found


def _counted(history: LimitHistory, rules: CountingRules) -> Due | Suspended:
    time = counted_time(history, rules)
    found = end_of_limit(time)
    if found is None:
        span = time.spans[-1]
        return Suspended(span.suspension.since, time.amount - used_until(time, span.begins), time.unit)
    at, ordinal = found
    return Due(at, ordinal >= rules.calendar.provisional_from.toordinal())


def due_after(start: datetime, working_days: int, calendar: Calendar, hours: OfficeHours) -> Due:
    """The close of business on the ``working_days``-th working day after the local day of ``start``.

    With 0 working days (a filing, 备案) it is due on the spot: at the next close of business on a working day.
    """
    if working_days < 0:
        raise ValueError("a limit cannot be negative")
    local = hours.local(start)
    rank = calendar.rank(local.toordinal()) + working_days if working_days else filing_rank(local, calendar, hours)
    last = calendar.ordinal_of(rank)
    return Due(hours.closing(last), last >= calendar.provisional_from.toordinal())


def working_days_before(at: datetime, n: int, calendar: Calendar, hours: OfficeHours) -> datetime:
    """The opening of business on the n-th working day before the local day of ``at``, in UTC.

    With n = 0 it is the opening of business of that day or, if it is no working day, of the last working day before.
    """
    day = hours.local(at)
    ordinal = day.toordinal()
    reached = calendar.rank(ordinal if n == 0 else ordinal - 1)
    return hours.opening(calendar.ordinal_of(reached - n + (n > 0)))


def working_days_between(start: datetime, end: datetime, calendar: Calendar, hours: OfficeHours) -> int:
    """The number of working days from ``start`` to ``end``, for statistics, counted as for deadlines.

    The local day of ``start`` does not count, that of ``end`` does. Negative if ``end`` lies on an earlier day.
    """
    return calendar.rank(hours.local(end).toordinal()) - calendar.rank(hours.local(start).toordinal())


def working_days_used(start: datetime, suspensions: Sequence[Suspension], end: datetime, rules: CountingRules) -> int:
    """The number of working days that have counted from ``start`` to ``end``, for statistics: those of suspensions do
    not. 0 if ``end`` lies before ``start``."""
    until = rules.calendar.rank(rules.hours.local(end).toordinal())
    if not suspensions:
        return max(0, until - rules.calendar.rank(rules.hours.local(start).toordinal()))
    history = LimitHistory(_ENDLESS, start, tuple(suspensions))
    return used_until(counted_time(history, CountingRules(rules.calendar, rules.hours)), until)
