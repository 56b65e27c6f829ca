"""When the rungs of the supervision ladder (预警, 黄牌, 红牌, 督办) fall due, and when the limits end. Pure."""

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
    due_uninterrupted,
    working_days_before,
)
from services.monitor.core.rules import CountedLadder, LimitKind, RungRule

CACHED_DAYS = 4096
"""Size of the cache of due dates: entries of a day with its limits and counted ladder."""

_DAY = 86_400_000_000
"""Microseconds of a day."""


@dataclass(frozen=True, slots=True)
class ClockHistory:
    """How the time of a commitment has run: its beginning, and what suspended, extended or restarted it."""

    began_at: datetime
    suspensions: tuple[Suspension, ...] = ()
    extension: Extension | None = None
    restarted_at: datetime | None = None

    @property
    def is_uninterrupted(self) -> bool:
        """Whether nothing has changed its time."""
        return not self.suspensions and self.extension is None and self.restarted_at is None

    @property
    def starts_at(self) -> datetime:
        """The moment from which time counts."""
        return self.began_at if self.restarted_at is None else max(self.began_at, self.restarted_at)

    def limit_history(self, limit: Limit, more_days: int = 0) -> LimitHistory:
        """How the time of this limit has run, or of one that is ``more_days`` longer."""
        extension = self.extension
        if more_days:
            days = more_days + (extension.days if extension else 0)
            extension = Extension(days, "what the rung allows", self.began_at)
        return LimitHistory(limit, self.began_at, self.suspensions, extension, self.restarted_at)


class DueDates(Value):
    """When each rung falls due, and when each limit ends.

    A rung that the ladder lacks has no moment, nor has one that falls due only after an open suspension. ``committed``
    and ``statutory`` are omitted where they equal the moments of the yellow and the red rung.
    """

    warning: Instant | None = None
    yellow: Instant | None = None
    red: Instant | None = None
    oversight: Instant | None = None
    committed: Instant | None = None
    statutory: Instant | None = None
    provisional: bool = False
    """Holidays not yet published may still move one of the limits."""
    pause: Pause | None = None

    @property
    def published(self) -> tuple[datetime, datetime, bool, Pause | None]:
        """The published part: both limits, whether they are provisional, and whether they are paused."""
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
        if self.oversight is not None:
            found.append((Rung.OVERSIGHT, self.oversight))
        return tuple(found)

    def has_card_before(self, at: datetime) -> bool:
        """Whether a card falls due before that moment."""
        return (
            (self.yellow is not None and self.yellow < at)
            or (self.red is not None and self.red < at)
            or (self.oversight is not None and self.oversight < at)
        )

    def cards(self) -> tuple[datetime, ...]:
        """When each card falls due: every rung but the warning."""
        return tuple(at for at in (self.yellow, self.red, self.oversight) if at is not None)

    def of(self, rung: Rung) -> datetime | None:
        """When this rung falls due."""
        return dict(self.ladder()).get(rung)

    @property
    def committed_due(self) -> datetime:
        """The end of the committed limit; of a paused one, the end it would have without the open suspension."""
        return _known(self.committed or self.yellow)

    @property
    def statutory_due(self) -> datetime:
        """The end of the statutory limit; of a paused one, the end it would have without the open suspension."""
        return _known(self.statutory or self.red)


def due_dates(limits: Limits, history: ClockHistory, counted_ladder: CountedLadder) -> DueDates:
    """When each rung of a commitment falls due.

    Raises `OverflowError` or `ValueError` for a limit that ends beyond the year 9999.
    """
    committed, statutory, rules = limits.committed, limits.statutory, counted_ladder.counting_rules
    if (
        committed.working_days
        and statutory.working_days
        and committed.due_at is None
        and statutory.due_at is None
        and rules.method is CountingMethod.DAY
        and history.is_uninterrupted
    ):
        day = rules.hours.local(history.began_at).toordinal()
        if found := _of_day(committed.working_days, statutory.working_days, day, counted_ladder):
            return found
    return _due_dates(limits, history, counted_ladder)


@lru_cache(maxsize=CACHED_DAYS)
def _of_day(committed: int, statutory: int, day: int, counted_ladder: CountedLadder) -> DueDates | None:
    """The due dates of limits in working days for every beginning on the day with this ordinal.

    None if they depend on the time of the day.
    """
    limits = Limits(committed=Limit(working_days=committed), statutory=Limit(working_days=statutory))
    end_of_day = counted_ladder.counting_rules.hours.at(day, _DAY - 1)
    found = _due_dates(limits, ClockHistory(end_of_day), counted_ladder)
    return found if all(at > end_of_day for _, at in found.ladder()) else None


def _due_dates(limits: Limits, history: ClockHistory, counted_ladder: CountedLadder) -> DueDates:
    rules = counted_ladder.counting_rules
    ends = {
        LimitKind.COMMITTED: _end(limits.committed, history, rules),
        LimitKind.STATUTORY: _end(limits.statutory, history, rules),
    }
    rungs = {
        rung: _moment(rule, limits, ends[rule.limit], history, rules) for rung, rule in counted_ladder.ladder.items()
    }
    paused = next((end for end in ends.values() if isinstance(end, Suspended)), None)
    committed, statutory = (_end_if_resumed(end, kind, limits, history, rules) for kind, end in ends.items())
    yellow, red = rungs.get(Rung.YELLOW), rungs.get(Rung.RED)
    return DueDates(
        warning=rungs.get(Rung.WARNING),
        yellow=yellow,
        red=red,
        oversight=rungs.get(Rung.OVERSIGHT),
        committed=committed.at if committed.at != yellow else None,
        statutory=statutory.at if statutory.at != red else None,
        provisional=committed.provisional or statutory.provisional,
        pause=Pause(since=paused.since, left=paused.left, unit=paused.unit) if paused is not None else None,
    )


def _end(limit: Limit, history: ClockHistory, rules: CountingRules) -> Due | Suspended:
    if history.is_uninterrupted:
        return due_uninterrupted(limit, history.began_at, rules)
    return due(history.limit_history(limit), rules)


def _end_if_resumed(
    end: Due | Suspended, kind: LimitKind, limits: Limits, history: ClockHistory, rules: CountingRules
) -> Due:
    """The end of a limit as if no suspension were open."""
    if isinstance(end, Due):
        return end
    resumed = replace(history, suspensions=tuple(one for one in history.suspensions if one.until is not None))
    limit = limits.committed if kind is LimitKind.COMMITTED else limits.statutory
    found = _end(limit, resumed, rules)
    assert isinstance(found, Due), "without an open suspension a limit has an end"
    return found


def _moment(
    rule: RungRule, limits: Limits, end: Due | Suspended, history: ClockHistory, rules: CountingRules
) -> datetime | None:
    """When one rung falls due; None if an open suspension lies before it."""
    limit = limits.committed if rule.limit is LimitKind.COMMITTED else limits.statutory
    if rule.is_early:
        return _early_moment(rule, limit, end, history, rules)
    if rule.days_over == 0:
        return end.at if isinstance(end, Due) else None
    if not limit.counted:  # days after a fixed moment
        return due_after(_known(limit.due_at), rule.days_over, rules.calendar, rules.hours).at
    found = due(history.limit_history(limit.replace(due_at=None), rule.days_over), rules)
    counted = found.at if isinstance(found, Due) else None
    if limit.due_at is None:
        return counted
    # The limit is the earlier of its length and a fixed moment, and so are the days after it.
    fixed = due_after(limit.due_at, rule.days_over, rules.calendar, rules.hours).at
    return fixed if counted is None else min(fixed, counted)


def _early_moment(
    rule: RungRule, limit: Limit, end: Due | Suspended, history: ClockHistory, rules: CountingRules
) -> datetime | None:
    """When the rule's part of the limit is left, or used.

    Not before time counts, and not after the end of the limit: so the rungs of a commitment that is late when it opens
    fall due in their order too.
    """
    if limit.working_days == 0 and isinstance(end, Due):
        # A limit of no days leaves no time to warn in. A warning at the opening would warn of every filing, so it
        # falls due with the limit, and warns of the late ones only.
        return end.at
    found = _early_day(rule, limit, end, history, rules)
    if found is None:
        return None
    found = max(found, history.starts_at)
    return min(found, end.at) if isinstance(end, Due) else found


def _early_day(
    rule: RungRule, limit: Limit, end: Due | Suspended, history: ClockHistory, rules: CountingRules
) -> datetime | None:
    """When the day begins after which the rule's number of days is left."""
    days = limit.working_days
    if days is not None and limit.due_at is None:
        days += history.extension.days if history.extension else 0
        used = days - rule.days_before(days) - (rules.method is CountingMethod.SECOND)
        if used <= 0:
            return history.starts_at
        if history.is_uninterrupted and rules.method is CountingMethod.DAY:
            reached: Due | Suspended = due_after(history.began_at, used, rules.calendar, rules.hours)
        else:  # ``used`` includes the extension
            used_history = LimitHistory(
                Limit(working_days=used), history.began_at, history.suspensions, None, history.restarted_at
            )
            reached = due(used_history, rules)
        if isinstance(reached, Suspended):
            return None
        if rules.method is CountingMethod.SECOND:
            return reached.at
        return rules.hours.opening(rules.hours.local(reached.at).toordinal())
    if limit.working_minutes is not None and rule.share_used is not None:
        minutes = max(1, int(limit.working_minutes * rule.share_used))
        reached = due(history.limit_history(Limit(working_minutes=minutes)), rules)
        return reached.at if isinstance(reached, Due) else None
    if isinstance(end, Suspended):
        return None
    return working_days_before(end.at, rule.days_before(None), rules.calendar, rules.hours)


def _known(at: datetime | None) -> datetime:
    assert at is not None
    return at
