"""Timestamps in requests."""

import re
from datetime import UTC, datetime, timedelta
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


def effective_moment(
    name: str, wanted: datetime | None, now: datetime, tolerance: timedelta, not_before: datetime | None = None
) -> datetime:
    """The moment from which a request counts: the wanted one, or now if there is none.

    Clocks differ, also honest ones. A moment that lies up to ``tolerance`` in the future counts as now, the moment of
    receipt. One that lies up to ``tolerance`` before ``not_before``, the earliest that is possible, counts as that.
    Raises `Rejected` for a later moment; one that is still earlier is returned as it is, for the core to judge.
    """
    moment = now if wanted is None else wanted.astimezone(UTC)
    if moment > now + tolerance:
        here = now.isoformat(timespec="seconds")
        raise Rejected(
            f"{name} lies in the future: here it is {here}. Correct it, or the clock of the computer that sent it",
            f"{name} 晚于当前时间（本系统时间 {here}）。请更正，或校准发送端的时钟",
        )
    moment = min(moment, now)
    if not_before is not None and not_before - tolerance <= moment < not_before:
        return not_before
    return moment
