"""When an office opens and closes."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from functools import lru_cache
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class OfficeHours:
    """The hours of business of a place, in its own time zone (a name of the IANA time zone database).

    Raises `zoneinfo.ZoneInfoNotFoundError` for an unknown zone and `ValueError` for hours that end before they begin.
    """

    zone: str = "Asia/Shanghai"
    opens: time = time(9, 0)
    closes: time = time(17, 30)
    tz: ZoneInfo = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.opens >= self.closes:
            raise ValueError(f"an office cannot open at {self.opens} and close at {self.closes}")
        object.__setattr__(self, "tz", ZoneInfo(self.zone))

    def local(self, at: datetime) -> datetime:
        """The instant on the clock of this place. A time without a zone is refused: it is no instant."""
        if at.tzinfo is None:
            raise ValueError("an instant needs a time zone")
        return at.astimezone(self.tz)

    def opening(self, ordinal: int) -> datetime:
        """The opening of business on the day with this proleptic ordinal, in UTC."""
        return _instant(ordinal, self.opens, self.tz)

    def closing(self, ordinal: int) -> datetime:
        """The close of business on the day with this proleptic ordinal, in UTC."""
        return _instant(ordinal, self.closes, self.tz)


@lru_cache(maxsize=4096)  # thousands of cases are due at the same few moments
def _instant(ordinal: int, at: time, tz: ZoneInfo) -> datetime:
    return datetime.combine(datetime.fromordinal(ordinal), at, tz).astimezone(UTC)
