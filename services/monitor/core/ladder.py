"""When the rungs of the supervision ladder (预警, 黄牌, 红牌, 督办) fall due, and the limits they follow from. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache

from contracts.envelope import Instant
from contracts.messages.alerts import Rung
from contracts.messages.commitments import Pause
from contracts.messages.plans import Limit, Limits
from contracts.values import Value
from contracts.working_time import (
    CountingMethod,
    CountingRules,
    Due,
    Extension,
    LimitHistory,
    Suspended,
    Suspension,
    due,
    due_after,
    resolve,
    working_days_before,
)
from services.monitor.core.rules import LimitKind, RungRule, Scale

DAYS_KEPT = 4096
"""Most days, each with limits and a scale, for which it is remembered when rungs fall due."""

_DAY = 86_400_000_000
"""Microseconds of a day."""


@dataclass(frozen=True, slots=True)
class ClockHistory:
    """How the time of a commitment has run: from when on, and what suspended, restarted or lengthened it."""

    began_at: datetime
    suspensions: tuple[Suspension, ...] = ()
    extension: Extension | None = None
    restarted_at: datetime | None = None

    @property
    def straight(self) -> bool:
        """Whether nothing has happened to it."""
        return not self.suspensions and self.extension is None and self.restarted_at is None

    @property
    def starts_at(self) -> datetime:
        """From when time is counted."""
        return self.began_at if self.restarted_at is None else max(self.began_at, self.restarted_at)

    def course(self, limit: Limit, more_days: int = 0) -> LimitHistory:
        """The course of this limit, or of one so many days longer."""
        extension = self.extension
        if more_days:
            days = more_days + (extension.days if extension else 0)
            extension = Extension(days, "what the rung allows", self.began_at)
        return LimitHistory(limit, self.began_at, self.suspensions, extension, self.restarted_at)


class DueDates(Value):
    """When each rung falls due, and each limit ends.

    A rung that there is not has no moment; nor has one that falls due only after an open suspension. ``committed`` and
    ``statutory`` are left out where they are the moments of the yellow and the red rung.
    """

    warning: Instant | None = None
    yellow: Instant | None = None
    red: Instant | None = None
    further: Instant | None = None
    committed: Instant | None = None
    statutory: Instant | None = None
    provisional: bool = False
    """Holidays not yet published may still move one of the limits."""
    pause: Pause | None = None

    @property
    def told(self) -> tuple[datetime, datetime, bool, Pause | None]:
        """What others are told of it: both limits, whether they are provisional, and whether they stand still."""
        return self.committed_due, self.statutory_due, self.provisional, self.pause

    def ladder(self) -> tuple[tuple[Rung, datetime], ...]:
        """The rungs from the lowest to the highest, each with the moment at which it falls due."""
        found = []
        if self.warning is not None:
            found.append((Rung.WARNING, self.warning))
        if self.yellow is not None:
            found.append((Rung.YELLOW, self.yellow))
        if self.red is not None:
            found.append((Rung.RED, self.red))
        if self.further is not None:
            found.append((Rung.FURTHER, self.further))
        return tuple(found)

    def has_card_before(self, at: datetime) -> bool:
        """Whether a rung that is a card falls due before that moment."""
        return (
            (self.yellow is not None and self.yellow < at)
            or (self.red is not None and self.red < at)
            or (self.further is not None and self.further < at)
        )

    def cards(self) -> tuple[datetime, ...]:
        """When each rung falls due that is a card."""
        return tuple(at for at in (self.yellow, self.red, self.further) if at is not None)

    def of(self, rung: Rung) -> datetime | None:
        """When this rung falls due."""
        return dict(self.ladder()).get(rung)

    @property
    def committed_due(self) -> datetime:
        """When the committed limit ends; of a paused one, when it would have had it run on."""
        return _known(self.committed or self.yellow)

    @property
    def statutory_due(self) -> datetime:
        """When the statutory limit ends; of a paused one, when it would have had it run on."""
        return _known(self.statutory or self.red)


def due_dates(limits: Limits, run: ClockHistory, scale: Scale) -> DueDates:
    """When each rung of a commitment falls due.

    Raises `OverflowError` or `ValueError` for a limit that ends beyond the year 9999.
    """
    committed, statutory, terms = limits.committed, limits.statutory, scale.terms
    if (
        committed.working_days
        and statutory.working_days
        and committed.due_at is None
        and statutory.due_at is None
        and terms.method is CountingMethod.DAY
        and run.straight
    ):
        day = terms.hours.local(run.began_at).toordinal()
        if found := _of_a_day(committed.working_days, statutory.working_days, day, scale):
            return found
    return _due_dates(limits, run, scale)


@lru_cache(maxsize=DAYS_KEPT)
def _of_a_day(committed: int, statutory: int, day: int, scale: Scale) -> DueDates | None:
    """When the rungs of limits in working days fall due for all that begins on the day with this ordinal; None where
    the time of the day counts."""
    limits = Limits(committed=Limit(working_days=committed), statutory=Limit(working_days=statutory))
    at_its_end = scale.terms.hours.at(day, _DAY - 1)
    found = _due_dates(limits, ClockHistory(at_its_end), scale)
    return found if all(at > at_its_end for _, at in found.ladder()) else None


def _due_dates(limits: Limits, run: ClockHistory, scale: Scale) -> DueDates:
    terms = scale.terms
    ends = {
        LimitKind.COMMITTED: _end(limits.committed, run, terms),
        LimitKind.STATUTORY: _end(limits.statutory, run, terms),
    }
    rungs = {rung: _moment(rule, limits, ends[rule.limit], run, terms) for rung, rule in scale.ladder.items()}
    paused = next((end for end in ends.values() if isinstance(end, Suspended)), None)
    committed, statutory = (_as_if_it_ran(end, kind, limits, run, terms) for kind, end in ends.items())
    yellow, red = rungs.get(Rung.YELLOW), rungs.get(Rung.RED)
    return DueDates(
        warning=rungs.get(Rung.WARNING),
        yellow=yellow,
        red=red,
        further=rungs.get(Rung.FURTHER),
        committed=committed.at if committed.at != yellow else None,
        statutory=statutory.at if statutory.at != red else None,
        provisional=committed.provisional or statutory.provisional,
        pause=Pause(since=paused.since, left=paused.left, unit=paused.unit) if paused is not None else None,
    )


def _end(limit: Limit, run: ClockHistory, terms: CountingRules) -> Due | Suspended:
    if run.straight and terms.method is CountingMethod.DAY:
        return resolve(limit, run.began_at, terms.calendar, terms.hours)
    return due(run.course(limit), terms)


def _as_if_it_ran(
    end: Due | Suspended, kind: LimitKind, limits: Limits, run: ClockHistory, terms: CountingRules
) -> Due:
    if isinstance(end, Due):
        return end
    running = replace(run, suspensions=tuple(one for one in run.suspensions if one.until is not None))
    limit = limits.committed if kind is LimitKind.COMMITTED else limits.statutory
    found = _end(limit, running, terms)
    assert isinstance(found, Due), "what nothing suspends is not suspended"
    return found


def _moment(
    rule: RungRule, limits: Limits, end: Due | Suspended, run: ClockHistory, terms: CountingRules
) -> datetime | None:
    """When one rung falls due; None if an open suspension lies before it."""
    limit = limits.committed if rule.limit is LimitKind.COMMITTED else limits.statutory
    if rule.early:
        return _early(rule, limit, end, run, terms)
    if rule.days_over == 0:
        return end.at if isinstance(end, Due) else None
    if not limit.counted:  # days after a moment that somebody else has fixed
        return due_after(_fixed(limit), rule.days_over, terms.calendar, terms.hours).at
    found = due(run.course(limit.replace(due_at=None), rule.days_over), terms)
    counted = found.at if isinstance(found, Due) else None
    if limit.due_at is None:
        return counted
    # The limit is the earlier of its length and a fixed moment, and so are the days after it.
    fixed = due_after(limit.due_at, rule.days_over, terms.calendar, terms.hours).at
    return fixed if counted is None else min(fixed, counted)


def _early(
    rule: RungRule, limit: Limit, end: Due | Suspended, run: ClockHistory, terms: CountingRules
) -> datetime | None:
    """When so much of the limit is left, or used.

    Never before there was anything to warn of, and never after the end of the limit: a commitment that was broken when
    it was opened climbs the ladder in order all the same.
    """
    if limit.working_days == 0 and isinstance(end, Due):
        # What must be done on the spot leaves no time to warn in. A warning at the opening would warn of every filing,
        # so it falls due with the limit and only the late ones are warned of.
        return end.at
    found = _begins(rule, limit, end, run, terms)
    if found is None:
        return None
    found = max(found, run.starts_at)
    return min(found, end.at) if isinstance(end, Due) else found


def _begins(
    rule: RungRule, limit: Limit, end: Due | Suspended, run: ClockHistory, terms: CountingRules
) -> datetime | None:
    """When the day begins that has so many days of the limit after it."""
    days = limit.working_days
    if days is not None and limit.due_at is None:
        days += run.extension.days if run.extension else 0
        used = days - rule.days_before(days) - (terms.method is CountingMethod.SECOND)
        if used <= 0:
            return run.starts_at
        if run.straight and terms.method is CountingMethod.DAY:
            reached: Due | Suspended = due_after(run.began_at, used, terms.calendar, terms.hours)
        else:  # the extension is within ``used``
            course = LimitHistory(Limit(working_days=used), run.began_at, run.suspensions, None, run.restarted_at)
            reached = due(course, terms)
        if isinstance(reached, Suspended):
            return None
        if terms.method is CountingMethod.SECOND:
            return reached.at
        return terms.hours.opening(terms.hours.local(reached.at).toordinal())
    if limit.working_minutes is not None and rule.share_used is not None:
        minutes = max(1, int(limit.working_minutes * rule.share_used))
        reached = due(run.course(Limit(working_minutes=minutes)), terms)
        return reached.at if isinstance(reached, Due) else None
    if isinstance(end, Suspended):
        return None
    return working_days_before(end.at, rule.days_before(None), terms.calendar, terms.hours)


def _fixed(limit: Limit) -> datetime:
    return _known(limit.due_at)


def _known(at: datetime | None) -> datetime:
    assert at is not None
    return at
