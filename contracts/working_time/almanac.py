"""The almanac: calendars and office hours of all regions, as data.

An almanac is complete. A deadline can be computed from it again years later, whatever calendars the library has by
then.
"""

from collections.abc import Iterable
from datetime import date
from typing import Annotated, NamedTuple, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from contracts.envelope import Name
from contracts.faults import fault
from contracts.messages.fields import is_region
from contracts.values import Value
from contracts.working_time.calendar import Calendar, Day
from contracts.working_time.hours import OfficeHours, parse_sessions
from contracts.working_time.limit_history import CountingMethod, CountingRules
from contracts.working_time.notices import NATION, Notice, in_force
from contracts.working_time.published import published_calendar


def _check_region(prefix: str) -> str:
    if not is_region(prefix):
        raise fault(f"no code of administrative division begins with {prefix}", f"没有以 {prefix} 开头的行政区划代码")
    return prefix


RegionPrefix = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,5}$"), AfterValidator(_check_region)]
"""The first digits of a code of administrative division: ``45`` is all of Guangxi, ``450103`` one district."""


def _check_session(text: str) -> str:
    parse_sessions([text])
    return text


SessionText = Annotated[str, AfterValidator(_check_session)]
"""A period in which an office is open without a break: ``09:00-12:00``, or past midnight ``22:00-06:00``."""


class HoursRule(Value):
    """The hours of business of a region, or of all regions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    region: RegionPrefix | None = None
    zone: Name
    sessions: Annotated[tuple[SessionText, ...], Field(min_length=1)]

    def hours(self) -> OfficeHours:
        """These hours for counting. Raises `ValueError` for an unknown zone or impossible hours."""
        return OfficeHours(self.zone, parse_sessions(self.sessions))

    @model_validator(mode="after")
    def _check_zone(self) -> Self:
        try:
            self.hours()
        except (OSError, KeyError):  # the name is no file of the time zone database
            raise fault(
                f"{self.zone!r} is no time zone; write for example Asia/Shanghai",
                f"{self.zone!r} 不是时区，请填写例如 Asia/Shanghai",
            ) from None
        return self


def _has_default(hours: tuple[HoursRule, ...]) -> tuple[HoursRule, ...]:
    if all(rule.region is not None for rule in hours):
        raise fault("one entry must apply to all regions, without a region", "须有一项不限区域（不填 region）")
    return hours


HoursByRegion = Annotated[tuple[HoursRule, ...], Field(min_length=1), AfterValidator(_has_default)]
"""The hours of every region: the entry with the longest matching prefix applies."""

DEFAULT_HOURS = (HoursRule(zone="Asia/Shanghai", sessions=("09:00-17:30",)),)


class DayData(NamedTuple):
    """A day that a published calendar names: off or worked."""

    day: date
    off: bool
    name: str


class CalendarData(Value):
    """A published calendar as data."""

    version: Name
    first_published: date
    first_unpublished: date
    days: tuple[DayData, ...]

    @classmethod
    def of(cls, calendar: Calendar) -> Self:
        """The data of a calendar."""
        return cls(
            version=calendar.version,
            first_published=calendar.first_published,
            first_unpublished=calendar.first_unpublished,
            days=tuple(DayData(day, *calendar.days[day]) for day in sorted(calendar.days)),
        )

    def calendar(self) -> Calendar:
        """The national calendar with these data."""
        days = {entry.day: Day(entry.off, entry.name) for entry in self.days}
        return Calendar(self.version, NATION, days, self.first_published, self.first_unpublished)


class Almanac(Value):
    """Calendars and hours of all regions, as they stand at one time."""

    published: CalendarData
    notices: tuple[Notice, ...] = ()
    """Notices in force that the published calendar lacks, of the nation and of regions."""
    hours: HoursByRegion = DEFAULT_HOURS
    counting: CountingMethod = CountingMethod.DAY


def almanac(
    notices: Iterable[Notice] = (), hours: HoursByRegion = DEFAULT_HOURS, counting: CountingMethod = CountingMethod.DAY
) -> Almanac:
    """An almanac of the calendar as it is published now, with these notices."""
    ordered = sorted(notices, key=lambda notice: (notice.region, notice.year))
    published = CalendarData.of(published_calendar())
    return Almanac(published=published, notices=tuple(ordered), hours=hours, counting=counting)


class RegionalRules:
    """The counting rules of every region by one almanac. The rules of a region are the same object each time."""

    def __init__(self, almanac: Almanac) -> None:
        """Raises `InvalidNotice` for notices that cannot be in force together."""
        self.almanac = almanac
        published = almanac.published.calendar()
        regions = {notice.region for notice in almanac.notices} | {NATION}
        self._calendars = {region: in_force(published, almanac.notices, region) for region in regions}
        hours = ((rule.region or "", rule.hours()) for rule in almanac.hours)
        self._hours = sorted(hours, key=lambda one: len(one[0]), reverse=True)
        self._counting_rules: dict[str, CountingRules] = {}
        self._shared: dict[tuple[Calendar, OfficeHours], CountingRules] = {}

    def calendar(self, region: str) -> Calendar:
        """The calendar of the country, ``CN``, or of a part of it, ``CN-45``, ``CN-450103``."""
        return self._calendars[max((known for known in self._calendars if region.startswith(known)), key=len)]

    def counting_rules(self, region: str) -> CountingRules:
        """The counting rules of a county by its code of administrative division; of the country for an empty code."""
        if region not in self._counting_rules:
            hours = next(hours for prefix, hours in self._hours if region.startswith(prefix))
            calendar = self.calendar(f"{NATION}-{region}")
            found = CountingRules(calendar, hours, self.almanac.counting)
            self._counting_rules[region] = self._shared.setdefault((calendar, hours), found)
        return self._counting_rules[region]
