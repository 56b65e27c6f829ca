"""The explanation of a deadline: each day that counted or did not, and why (期限推算)."""

from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum

from contracts.values import Value
from contracts.working_time.calendar import Calendar
from contracts.working_time.counted_time import CountedTime, counted_time, end_of_limit, used_until
from contracts.working_time.deadlines import due
from contracts.working_time.hours import OfficeHours
from contracts.working_time.limit_history import CountingRules, Due, LimitHistory, Suspended, Suspension, Unit

CIVIL_CODE = "民法典"
LICENSING_LAW = "行政许可法"

MAX_DAYS = 20_000
"""Days in an explanation at the most: more than any limit has without suspensions."""


class DayKind(StrEnum):
    """The reason why a day counts or does not."""

    EVENT = "event"
    """The day of the event itself does not count."""
    COUNTED = "counted"
    MAKEUP = "makeup"
    """A Saturday or Sunday worked in place of a holiday counts."""
    WEEKEND = "weekend"
    HOLIDAY = "holiday"
    SUSPENDED = "suspended"
    ROLLED = "rolled"
    """The limit is used up, but its last day must be a working day."""


class ExplainedDay(Value):
    """One day of a limit."""

    day: date
    kind: DayKind
    counted: int
    """How much of the limit the day used up, in the limit's unit."""
    total: int
    """How much is used up at the end of the day."""
    name: str = ""
    """The festival, where a notice names one."""
    reason: str = ""
    article: str = ""
    provisional: bool = False
    """Whether a future notice may still change the day."""


class Explanation(Value):
    """The explanation of one deadline."""

    began_at: datetime
    starts_at: datetime
    """The moment from which time is counted: later than ``began_at`` if the limit was restarted."""
    amount: int
    """The limit's length, an extension included, in ``unit``."""
    extended_by: int = 0
    unit: Unit
    rule: str
    region: str
    calendar: str
    """The version of the calendar."""
    zone: str
    due_at: datetime | None
    """None while the limit is suspended."""
    pinned: bool = False
    """Whether another party fixed the moment, and no counted limit ends sooner."""
    without_effect: tuple[Suspension, ...] = ()
    """Suspensions that do not move the deadline, because another party fixed it."""
    provisional_from: date | None = None
    """The first day that a future notice may still change, if the deadline is provisional."""
    suspended_since: datetime | None = None
    left: int | None = None
    """The rest of a suspended limit, in ``unit``."""
    truncated: bool = False
    """Whether the last days are left out because there are too many."""
    articles: tuple[str, ...]
    days: tuple[ExplainedDay, ...]


def explain(history: LimitHistory, rules: CountingRules) -> Explanation:
    """The explanation of a limit. A moment that another party fixed has no days. Raises what `due` raises."""
    found = due(history, rules)
    limit = Explanation(
        began_at=history.began_at,
        starts_at=history.starts_at,
        amount=0,
        unit=Unit.WORKING_DAYS,
        rule=rules.method,
        region=rules.calendar.region,
        calendar=rules.calendar.version,
        zone=rules.hours.zone,
        due_at=history.limit.due_at,
        pinned=True,
        without_effect=history.suspensions,
        articles=(),
        days=(),
    )
    if not history.limit.counted:
        return limit
    time = counted_time(history, rules)
    suspended = found if isinstance(found, Suspended) else None
    at = found.at if isinstance(found, Due) else None
    pinned = at is not None and at == history.limit.due_at
    first = rules.hours.local(history.starts_at).toordinal()
    end = rules.hours.local(at).toordinal() if pinned and at is not None else _last_day(time, rules)
    last = min(max(first, end), first + MAX_DAYS)
    return limit.replace(
        amount=time.amount,
        extended_by=history.extension.days if history.extension else 0,
        unit=time.unit,
        due_at=at,
        pinned=pinned,
        without_effect=history.suspensions if pinned else (),
        truncated=last < end,
        provisional_from=rules.calendar.provisional_from if isinstance(found, Due) and found.provisional else None,
        suspended_since=suspended.since if suspended else None,
        left=suspended.left if suspended else None,
        articles=tuple(_articles(history, time)),
        days=_days(history, time, first, last, rules),
    )


def _last_day(time: CountedTime, rules: CountingRules) -> int:
    if (found := end_of_limit(time)) is not None:
        return found[1]
    # Up to the first day of the open suspension.
    return rules.hours.local(time.spans[-1].suspension.since).toordinal()


def _days(
    history: LimitHistory, time: CountedTime, first: int, last: int, rules: CountingRules
) -> tuple[ExplainedDay, ...]:
    days = []
    total = 0
    for ordinal in range(first, last + 1):
        day = date.fromordinal(ordinal)
        counted = used_until(time, time.at_end_of(ordinal)) - used_until(time, time.at_end_of(ordinal - 1))
        total += counted
        entry = rules.calendar.notice_day(day)
        suspension = None if counted else _suspension(history.suspensions, day, time.unit, rules.hours)
        kind = _kind(time, day, counted, total, ordinal == first, rules.calendar, suspension)
        if kind is not DayKind.SUSPENDED:
            suspension = None
        days.append(
            ExplainedDay(
                day=day,
                kind=kind,
                counted=counted,
                total=total,
                name=entry.name if entry and kind in (DayKind.HOLIDAY, DayKind.MAKEUP) else "",
                reason=suspension.reason if suspension else "",
                article=suspension.article if suspension else "",
                provisional=day >= rules.calendar.provisional_from,
            )
        )
    return tuple(days)


def _suspension(suspensions: Sequence[Suspension], day: date, unit: Unit, hours: OfficeHours) -> Suspension | None:
    """The suspension of this day, if any. By the second it covers the day of resumption as well, in part."""
    for one in suspensions:
        until = date.max if one.until is None else hours.local(one.until).date()
        if hours.local(one.since).date() <= day and (day < until or (day == until and unit is Unit.MICROSECONDS)):
            return one
    return None


def _kind(
    time: CountedTime,
    day: date,
    counted: int,
    total: int,
    is_first: bool,
    calendar: Calendar,
    suspension: Suspension | None,
) -> DayKind:
    entry = calendar.notice_day(day)
    if counted:
        return DayKind.MAKEUP if entry and not entry.off else DayKind.COUNTED
    if is_first and time.unit is not Unit.MICROSECONDS:
        return DayKind.EVENT
    if suspension is not None and (total < time.amount or time.unit is Unit.CALENDAR_DAYS):
        return DayKind.SUSPENDED
    if not calendar.is_working(day):
        return DayKind.HOLIDAY if entry and entry.off else DayKind.WEEKEND
    return DayKind.ROLLED if total >= time.amount else DayKind.EVENT


def _articles(history: LimitHistory, time: CountedTime) -> list[str]:
    articles = []
    if time.unit is not Unit.MICROSECONDS:
        articles += [f"{CIVIL_CODE}第二百零一条", f"{CIVIL_CODE}第二百零三条"]
    if history.limit.months is not None:
        articles.append(f"{CIVIL_CODE}第二百零二条")
    if time.unit is Unit.WORKING_DAYS:
        articles.append(f"{LICENSING_LAW}第八十二条")
    if history.extension is not None:
        articles.append(f"{LICENSING_LAW}第四十二条")
    articles += [one.article for one in history.suspensions if one.article]
    return list(dict.fromkeys(articles))
