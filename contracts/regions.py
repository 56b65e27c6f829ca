"""The names of places by their codes of administrative division (GB/T 2260), as python-stdnum has them. Pure."""

import re
from functools import cache

from stdnum import numdb

_DIGITS = 6

_YEARS = re.compile(r"^\[[0-9]*-[0-9]*\]")


@cache
def region_name(code: str) -> str:
    """The present or last name of a place: 青秀区. ``code`` may be the beginning of one: 45, 4501. Unknown codes stay.

    Names are Chinese in every language.
    """
    found = {name: value for _, values in _PLACES.info(code.ljust(_DIGITS, "0")) for name, value in values.items()}
    county = found.get("county")
    if county is None:
        return code
    return _YEARS.sub("", county.split(",")[-1])


_PLACES = numdb.get("cn/loc")
