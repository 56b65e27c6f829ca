"""How pages write numbers and days. Pure."""

from collections.abc import Callable, Mapping
from typing import Any

from contracts.working_time import phrases

NOTHING = "–"
"""Stands where there is no number, which is not zero."""

MINUS = "−"


def count(value: float | None) -> str:
    """A whole number in groups of three digits: 41,496."""
    return NOTHING if value is None else f"{value:,.0f}".replace("-", MINUS)


def decimals(value: float | None) -> str:
    """A rate or a mean to two decimals: 98.96."""
    return NOTHING if value is None else f"{value:,.2f}".replace("-", MINUS)


def change(value: float | None, *, whole: bool = False) -> str:
    """A difference with its sign: +0.21, −3, 0."""
    if value is None:
        return NOTHING
    text = count(value) if whole else decimals(value)
    return f"+{text}" if value > 0 else text


FILTERS: Mapping[str, Callable[..., Any]] = {
    "count": count,
    "decimals": decimals,
    "change": change,
    "day": phrases.day,
    "moment": phrases.moment,
}
"""The filters of templates."""
