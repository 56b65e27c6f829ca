"""The difference of two versions of a document, as people read it. Pure."""

from collections.abc import Sequence
from datetime import date
from difflib import SequenceMatcher
from typing import Literal, NamedTuple

from contracts.working_time.almanac import RegionalRules
from contracts.working_time.notices import NATION, changes
from services.monitor.core.rules import RuleSet

MOST_LINES = 400
"""Lines that a page shows."""

AROUND = 2
"""Unchanged lines before and after each change."""


class Line(NamedTuple):
    """A line of a file: kept, removed or added, with its numbers before and after; or a gap of unchanged lines."""

    kind: Literal["kept", "removed", "added", "gap"]
    before: int | None
    after: int | None
    text: str


class ChangedDay(NamedTuple):
    """A day that counts in another way, or the first day of a year that is newly published."""

    region: str
    day: date
    kind: Literal["now off", "now worked", "now published"]
    name: str


def changed_lines(before: str, after: str) -> list[Line]:
    """The lines in which two files differ, with some around each; none where they are equal."""
    was, now = before.splitlines(), after.splitlines()
    found: list[Line] = []
    for group in SequenceMatcher(None, was, now, autojunk=False).get_grouped_opcodes(AROUND):
        if found:
            found.append(Line("gap", None, None, ""))
        for kind, first, last, new_first, new_last in group:
            if kind == "equal":
                found += [Line("kept", i + 1, new_first + i - first + 1, was[i]) for i in range(first, last)]
                continue
            found += [Line("removed", i + 1, None, was[i]) for i in range(first, last)]
            found += [Line("added", None, i + 1, now[i]) for i in range(new_first, new_last)]
    return found


def changed_days(before: RuleSet, after: RuleSet) -> Sequence[ChangedDay]:
    """The days that count in another way, by region and day."""
    was, now = RegionalRules(before.almanac), RegionalRules(after.almanac)
    regions = sorted({notice.region for notice in (*before.notices, *after.notices)} | {NATION})
    return [
        ChangedDay(region, one.day, one.kind, one.name)
        for region in regions
        for one in changes(was.calendar(region), now.calendar(region))
    ]
