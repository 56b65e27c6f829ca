"""The hours of business of an office."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from contracts.faults import fault

Session = tuple[timedelta, timedelta]
"""A period in which an office is open without a break: its begin and end by the wall clock, since midnight."""

_MIDNIGHT, _DAY = timedelta(), timedelta(days=1)
_LAST_MOMENT = _DAY - timedelta(microseconds=1)
"""A day that is open until 24:00 closes at its last moment: 24:00 is a moment of the next day."""

_TO = r"(?:[-\u2010-\u2015\u2212~]|至|到)"
"""Dashes and words between two times, as people and word processors write them."""

_SESSION = re.compile(rf"\s*(\d\d?):(\d\d)(?::(\d\d))?\s*{_TO}\s*(\d\d?):(\d\d)(?::(\d\d))?\s*")


def parse_sessions(texts: Iterable[str]) -> tuple[Session, ...]:
    """The sessions of a day, in its order, from texts such as ``09:00-12:00``, ``9:00-17:30`` and ``00:00-24:00``.

    A text that goes past midnight, ``22:00-06:00``, is two sessions of every day: its hours after midnight belong to
    the day in which they lie. Raises `ValueError`.
    """
    return tuple(sorted(session for text in texts for session in _sessions(text)))


def _sessions(text: str) -> tuple[Session, ...]:
    found = _SESSION.fullmatch(unicodedata.normalize("NFKC", text))
    if found is None:
        raise fault(
            f"{text!r} are no hours of business; write for example 09:00-17:30",
            f"{text!r} 不是办公时间，请填写例如 09:00-17:30",
        )
    numbers = [int(part or 0) for part in found.groups()]
    opens, closes = (_since_midnight(text, *numbers[at : at + 3]) for at in (0, 3))
    if closes in (opens, opens % _DAY):
        raise fault(
            f"{text!r} have no length; an office that never closes is open 00:00-24:00",
            f"{text!r} 没有时长；全天开放请填写 00:00-24:00",
        )
    opens %= _DAY
    if opens < closes:
        return ((opens, closes),)
    beyond = ((_MIDNIGHT, closes),) if closes else ()
    return (*beyond, (opens, _DAY))


def _since_midnight(text: str, hours: int, minutes: int, seconds: int) -> timedelta:
    at = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    if at > _DAY or minutes > 59 or seconds > 59:
        raise fault(
            f"{text!r} are no hours of business: a day goes from 00:00 to 24:00",
            f"{text!r} 不是办公时间：一天从 00:00 到 24:00",
        )
    return at


@dataclass(frozen=True, slots=True)
class OfficeHours:
    """The hours of business of a place, in its own time zone (a name of the IANA time zone database).

    Raises `zoneinfo.ZoneInfoNotFoundError` for an unknown zone and `ValueError` for hours that end before they begin.
    """

    zone: str = "Asia/Shanghai"
    sessions: tuple[Session, ...] = ((timedelta(hours=9), timedelta(hours=17, minutes=30)),)
    """In the order of the day, with the breaks between them."""
    tz: ZoneInfo = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.sessions:
            raise fault("an office has to open at least once a day", "每天至少须有一段办公时间")
        last = _MIDNIGHT
        for opens, closes in self.sessions:
            if opens >= closes:
                raise fault(
                    f"an office cannot open at {opens} and close at {closes}", f"办公时间不能从 {opens} 到 {closes}"
                )
            if opens < last:
                raise fault(
                    f"an office that closes at {last} cannot have opened at {opens}; let periods not overlap",
                    f"{opens} 开始的办公时间与 {last} 结束的重叠，请分开填写",
                )
            last = closes
        object.__setattr__(self, "tz", ZoneInfo(self.zone))

    @property
    def opens(self) -> timedelta:
        """When the day's business begins, since midnight."""
        return self.sessions[0][0]

    @property
    def closes(self) -> timedelta:
        """The close of business, since midnight."""
        return self.sessions[-1][1]

    def local(self, at: datetime) -> datetime:
        """The instant in local time. Raises `ValueError` for a time without a zone."""
        if at.tzinfo is None:
            raise ValueError("an instant needs a time zone")
        return at.astimezone(self.tz)

    def opening(self, ordinal: int) -> datetime:
        """The opening of business on the day with this proleptic ordinal, in UTC."""
        return _shared_moment(ordinal, self.opens, self.tz)

    def closing(self, ordinal: int) -> datetime:
        """The close of business on the day with this proleptic ordinal, in UTC; the last moment of an endless day."""
        return _shared_moment(ordinal, min(self.closes, _LAST_MOMENT), self.tz)

    def at(self, ordinal: int, microseconds: int) -> datetime:
        """The moment so many microseconds into the day with this proleptic ordinal, by the wall clock, in UTC."""
        return _moment(ordinal, timedelta(microseconds=microseconds), self.tz)


def _moment(ordinal: int, since_midnight: timedelta, tz: ZoneInfo) -> datetime:
    return (datetime.fromordinal(ordinal) + since_midnight).replace(tzinfo=tz).astimezone(UTC)


_shared_moment = lru_cache(maxsize=4096)(_moment)
"""Thousands of cases share a few moments of opening and closing."""
