"""The content of the wall display in one language: five numbers, and one of three tables of at most five rows."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

from contracts.rights.scope import Scope
from contracts.working_time import phrases
from services.monitor.core.board.board import Row
from services.monitor.store.board.cells import Cell
from services.monitor.store.lists.filters import GroupBy
from services.monitor.store.lists.overdue import Totals
from services.monitor.web.board.loading import Board
from services.monitor.web.pages.filters import address
from services.monitor.web.pages.words import Words
from services.runtime.clock import machine_now
from services.runtime.http.pages.formats import change, count, decimals
from services.runtime.http.pages.languages import N_

PATH = "/board/wall"

ROWS = 5

TURNS_S = 20
"""Seconds for which one view stands."""

OLD = timedelta(minutes=2)
"""Numbers that lag behind by more are marked as old."""


class View(StrEnum):
    """The views, in the order in which they turn."""

    DEPARTMENTS = "departments"
    REGIONS = "regions"
    RATES = "rates"

    @property
    def by(self) -> GroupBy:
        """The kind of its rows."""
        return GroupBy.REGION if self is View.REGIONS else GroupBy.OWNER

    @property
    def following(self) -> "View":
        """The view after it."""
        views = list(View)
        return views[(views.index(self) + 1) % len(views)]


HEADS: Mapping[View, tuple[str, ...]] = {
    View.DEPARTMENTS: (N_("Most overdue"), N_("Overdue"), N_("Red cards"), N_("Due today"), N_("On time %")),
    View.REGIONS: (N_("Most overdue, by place"), N_("Overdue"), N_("Red cards"), N_("Due today"), N_("On time %")),
    View.RATES: (N_("Lowest on-time rates"), N_("On time %"), N_("Change"), N_("Closed"), N_("Late")),
}


class Tile(NamedTuple):
    """One of the five numbers. ``tone``: the class of its edge."""

    name: str
    number: str
    unit: str
    tone: str


class WallRow(NamedTuple):
    """A row of the table. ``is_red``: red cards stand."""

    name: str
    numbers: Sequence[str]
    is_red: bool


class WallView:
    """The content of the page. ``overdue``: what is overdue now, by row and county."""

    def __init__(
        self,
        view: View,
        held: bool,
        board: Board,
        totals: Totals,
        overdue: Mapping[str, Mapping[str, Cell]],
        words: Words,
        scope: Scope,
    ) -> None:
        self.view = view
        self.held = held
        self._board = board
        self._totals = totals
        self._overdue = overdue
        self._words = words
        self._scope = scope

    def _(self, text: str, **values: object) -> str:
        return self._words._(text, **values)

    @cached_property
    def title(self) -> str:
        """Its title: the place."""
        regions = {area.region for area in self._scope}
        region = regions.pop() if len(regions) == 1 else None
        place = "" if region is None else self._words.place(region)
        title = self._(N_("How departments keep their promises"))
        return f"{place} {title}".strip()

    @cached_property
    def moment(self) -> str:
        """The moment of the numbers."""
        return phrases.moment(self._board.now, self._board.now.date(), self._words.language)

    @cached_property
    def old(self) -> str:
        """Says that the numbers are old; empty if they are not."""
        since = self._board.uncounted_since
        if since is None or machine_now() - since <= OLD:
            return ""
        minutes = (machine_now() - since) // timedelta(minutes=1)
        return self._(N_("Old numbers; minutes that are not counted yet: %(minutes)s"), minutes=minutes)

    @cached_property
    def lost(self) -> str:
        """Says that the connection is lost; the script shows it."""
        return self._(N_("Connection lost: these numbers are of %(moment)s"), moment=self.moment)

    @cached_property
    def tiles(self) -> list[Tile]:
        """The five numbers."""
        figures, period = self._board.total.figures, self._board.period
        month = phrases.period(period.first, period.last, period.months, self._words.language, self._board.now.date())
        cases = "件" if self._words.language == "zh" else ""
        return [
            Tile(
                self._(N_("On time in %(month)s"), month=month),
                decimals(figures["on_time_rate"]),
                "%" if figures["on_time_rate"] is not None else "",
                "g",
            ),
            Tile(self._(N_("Due today")), count(figures["due_today"]), cases, ""),
            Tile(self._(N_("Overdue")), count(figures["overdue"]), cases, "r" if figures["overdue"] else ""),
            Tile(self._(N_("Yellow cards")), count(self._totals.yellow), cases, "y"),
            Tile(self._(N_("Red cards")), count(self._totals.red + self._totals.oversight), cases, "r"),
        ]

    @cached_property
    def heads(self) -> list[str]:
        """The heads of the table."""
        return [self._(head) for head in HEADS[self.view]]

    @cached_property
    def rows(self) -> list[WallRow]:
        """The rows of the table: the worst."""
        rows = self._board.rows
        if self.view is View.RATES:
            late = [row for row in rows if row.figures["late"]]
            return [self._of_rates(row) for row in late[:ROWS]]
        worst = sorted(rows, key=lambda row: (-(row.figures["overdue"] or 0), row.name))
        return [self._of_overdue(row) for row in worst[:ROWS] if row.figures["overdue"]]

    @cached_property
    def nothing(self) -> str:
        """The sentence in place of a table without rows."""
        if self.view is View.RATES:
            return self._(N_("Everything that was closed this month was closed on time."))
        return self._(N_("Nothing is overdue."))

    def _of_overdue(self, row: Row) -> WallRow:
        red = sum(cell.red for cell in self._overdue.get(row.name, {}).values())
        figures = [count(row.figures["overdue"]), count(red), count(row.figures["due_today"])]
        return WallRow(self._name(row), [*figures, decimals(row.figures["on_time_rate"])], bool(red))

    def _of_rates(self, row: Row) -> WallRow:
        figures = row.figures
        numbers = [decimals(figures["on_time_rate"]), change(row.change["on_time_rate"])]
        return WallRow(self._name(row), [*numbers, count(figures["closed"]), count(figures["late"])], False)

    def _name(self, row: Row) -> str:
        return self._words.place(row.name) if self.view.by is GroupBy.REGION else self._words.department(row.name)

    @cached_property
    def place_in_turn(self) -> str:
        """The place of this view among all."""
        views = list(View)
        return self._(N_("Screen %(number)s of %(of)s"), number=views.index(self.view) + 1, of=len(views))

    @cached_property
    def next(self) -> str:
        """The address of the next view."""
        return address(PATH, {"view": self.view.following.value})

    @cached_property
    def hold(self) -> str:
        """The address at which this view stays, or goes on."""
        return address(PATH, {"view": self.view.value}, hold=None if self.held else "true")

    @cached_property
    def turns_s(self) -> int:
        """Seconds until the next view."""
        return TURNS_S
