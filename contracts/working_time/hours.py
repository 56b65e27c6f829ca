"""The hours of business of an office."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

Session = tuple[time, time]
"""A period in which an office is open without a break."""


def parse_session(text: str) -> Session:
    """Parse a session such as ``09:00-12:00``. Raises `ValueError`."""
    try:
        opens, closes = (time.fromisoformat(part.strip()) for part in text.split("-", 1))
    except ValueError:
        raise ValueError(f"{text!r} are no hours of business; write for example 09:00-17:30") from None
    if opens.tzinfo or closes.tzinfo:
        raise ValueError("hours of business have no zone of their own")
    return opens, closes


@dataclass(frozen=True, slots=True)
class OfficeHours:
    """The hours of business of a place, in its own time zone (a name of the IANA time zone database).

    Raises `zoneinfo.ZoneInfoNotFoundError` for an unknown zone and `ValueError` for hours that end before they begin.
    """

    zone: str = "Asia/Shanghai"
    sessions: tuple[Session, ...] = ((time(9, 0), time(17, 30)),)
    """In the order of the day, with the breaks between them."""
    tz: ZoneInfo = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.sessions:
            raise ValueError("an office has to open at least once a day")
        last = time.min
        for opens, closes in self.sessions:
            if opens >= closes:
                raise ValueError(f"an office cannot open at {opens} and close at {closes}")
            if opens < last:
                raise ValueError(f"an office that closes at {last} cannot have opened at {opens}")
            last = closes
        object.__setattr__(self, "tz", ZoneInfo(self.zone))

    @property
    def opens(self) -> time:
        """When the day's business begins."""
        return self.sessions[0][0]

    @property
    def closes(self) -> time:
        """The close of business."""
        return self.sessions[-1][1]

    def local(self, at: datetime) -> datetime:
        """The instant in local time. Raises `ValueError` for a time without a zone."""
        if at.tzinfo is None:
            raise ValueError("an instant needs a time zone")
        return at.astimezone(self.tz)

    def opening(self, ordinal: int) -> datetime:
        """The opening of business on the day with this proleptic ordinal, in UTC."""
        return _instant(ordinal, self.opens, self.tz)

    def closing(self, ordinal: int) -> datetime:
        """The close of business on the day with this proleptic ordinal, in UTC."""
        return _instant(ordinal, self.closes, self.tz)

    def at(self, ordinal: int, microseconds: int) -> datetime:
        """The moment so many microseconds into the day with this proleptic ordinal, by the wall clock, in UTC."""
        local = datetime.fromordinal(ordinal) + timedelta(microseconds=microseconds)
        return local.replace(tzinfo=self.tz).astimezone(UTC)


@lru_cache(maxsize=4096)  # thousands of cases share a few due moments
def _instant(ordinal: int, at: time, tz: ZoneInfo) -> datetime:
    return datetime.combine(datetime.fromordinal(ordinal), at, tz).astimezone(UTC)
