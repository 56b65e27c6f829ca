"""Deadlines in working days (期限).

The day of the event does not count and the last day counts to the close of business (Civil Code of China, articles
201 and 203; the limits of the Administrative Licensing Law are in working days by its article 82).
"""

from datetime import datetime
from typing import NamedTuple

from contracts.working_time.calendar import Calendar
from contracts.working_time.hours import OfficeHours


class Due(NamedTuple):
    """When something is due, in UTC; provisional when holidays not yet published may still move it."""

    at: datetime
    provisional: bool


def due_after(start: datetime, working_days: int, calendar: Calendar, hours: OfficeHours) -> Due:
    """The close of business on the ``working_days``-th working day after the local day of ``start``.

    With 0 working days (a filing, 备案) it is due on the spot: at the next close of business of a working day.
    """
    if working_days < 0:
        raise ValueError("a limit cannot be negative")
    local = hours.local(start)
    rank = calendar.rank(local.toordinal()) + working_days if working_days else rank_on_the_spot(local, calendar, hours)
    last = calendar.nth(rank)
    return Due(hours.closing(last), last >= calendar.first_unpublished.toordinal())


def rank_on_the_spot(local: datetime, calendar: Calendar, hours: OfficeHours) -> int:
    """The rank of the working day on which a filing that came in at this local time must be completed.

    Nobody is there to do so on a day off or after closing: what comes in then is received when the office opens next.
    A deadline never lies before its event.
    """
    in_time = calendar.is_working(local) and local.time() <= hours.closes
    return calendar.rank(local.toordinal()) + (not in_time)


def working_days_before(at: datetime, n: int, calendar: Calendar, hours: OfficeHours) -> datetime:
    """The opening of business on the n-th working day before the local day of ``at``, in UTC.

    With n = 0 it is the opening of business of that day itself or, when it is no working day, of the last working
    day before it.
    """
    day = hours.local(at)
    ordinal = day.toordinal()
    reached = calendar.rank(ordinal if n == 0 else ordinal - 1)
    return hours.opening(calendar.nth(reached - n + (n > 0)))


def working_days_between(start: datetime, end: datetime, calendar: Calendar, hours: OfficeHours) -> int:
    """How many working days ``end`` lies after ``start``, for statistics: counted as a deadline is.

    The local day of ``start`` does not count, that of ``end`` does; negative when ``end`` lies on an earlier day.
    """
    return calendar.rank(hours.local(end).toordinal()) - calendar.rank(hours.local(start).toordinal())
