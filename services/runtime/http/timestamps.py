"""Moments as people and programs write them to us."""

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from contracts.core import Rejected
from contracts.envelope import Instant

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]")


def reject_numbers(value: object) -> object:
    """A moment as text with a date, to stand before pydantic's own reading of it.

    pydantic takes a number for seconds since 1970, and a larger one for milliseconds: whoever sends a number has
    more likely mistaken the field.
    """
    if (isinstance(value, str) and not _DATE.match(value)) or isinstance(value, int | float):
        raise PydanticCustomError(
            "moment", "is no date and time with a zone, such as 2026-03-02T09:00:00+08:00", {"zh": "时间格式不正确"}
        )
    return value


Timestamp = Annotated[Instant, BeforeValidator(reject_numbers)]
"""A moment in a request."""


def not_in_future(name: str, wanted: datetime | None, now: datetime) -> datetime:
    """The moment, or now. Raises `Rejected` for one to come: what has not happened is not known."""
    if wanted is None:
        return now
    if wanted > now:
        raise Rejected(f"{name} lies in the future", f"{name} 晚于当前时间")
    return wanted.astimezone(UTC)
