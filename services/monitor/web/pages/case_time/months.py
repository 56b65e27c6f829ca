"""The months of a derivation, a table each: which days counted, which did not, and why. Pure."""

from calendar import Calendar as Weeks
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from contracts.bilingual import Language
from contracts.working_time.explanation.explain import DayKind, ExplainedDay, Explanation
from contracts.working_time.limit_history import Unit
from contracts.working_time.published import festival_in_english
from services.monitor.web.pages.words import Words
from services.runtime.http.pages.languages import N_

MOST_MONTHS = 12

_STYLES = {
    DayKind.EVENT: "event",
    DayKind.COUNTED: "yes",
    DayKind.MAKEUP: "yes makeup",
    DayKind.WEEKEND: "off",
    DayKind.HOLIDAY: "holiday",
    DayKind.SUSPENDED: "still",
    DayKind.ROLLED: "yes",
}

WEEKDAYS: dict[Language, Sequence[tuple[str, str]]] = {
    "zh": [(f"星期{day}", day) for day in "一二三四五六日"],
    "en": [(day, day[:2]) for day in ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")],
}
"""The days of the week: name and short name."""


class DayCell(NamedTuple):
    """A day of a month; an empty ``number`` belongs to another month."""

    number: str
    style: str
    text: str


class Month(NamedTuple):
    """A month, by weeks from Monday to Sunday."""

    name: str
    weeks: Sequence[Sequence[DayCell]]


def months(one: Explanation, words: Words, today: date, due_on: date | None) -> list[Month]:
    """The months of an explanation. ``due_on``: its last day, at the place."""
    days = {day.day: day for day in one.days}
    found = []
    for year, month in sorted({(day.year, day.month) for day in days})[:MOST_MONTHS]:
        name = f"{year}年{month}月" if words.language == "zh" else f"{date(year, month, 1):%B %Y}"
        weeks = [
            [
                _cell(day, days.get(day), one.unit, words, today, due_on) if day.month == month else _EMPTY
                for day in week
            ]
            for week in Weeks().monthdatescalendar(year, month)
        ]
        found.append(Month(name, weeks))
    return found


_EMPTY = DayCell("", "", "")


def _cell(day: date, known: ExplainedDay | None, unit: Unit, words: Words, today: date, due_on: date | None) -> DayCell:
    style = [_STYLES[known.kind] if known is not None else "out"]
    text = _text(known, unit, words) if known is not None else ""
    if day == due_on:
        style.append("end")
        text = words._(N_("due"))
    if day == today:
        style.append("now")
    return DayCell(str(day.day), " ".join(style), text)


def _text(known: ExplainedDay, unit: Unit, words: Words) -> str:
    match known.kind:
        case DayKind.EVENT:
            return words._(N_("begins"))
        case DayKind.SUSPENDED:
            return words._(N_("stopped"))
        case DayKind.HOLIDAY:
            return known.name if words.language == "zh" else festival_in_english(known.name)[:9]
        case _ if known.counted and unit is not Unit.MICROSECONDS:
            return words._(N_("day %(number)s"), number=known.total)
        case _:
            return ""
