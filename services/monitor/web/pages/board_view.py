"""What the page of the board shows, made from a board: sentences, numbers with their links, lines and cells."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

from contracts.regions import region_name
from contracts.working_time import phrases
from services.monitor.core.board.board import Row
from services.monitor.store.board.cells import Cell
from services.monitor.store.lists.filters import GroupBy
from services.monitor.web.pages.board_answer import BoardAnswer
from services.monitor.web.pages.board_frame import CASES, PATH, Number
from services.monitor.web.pages.figures import FIGURES, TILES, VIEWS, Shown, Unit, View
from services.monitor.web.pages.filters import (
    LABELS,
    address,
)
from services.runtime.http.pages.formats import change
from services.runtime.http.pages.sparkline import Sparkline, sparkline

PAGE_ROWS = 100
"""Rows of one page."""

MATRIX = 14
"""Counties that have a column of cells; of more, those where most is overdue."""

SHORT_NAME = 2
"""Characters of a county's name at the head of its cells."""

_DRILLED = {GroupBy.OWNER: GroupBy.REGION, GroupBy.REGION: GroupBy.OWNER, GroupBy.ITEM: GroupBy.OWNER}
"""What the rows are of the board to which the name of a row leads."""


class Change(NamedTuple):
    """A change against the period before; ``tone`` is better, worse or empty."""

    text: str
    tone: str


class Place(NamedTuple):
    """A cell of a county. ``tone``: r with a red card, y without, empty where nothing is overdue; ``label`` says it."""

    text: str
    link: str | None
    tone: str
    label: str


class ShownRow(NamedTuple):
    """A row of the table. ``code``: that of an item, behind its name."""

    name: str
    code: str
    link: str | None
    numbers: Sequence[Number]
    rate: Number
    change: Change
    line: Sparkline | None
    cells: Sequence[Place]
    rank: str
    pool_rank: str


class Tile(NamedTuple):
    """One of the numbers above the table. ``note`` stands where there is no period before."""

    figure: str
    name: str
    number: Number
    unit: str
    line: Sparkline | None
    change: Change | None
    note: str


class BoardView(BoardAnswer):
    """The sentences, numbers, lines and cells of a board."""

    # --- the numbers above ---

    @cached_property
    def tiles(self) -> list[Tile]:
        """The five numbers above the table."""
        total = self.board.total
        found = []
        for name in TILES:
            figure = FIGURES[name]
            line = self._rate_line(total, name, self.place) if name in total.line[0] else None
            changed = None
            if name in total.change:
                changed = self._change_in_words(name, total.change[name])
            found.append(
                Tile(
                    name,
                    self._(figure.name),
                    self._number(total, name),
                    "%" if figure.unit is Unit.PERCENT else "",
                    line,
                    changed,
                    self._("now, %(now)s", now=self.printed),
                )
            )
        return found

    def _change_in_words(self, name: str, value: float | None) -> Change:
        if value is None:
            return Change(self._("No figure for %(before)s to compare with", before=self.before), "")
        unit = self._("points") if FIGURES[name].unit is Unit.PERCENT else ""
        return Change(phrases.change(value, unit, self.before, self.language), self._tone(name, value))

    # --- the table ---

    @cached_property
    def view(self) -> View:
        """The columns that are shown."""
        return next(view for view in VIEWS if view.name == self.wanted.view)

    @cached_property
    def views(self) -> list[tuple[str, str, bool]]:
        """All views: address, text, and whether it is this one."""
        return [
            (self.address(view=view.name, sort=None, start=None), self._(view.text), view is self.view)
            for view in VIEWS
        ]

    @cached_property
    def sort_address(self) -> Mapping[str, str]:
        """For each figure the address of the table in its order, the worst first."""
        return {name: self.address(sort=name, start=None) for name in FIGURES}

    @cached_property
    def direction(self) -> str:
        """The direction of the order, as ``aria-sort`` has it."""
        return "ascending" if FIGURES[self.wanted.sort].better > 0 else "descending"

    @cached_property
    def sorted_rows(self) -> list[Row]:
        """All rows, the worst by the chosen figure first, and those without it last."""
        name, rows = self.wanted.sort, self.board.rows
        if name == "on_time_rate":
            return rows
        sign = 1 if self.direction == "ascending" else -1

        def place(row: Row) -> tuple[bool, float]:
            value = row.figures[name]
            return value is None, sign * (value or 0)

        return sorted(rows, key=place)

    @cached_property
    def first(self) -> int:
        """The number of the first row of the page."""
        return min(self.wanted.start, max(1, len(self.board.rows)))

    @cached_property
    def last(self) -> int:
        """The number of the last row of the page."""
        return min(self.first + PAGE_ROWS - 1, len(self.board.rows))

    @cached_property
    def next_page(self) -> str | None:
        """The address of the next page."""
        return self.address(start=self.last + 1) if self.last < len(self.board.rows) else None

    @cached_property
    def first_page(self) -> str | None:
        """The address of the first page, on a later one."""
        return self.address(start=None) if self.first > 1 else None

    @cached_property
    def rows(self) -> list[ShownRow]:
        """The rows of the page."""
        return [self._row(row) for row in self.sorted_rows[self.first - 1 : self.last]]

    @cached_property
    def total(self) -> ShownRow:
        """The row of all of them."""
        return self._row(self.board.total)

    def _row(self, row: Row) -> ShownRow:
        whole = row is self.board.total
        by = self.wanted.by
        link = None
        if not whole:
            own = {by.value: row.name, "by": _DRILLED[by].value, "start": None, "sort": None}
            link = address(PATH, self.typed, **own)
        ranked = row.ranks.get("on_time_rate")
        pool = ranked.pool if ranked is not None else None
        name = self.place if whole else self.name_of(row.name)
        changed = row.change["on_time_rate"]
        return ShownRow(
            name,
            "" if whole else self.code_of(row.name),
            link,
            [self._number(row, figure) for group in self.view.groups for figure in group.figures],
            self._number(row, "on_time_rate"),
            Change(change(changed), self._tone("on_time_rate", changed)),
            self._rate_line(row, "on_time_rate", name),
            self._cells(row, name, whole),
            "" if ranked is None else f"{ranked.overall.rank}/{ranked.overall.of}",
            "" if pool is None else f"{pool.rank}/{pool.of}",
        )

    # --- lines ---

    @cached_property
    def scale(self) -> tuple[float, float]:
        """The scale of the lines of all rows: the same one, so that they can be compared."""
        values = [value for row in self.board.rows for one in row.line if (value := one["on_time_rate"]) is not None]
        return _low(values), 100.0

    @cached_property
    def tile_scales(self) -> list[float]:
        """The low ends of the scales of the lines of the on-time rate and of the same-day rate, above the table."""
        return [
            _low([value for one in self.board.total.line if (value := one[name]) is not None])
            for name in ("on_time_rate", "same_day_rate")
        ]

    def _rate_line(self, row: Row, name: str, of: str) -> Sparkline | None:
        values = [one[name] for one in row.line]
        known = [value for value in values if value is not None]
        if not known:
            return None
        whole = row is self.board.total
        low, high = (_low(known), 100.0) if whole else self.scale
        write = FIGURES[name].unit.write
        label = self._(
            "%(figure)s, %(name)s, %(periods)s: lowest %(low)s, highest %(high)s, last %(last)s",
            figure=self._(FIGURES[name].name),
            name=of,
            periods=self.line_periods,
            low=write(min(known)),
            high=write(max(known)),
            last=write(known[-1]),
        )
        return sparkline(values, low, high, label)

    # --- cells ---

    @cached_property
    def counties(self) -> list[tuple[str, str, str]]:
        """The counties with a column of cells, in the first view: code, short name, name."""
        if self.view is not VIEWS[0]:
            return []
        numbers: dict[str, tuple[int, int]] = {}
        for row in self.overdue.values():
            for county, cell in row.items():
                red, overdue = numbers.get(county, (0, 0))
                numbers[county] = (red + cell.red, overdue + cell.overdue)
        worst = sorted(numbers, key=lambda county: (*(-number for number in numbers[county]), county))[:MATRIX]
        return [(code, region_name(code)[:SHORT_NAME], region_name(code)) for code in sorted(worst)]

    def _cells(self, row: Row, name: str, whole: bool) -> list[Place]:
        found = []
        for code, _, county in self.counties:
            if whole:
                every = [one[code] for one in self.overdue.values() if code in one]
                cell = Cell(*(sum(numbers) for numbers in zip(*every, strict=True)))
            else:
                cell = self.overdue.get(row.name, {}).get(code, Cell(0, 0, 0))
            found.append(self._cell(row, name, whole, code, county, cell))
        return found

    def _cell(self, row: Row, name: str, whole: bool, code: str, county: str, cell: Cell) -> Place:
        names = {"name": name, "county": county}
        if not cell.overdue:
            if cell.platform:
                return Place("", None, "f", self._("%(name)s, %(county)s: platform faults only", **names))
            return Place("·", None, "", self._("%(name)s, %(county)s: nothing overdue", **names))
        numbers = {**names, "overdue": cell.overdue, "red": cell.red}
        label = (
            self._("%(name)s, %(county)s: %(overdue)s overdue, %(red)s with a red card", **numbers)
            if cell.red
            else self._("%(name)s, %(county)s: %(overdue)s overdue", **numbers)
        )
        link = f"{CASES}?figure=overdue&{self._listed(None if whole else row.name, code)}"
        return Place(str(cell.overdue), link, "sum" if whole else "r" if cell.red else "y", label)

    # --- heads ---

    @cached_property
    def columns(self) -> list[tuple[str, str]]:
        """The figures of the view, each with the class of its column."""
        return [
            (figure, f"{'edge ' if number == 0 else ''}{group_class}".strip())
            for group, group_class in zip(self.view.groups, self.group_classes, strict=True)
            for number, figure in enumerate(group.figures)
        ]

    @cached_property
    def column_classes(self) -> list[str]:
        """The classes of the columns."""
        return [one for _, one in self.columns]

    @cached_property
    def group_classes(self) -> list[str]:
        """The class of each group: on a narrow screen the last ones go first, and the first one stays."""
        if self.view is not VIEWS[0]:
            return [""] * len(self.view.groups)
        return ["", "p2", "p3", "p3"]

    @cached_property
    def has_pools(self) -> bool:
        """Whether rows have peers."""
        return any(row.pool is not None for row in self.board.rows)

    @cached_property
    def caption(self) -> str:
        """The subject of the table."""
        return self._(
            "%(place)s, %(period)s, in the order of: %(figure)s, the worst first",
            place=self.place,
            period=self.period,
            figure=self._(FIGURES[self.wanted.sort].name),
        )

    @cached_property
    def row_head(self) -> str:
        """The head of the first column."""
        head = LABELS[self.wanted.by.value]
        return self._(head)

    def figure(self, name: str) -> Shown:
        """A figure as it is shown."""
        return FIGURES[name]

    def unit(self, name: str) -> str:
        """The address behind the name of a figure at the head of its column."""
        return " %" if FIGURES[name].unit is Unit.PERCENT else ""


def _low(values: Sequence[float]) -> float:
    """The low end of a scale in percent."""
    return float(min(values, default=100) // 1)
