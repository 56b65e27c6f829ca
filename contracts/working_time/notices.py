"""Notices of holidays as data: the yearly ones of the State Council, and those of regions, which add to them.

The format is that of the project ``holiday-cn`` for the State Council's notices, with ``region`` added::

    {"year": 2026, "region": "CN-45", "papers": ["https://..."],
     "days": [{"name": "春节", "date": "2026-02-17", "isOffDay": true}]}
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from hashlib import sha256
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from contracts.bilingual import both
from contracts.envelope import Name
from contracts.faults import Fault, fault, located
from contracts.messages.fields import is_region
from contracts.values import Value
from contracts.working_time.calendar import Calendar, Day
from contracts.working_time.written import WrittenDate

NATION = "CN"


def _check_place(code: str) -> str:
    if code != NATION and not is_region(code.removeprefix(f"{NATION}-")):
        raise fault(
            f"there is no province of {code}; write for example CN-45", f"{code} 不属于任何省级区域，请填写例如 CN-45"
        )
    return code


Place = Annotated[str, Field(pattern=r"^CN(-[0-9]{2}([0-9]{2}){0,2})?$"), AfterValidator(_check_place)]
"""The country, or a part of it that has days of its own: a province by ISO 3166-2:CN (``CN-45``, Guangxi), a city or an
autonomous prefecture (``CN-5329``, Dali) or a county, by their codes of administrative division."""


class InvalidNotice(ValueError):
    """A notice that cannot be put in force."""


class NoticeDay(Value):
    """One day off, or one worked."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    name: Name
    date: WrittenDate
    is_off_day: bool = Field(alias="isOffDay", strict=True)


class Notice(Value):
    """A notice for one year in one region. A later notice for the same year replaces it."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    year: Annotated[int, Field(ge=2000, le=2299, strict=True)]
    region: Place = NATION
    papers: tuple[str, ...] = ()
    days: Annotated[tuple[NoticeDay, ...], Field(min_length=1, max_length=366)]

    @model_validator(mode="before")
    @classmethod
    def _without_schema(cls, content: Any) -> Any:
        """The files of ``holiday-cn`` name themselves and their JSON Schema: ``$id``, ``$schema``."""
        if not isinstance(content, Mapping):
            return content
        return {name: value for name, value in content.items() if not str(name).startswith("$")}

    @model_validator(mode="after")
    def _check_days(self) -> Self:
        faults = []
        places: dict[date, int] = {}
        for place, day in enumerate(self.days):
            path = ("days", place, "date")
            if day.date in places:
                first = places[day.date] + 1
                faults.append(Fault(path, f"{day.date} is the same as day {first}", f"{day.date} 与第 {first} 天重复"))
            places[day.date] = place
            # A holiday around New Year may have make-up days in December, or last into January.
            if not date(self.year - 1, 12, 1) <= day.date <= date(self.year + 1, 1, 31):
                en, zh = f"does not belong to the year {self.year}", f"不属于 {self.year} 年"
                faults.append(Fault(path, f"{day.date} {en}", f"{day.date} {zh}"))
        if faults:
            raise located("notice", faults)
        return self

    @property
    def version(self) -> str:
        """Derived from the days only: a notice with the same days and other papers has the same version."""
        days = sorted(self.days, key=lambda day: day.date)
        content = "".join(f"{day.date}{day.is_off_day:d}{day.name}" for day in days)
        return f"{self.region} {self.year} {sha256(content.encode()).hexdigest()[:8]}"


def amend(calendar: Calendar, notice: Notice) -> Calendar:
    """The calendar with this notice in force. A national notice replaces its year, a regional one adds to it.

    Raises `InvalidNotice` if the notice does not fit this calendar.
    """
    days = {day.date: Day(day.is_off_day, day.name) for day in notice.days}
    end = calendar.first_unpublished
    if notice.year < calendar.first_published.year:
        begins = calendar.first_published.year
        raise InvalidNotice(
            both(
                f"{notice.year} lies before {begins}, where this calendar begins",
                f"{notice.year} 年早于本日历开始的 {begins} 年",
            )
        )
    if notice.region == NATION:
        if notice.year > end.year:
            raise InvalidNotice(
                both(
                    f"the notice for {end.year} must come first: that year is unpublished",
                    f"须先载入 {end.year} 年的通知，该年尚未公布",
                )
            )
        kept = {day: known for day, known in calendar.days.items() if _year(day, known.name) != notice.year}
        end = max(end, date(notice.year + 1, 1, 1))
    elif notice.year >= end.year:
        raise InvalidNotice(
            both(
                f"the nation's notice for {end.year} must come first; a regional one adds to it",
                f"须先载入国家 {end.year} 年的通知，地方通知在其基础上增补",
            )
        )
    else:
        kept = dict(calendar.days)
    return replace(
        calendar,
        version=f"{calendar.version}, {notice.version}",
        region=notice.region if notice.region != NATION else calendar.region,
        days=kept | days,
        first_unpublished=end,
    )


def _year(day: date, festival: str) -> int:
    """The year whose notice names this day. Days in December for New Year's Day belong to the next year."""
    return day.year + (day.month == 12 and "元旦" in festival)


class CalendarChange(NamedTuple):
    """A day that counts differently, or a year that is newly published."""

    day: date
    kind: Literal["now off", "now worked", "now published"]
    name: str


def changes(before: Calendar, after: Calendar) -> list[CalendarChange]:
    """The differences of the second calendar: days that count differently, in order, and newly published years."""
    found = []
    for day in sorted(before.days.keys() | after.days.keys()):
        if before.is_working(day) != (working := after.is_working(day)):
            day_entry = after.notice_day(day) or before.notice_day(day)
            found.append(
                CalendarChange(day, "now worked" if working else "now off", day_entry.name if day_entry else "")
            )
    for year in range(before.first_unpublished.year, after.first_unpublished.year):
        found.append(CalendarChange(date(year, 1, 1), "now published", str(year)))
    return found


def in_force(published: Calendar, notices: Sequence[Notice], region: str) -> Calendar:
    """The calendar of a region with its own notices and those of the nation, the province and the city around it.

    Of several notices of one region for one year the last one applies. Raises `InvalidNotice`.
    """
    latest = {(notice.region, notice.year): notice for notice in notices}
    calendar = published
    for key in sorted(latest):  # the nation, its provinces, their cities, counties; of each, years in order
        if region.startswith(key[0]):
            calendar = amend(calendar, latest[key])
    return calendar
