"""Working days, and a fast way to count them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import NamedTuple

NEW_YEAR_MARGIN = timedelta(days=3)
"""Days before New Year that the notice for the next year may change."""


class Day(NamedTuple):
    """The entry of a notice for one day: off or worked, and the festival."""

    off: bool
    name: str
    """The festival as the notice names it: 春节."""


@dataclass(frozen=True, slots=True, eq=False)
class Calendar:
    """Working days of one region, as far as its holidays have been published.

    ``days`` are the days that notices name: holidays, and the Saturdays and Sundays worked in their place. On all other
    days, Monday to Friday are working days. Notices apply from ``first_published`` to the day before
    ``first_unpublished``.

    Counting uses *ranks*: the rank of a day is the number of working days up to and including it, from the first day of
    the proleptic Gregorian calendar. A deadline takes one look-up of a rank and one of a day, however many days lie
    between.
    """

    version: str
    """The name of the data, by which a deadline can be explained and computed again."""
    region: str
    days: Mapping[date, Day] = field(repr=False)
    first_published: date
    first_unpublished: date
    """The first day whose holidays are not yet known."""
    _first: int = field(init=False, repr=False)
    _end: int = field(init=False, repr=False)
    _ranks: tuple[int, ...] = field(init=False, repr=False)
    """The rank of each published day."""
    _working: tuple[int, ...] = field(init=False, repr=False)
    """The ordinals of the published working days."""
    _rank_before: int = field(init=False, repr=False)
    _rank_at_end: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.first_published > self.first_unpublished:
            raise ValueError("the first unpublished day lies before the first published one")
        first, end = self.first_published.toordinal(), self.first_unpublished.toordinal()
        days_off = {day.toordinal(): entry.off for day, entry in self.days.items()}
        before = _weekdays_until(first - 1)
        working: list[int] = []
        ranks: list[int] = []
        for ordinal in range(first, end):
            if not days_off.get(ordinal, ordinal % 7 in (6, 0)):
                working.append(ordinal)
            ranks.append(before + len(working))
        for name, value in (
            ("_first", first),
            ("_end", end),
            ("_ranks", tuple(ranks)),
            ("_working", tuple(working)),
            ("_rank_before", before),
            ("_rank_at_end", before + len(working)),
        ):
            object.__setattr__(self, name, value)

    @property
    def provisional_from(self) -> date:
        """The first day that a future notice may still change.

        Next year's notice may also name days before New Year. The earliest so far was 29 December.
        """
        return self.first_unpublished - NEW_YEAR_MARGIN

    def notice_day(self, day: date) -> Day | None:
        """The entry of a notice for this day, or None."""
        return self.days.get(day) if self.first_published <= day < self.first_unpublished else None

    def is_working(self, day: date) -> bool:
        """Whether the day is a working day."""
        ordinal = day.toordinal()
        return self.rank(ordinal) > self.rank(ordinal - 1)

    def add_working_days(self, day: date, n: int) -> date:
        """The n-th working day after ``day``, or before it if n is negative; ``day`` itself if n is 0.

        ``day`` is never counted, whether it is a working day or not. Raises `OverflowError` outside the years 1 to
        9999.
        """
        ordinal = day.toordinal()
        if n > 0:
            return date.fromordinal(self.ordinal_of(self.rank(ordinal) + n))
        if n < 0:
            return date.fromordinal(self.ordinal_of(self.rank(ordinal - 1) + n + 1))
        return day

    def rank(self, ordinal: int) -> int:
        """The number of working days up to and including the day with this proleptic ordinal."""
        if self._first <= ordinal < self._end:
            return self._ranks[ordinal - self._first]
        if ordinal >= self._end:
            return self._rank_at_end + _weekdays_until(ordinal) - _weekdays_until(self._end - 1)
        return _weekdays_until(ordinal)

    def ordinal_of(self, rank: int) -> int:
        """The ordinal of the working day with this rank: the inverse of `rank` on working days."""
        if self._rank_before < rank <= self._rank_at_end:
            return self._working[rank - self._rank_before - 1]
        if rank > self._rank_at_end:
            return _nth_weekday(_weekdays_until(self._end - 1) + rank - self._rank_at_end)
        return _nth_weekday(rank)


def _weekdays_until(ordinal: int) -> int:
    """The number of days from Monday to Friday in ordinals 1 to ``ordinal``. Ordinal 1 is a Monday."""
    weeks, days = divmod(ordinal, 7)
    return 5 * weeks + min(days, 5)


def _nth_weekday(number: int) -> int:
    """The ordinal of the ``number``-th day from Monday to Friday: the inverse of `_weekdays_until` on those days."""
    weeks, days = divmod(number - 1, 5)
    return 7 * weeks + days + 1
