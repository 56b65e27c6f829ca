"""By what calendar and which hours time is counted at each place, as data.

An almanac says all there is to know: a deadline can be reckoned from it again years later, whatever calendars a library
then comes with.
"""

from collections.abc import Iterable
from datetime import date
from typing import Annotated, NamedTuple, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from contracts.envelope import Name
from contracts.values import Value
from contracts.working_time.calendar import Calendar, Day
from contracts.working_time.course import Rule, Terms
from contracts.working_time.hours import OfficeHours, session
from contracts.working_time.notices import NATION, Notice, in_force
from contracts.working_time.published import published_calendar

RegionPrefix = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,5}$")]
"""The beginning of a code of administrative division: ``45`` is all of Guangxi, ``450103`` one district."""


def _is_a_session(text: str) -> str:
    session(text)
    return text


SessionText = Annotated[str, AfterValidator(_is_a_session)]
"""From when to when an office is open without a break: ``09:00-12:00``."""


class HoursRule(Value):
    """The hours of business of a region, or of all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    region: RegionPrefix | None = None
    zone: Name
    sessions: Annotated[tuple[SessionText, ...], Field(min_length=1)]

    def hours(self) -> OfficeHours:
        """As time is counted by them. Raises `ValueError` for a zone or hours that cannot be."""
        return OfficeHours(self.zone, tuple(session(one) for one in self.sessions))

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        try:
            self.hours()
        except (OSError, KeyError):  # a name that is no file's in the data base of zones
            raise ValueError(f"{self.zone!r} is no time zone: say Asia/Shanghai") from None
        return self


def _for_all(hours: tuple[HoursRule, ...]) -> tuple[HoursRule, ...]:
    if all(rule.region is not None for rule in hours):
        raise ValueError("one entry must be for all regions")
    return hours


AllHours = Annotated[tuple[HoursRule, ...], Field(min_length=1), AfterValidator(_for_all)]
"""The hours of every place: those of the entry with the longest region that fits."""

USUAL_HOURS = (HoursRule(zone="Asia/Shanghai", sessions=("09:00-17:30",)),)


class KnownDay(NamedTuple):
    """A day of a published calendar, off or worked."""

    day: date
    off: bool
    name: str


class KnownCalendar(Value):
    """A published calendar, whole."""

    version: Name
    first_published: date
    first_unpublished: date
    days: tuple[KnownDay, ...]

    @classmethod
    def of(cls, calendar: Calendar) -> Self:
        """All that a calendar says."""
        return cls(
            version=calendar.version,
            first_published=calendar.first_published,
            first_unpublished=calendar.first_unpublished,
            days=tuple(KnownDay(day, *calendar.days[day]) for day in sorted(calendar.days)),
        )

    def calendar(self) -> Calendar:
        """The nation's calendar that says this."""
        days = {known.day: Day(known.off, known.name) for known in self.days}
        return Calendar(self.version, NATION, days, self.first_published, self.first_unpublished)


class Almanac(Value):
    """Calendars and hours of all places, at one time."""

    published: KnownCalendar
    notices: tuple[Notice, ...] = ()
    """In force beside what is published, of the nation and of regions."""
    hours: AllHours = USUAL_HOURS
    counting: Rule = Rule.DAY


def almanac(notices: Iterable[Notice] = (), hours: AllHours = USUAL_HOURS, counting: Rule = Rule.DAY) -> Almanac:
    """The calendar as it is published now, with notices beside it."""
    ordered = sorted(notices, key=lambda notice: (notice.region, notice.year))
    published = KnownCalendar.of(published_calendar())
    return Almanac(published=published, notices=tuple(ordered), hours=hours, counting=counting)


class Places:
    """An almanac, ready to be asked for any place. Says the same of the same place for ever."""

    def __init__(self, said: Almanac) -> None:
        """Raises `contracts.working_time.notices.FaultyNotice` for notices that cannot be in force together."""
        self.said = said
        published = said.published.calendar()
        regions = {notice.region for notice in said.notices} | {NATION}
        self._calendars = {region: in_force(published, said.notices, region) for region in regions}
        hours = ((rule.region or "", rule.hours()) for rule in said.hours)
        self._hours = sorted(hours, key=lambda one: len(one[0]), reverse=True)
        self._terms: dict[str, Terms] = {}
        self._alike: dict[tuple[Calendar, OfficeHours], Terms] = {}

    def calendar(self, region: str) -> Calendar:
        """The calendar of the country, ``CN``, or of a province, ``CN-45``."""
        return self._calendars.get(region, self._calendars[NATION])

    def terms(self, region: str) -> Terms:
        """By what time is counted in a county, by its code of administrative division; in the country, by none."""
        if region not in self._terms:
            hours = next(hours for prefix, hours in self._hours if region.startswith(prefix))
            calendar = self.calendar(f"{NATION}-{region[:2]}")
            found = Terms(calendar, hours, self.said.counting)
            self._terms[region] = self._alike.setdefault((calendar, hours), found)
        return self._terms[region]
