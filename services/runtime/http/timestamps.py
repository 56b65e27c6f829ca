"""Timestamps in requests."""

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from contracts.core import Rejected
from contracts.envelope import Instant

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]")


def reject_numbers(value: object) -> object:
    """A validator before pydantic's own: accept only text that begins with a date.

    pydantic reads a number as seconds since 1970, or as milliseconds if it is large. A number in such a field is more
    likely a mistake of the client.
    """
    if (isinstance(value, str) and not _DATE.match(value)) or isinstance(value, int | float):
        raise PydanticCustomError(
            "moment",
            "is no date and time with a zone, such as 2026-03-02T09:00:00+08:00",
            {"zh": "须为带时区的日期和时间，例如 2026-03-02T09:00:00+08:00"},
        )
    return value


Timestamp = Annotated[Instant, BeforeValidator(reject_numbers)]
"""A moment in a request, as text with date, time and zone."""


def not_in_future(name: str, wanted: datetime | None, now: datetime) -> datetime:
    """The wanted moment, or now if there is none. Raises `Rejected` for a future moment."""
    if wanted is None:
        return now
    if wanted > now:
        raise Rejected(f"{name} lies in the future", f"{name} 晚于当前时间")
    return wanted.astimezone(UTC)
