"""Which days are working days, and counting them quickly."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date


@dataclass(frozen=True, slots=True)
class Calendar:
    """Working days of one region, as far as its holidays have been published.

    ``holidays`` are days off that fall on Monday to Friday, ``makeup_days`` the Saturdays and Sundays worked
    in their place. Both are looked at only from ``first_published`` to the day before ``first_unpublished``;
    outside, Monday to Friday are taken as working days.

    Counting uses *ranks*: the rank of a day is the number of working days up to and including it, from the first
    day of the proleptic Gregorian calendar on. So a deadline is one look-up of a rank and one of a day, however
    many days lie between.
    """

    version: str
    """Names the data, so that a deadline can be explained and computed again."""
    region: str
    holidays: frozenset[date] = field(repr=False)
    makeup_days: frozenset[date] = field(repr=False)
    first_published: date
    first_unpublished: date
    """The first day whose holidays are not yet known."""
    _first: int = field(init=False, repr=False, compare=False)
    _end: int = field(init=False, repr=False, compare=False)
    _days: tuple[int, ...] = field(init=False, repr=False, compare=False)
    _rank_before: int = field(init=False, repr=False, compare=False)
    _rank_at_end: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.first_published > self.first_unpublished:
            raise ValueError("the first unpublished day lies before the first published one")
        first, end = self.first_published.toordinal(), self.first_unpublished.toordinal()
        days = tuple(_working(range(first, end), self.holidays, self.makeup_days))
        object.__setattr__(self, "_first", first)
        object.__setattr__(self, "_end", end)
        object.__setattr__(self, "_days", days)
        object.__setattr__(self, "_rank_before", _weekdays_to(first - 1))
        object.__setattr__(self, "_rank_at_end", self._rank_before + len(days))

    def is_working(self, day: date) -> bool:
        """Whether offices are open that day."""
        ordinal = day.toordinal()
        return self.rank(ordinal) > self.rank(ordinal - 1)

    def add_working_days(self, day: date, n: int) -> date:
        """The n-th working day after ``day``, or before it when n is negative; ``day`` itself when n is 0.

        ``day`` is never counted, whether it is a working day or not. Raises `OverflowError` beyond the year 9999
        and before the year 1.
        """
        ordinal = day.toordinal()
        if n > 0:
            return date.fromordinal(self.nth(self.rank(ordinal) + n))
        if n < 0:
            return date.fromordinal(self.nth(self.rank(ordinal - 1) + n + 1))
        return day

    def rank(self, ordinal: int) -> int:
        """How many working days there are up to and including the day with this proleptic ordinal."""
        if ordinal >= self._end:
            return self._rank_at_end + _weekdays_to(ordinal) - _weekdays_to(self._end - 1)
        if ordinal >= self._first:
            return self._rank_before + bisect_right(self._days, ordinal)
        return _weekdays_to(ordinal)

    def nth(self, rank: int) -> int:
        """The ordinal of the working day that has this rank: the inverse of `rank` on working days."""
        if rank > self._rank_at_end:
            return _weekday(_weekdays_to(self._end - 1) + rank - self._rank_at_end)
        if rank > self._rank_before:
            return self._days[rank - self._rank_before - 1]
        return _weekday(rank)


def _working(ordinals: Iterable[int], holidays: frozenset[date], makeup_days: frozenset[date]) -> Iterable[int]:
    for ordinal in ordinals:
        day = date.fromordinal(ordinal)
        if day in makeup_days or (day.weekday() < 5 and day not in holidays):
            yield ordinal


def _weekdays_to(ordinal: int) -> int:
    """How many days from Monday to Friday there are in ordinals 1 to ``ordinal``; ordinal 1 is a Monday."""
    weeks, days = divmod(ordinal, 7)
    return 5 * weeks + min(days, 5)


def _weekday(number: int) -> int:
    """The ordinal of the ``number``-th day from Monday to Friday: the inverse of `_weekdays_to` on those days."""
    weeks, days = divmod(number - 1, 5)
    return 7 * weeks + days + 1
