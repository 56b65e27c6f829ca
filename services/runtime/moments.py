"""Moments as people and programs write them to us."""

import re

from pydantic_core import PydanticCustomError

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]")


def written_out(value: object) -> object:
    """A moment as text with a date, to stand before pydantic's own reading of it.

    pydantic takes a number for seconds since 1970, and a larger one for milliseconds: whoever sends a number has
    more likely mistaken the field.
    """
    if (isinstance(value, str) and not _DATE.match(value)) or isinstance(value, int | float):
        raise PydanticCustomError(
            "moment", "is no date and time with a zone, such as 2026-03-02T09:00:00+08:00", {"zh": "时间格式不正确"}
        )
    return value
