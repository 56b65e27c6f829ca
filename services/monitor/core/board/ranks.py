"""Ranks within a pool of peers and overall. Pure."""

from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

BEST_IS_MOST = {
    "closed": True,
    "closed_per_month": True,
    "on_time_rate": True,
    "early_rate": True,
    "same_day_rate": True,
    "days_saved": True,
    "mean_days": False,
}
"""The figures with a rank, and whether the greatest is the first."""


class Pool(StrEnum):
    """The peers with which a region is compared."""

    PROVINCES = "provinces"
    CITIES = "cities"
    DISTRICTS = "districts"
    COUNTIES = "counties"


class Rank(NamedTuple):
    """A place from the first and from the last, among ``of`` that have the figure. Equal ones share it."""

    rank: int
    from_last: int
    of: int


def pool_of(region: str, settled: Mapping[str, Pool]) -> Pool:
    """The pool of a region, by its code of administrative division.

    ``settled`` names the pools of codes or beginnings of codes, the longest of which counts: a management district, for
    example. Else the code tells (GB/T 2260): it ends in 0000 for a province and in 00 for a city, which is its own
    centre; 01 to 20 and 51 to 80 are districts of a city; all others are counties, those that are called cities too,
    and so is everything directly under a province (90).
    """
    known = [code for code in settled if region.startswith(code)]
    if known:
        return settled[max(known, key=len)]
    if region.endswith("0000"):
        return Pool.PROVINCES
    last = int(region[4:6])
    if last == 0:
        return Pool.CITIES
    in_city = region[2:4] != "90" and (last <= 20 or 51 <= last <= 80)
    return Pool.DISTRICTS if in_city else Pool.COUNTIES


def ranks(values: Mapping[str, float | None], *, best_is_most: bool) -> dict[str, Rank]:
    """The rank of each name with a value."""
    found = {name: value for name, value in values.items() if value is not None}
    numbers = Counter(found.values())
    places: dict[float, Rank] = {}
    ahead = 0
    for value in sorted(numbers, reverse=best_is_most):
        behind = len(found) - ahead - numbers[value]
        places[value] = Rank(ahead + 1, behind + 1, len(found))
        ahead += numbers[value]
    return {name: places[value] for name, value in found.items()}
