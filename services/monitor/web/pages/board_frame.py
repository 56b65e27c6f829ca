"""What every part of the page of the board shares: what it is about, its filters, numbers with their links."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property, lru_cache
from itertools import product
from typing import NamedTuple
from urllib.parse import urlencode

from babel.support import NullTranslations

from contracts.bilingual import Language
from contracts.working_time import phrases
from services.monitor.core.board import periods
from services.monitor.core.board.board import Row
from services.monitor.store.board.cells import Cell, Known
from services.monitor.store.lists.filters import GroupBy
from services.monitor.web.board.links import BEHIND
from services.monitor.web.board.loading import Board
from services.monitor.web.pages.board_query import BoardPage
from services.monitor.web.pages.figures import FIGURES
from services.monitor.web.pages.filters import (
    BY,
    KINDS,
    Groups,
    Options,
    address,
    in_force,
    period_options,
    period_text,
    region_groups,
)
from services.monitor.web.pages.words import Words
from services.runtime.clock import machine_now

COUNTED_IN_PERIOD = ("received", "closed", "warnings", "yellow_cards", "red_cards", "appeals", "platform_faults")
"""If these are 0, the period has nothing to show."""

PATH, CASES = "/board", "/board/cases"


class Number(NamedTuple):
    """A number of a row, and the list of what it counts."""

    text: str
    link: str | None
    tone: str


@dataclass
class BoardFrame:
    """What a board is about, in one language.

    ``typed``: the query as it was given. ``overdue``: the cells of each row by county. ``known``: what can be chosen.
    """

    wanted: BoardPage
    typed: Mapping[str, str]
    board: Board
    overdue: Mapping[str, Mapping[str, Cell]]
    known: Known
    words: Words

    @property
    def language(self) -> Language:
        """The language of the page."""
        return self.words.language

    @property
    def texts(self) -> NullTranslations:
        """The texts in this language."""
        return self.words.texts

    def _(self, text: str, **values: object) -> str:
        translated: str = self.texts.gettext(text)
        return translated % values if values else translated

    # --- what it is about ---

    @cached_property
    def period(self) -> str:
        """The period as people say it."""
        return self._period(self.board.period)

    @cached_property
    def before(self) -> str:
        """The period before; a month of the same year without the year."""
        one = periods.before(self.board.period)
        return phrases.period(one.first, one.last, one.months, self.language, self.board.period.first)

    @cached_property
    def line_periods(self) -> str:
        """The first and the last period of the lines."""
        first, *_, last = periods.line(self.board.period)
        return self._("from %(first)s to %(last)s", first=self._period(first), last=self._period(last))

    @cached_property
    def place(self) -> str:
        """The region, if one is chosen."""
        return self.words.place(self.wanted.region) if self.wanted.region else self._("All regions")

    @cached_property
    def printed(self) -> str:
        """Now, at the place."""
        return phrases.moment(self.board.now, self.board.now.date(), self.language)

    @cached_property
    def as_of(self) -> str:
        """Up to when changes are counted."""
        since = self.board.uncounted_since
        if since is None:
            return self._("as of %(now)s", now=self.printed)
        minutes = max(1, (machine_now() - since) // timedelta(minutes=1))
        late = self.texts.ngettext(
            "as of %(now)s; the changes of the last minute are not counted yet",
            "as of %(now)s; the changes of the last %(minutes)s minutes are not counted yet",
            minutes,
        )
        return late % {"now": self.printed, "minutes": minutes}

    @cached_property
    def is_late(self) -> bool:
        """Whether some changes are not counted yet."""
        return self.board.uncounted_since is not None

    @cached_property
    def is_empty(self) -> bool:
        """Whether nothing was counted in the period, whatever is open now."""
        return not any(self.board.total.figures[name] for name in COUNTED_IN_PERIOD)

    # --- filters ---

    @cached_property
    def period_value(self) -> str:
        """The value of the period that is shown."""
        return str(self.board.period)

    @cached_property
    def period_options(self) -> Options:
        """The periods that can be chosen."""
        return period_options(self.board.now.date(), self.board.period, self.language)

    @cached_property
    def region_groups(self) -> Groups:
        """The regions that can be chosen."""
        return region_groups(self.known.counties, self.wanted.region, self.texts)

    @cached_property
    def owner_options(self) -> Options:
        """The departments that can be chosen, and the chosen one even if nothing of it was ever counted."""
        chosen = self.wanted.owner
        more = [] if chosen is None or chosen in self.known.owners else [chosen]
        return [(owner, self.words.department(owner)) for owner in (*self.known.owners, *more)]

    @cached_property
    def by_options(self) -> Options:
        """The kinds of rows."""
        return [(value, self._(text)) for value, text in BY]

    @cached_property
    def kind_options(self) -> Options:
        """The kinds of commitments."""
        return [(value, self._(text)) for value, text in KINDS]

    @cached_property
    def kept_for_days(self) -> list[tuple[str, str]]:
        """The fields that stay when other days are chosen."""
        dropped = ("period", "first", "last", "start")
        return [(name, value) for name, value in self.typed.items() if name not in dropped]

    @cached_property
    def filters_in_force(self) -> list[tuple[str, str, str]]:
        """The filters in force: label, value, and the address without it."""
        return list(in_force(PATH, self.typed, ("region", "owner", "item"), self.texts, self.words.filtered))

    # --- numbers ---

    def _number(self, row: Row, name: str) -> Number:
        figure, value = FIGURES[name], row.figures[name]
        text = figure.unit.write(value)
        listed = BEHIND.get(name)
        tone = "hot" if name == "overdue" and value else ""
        if listed is None or value is None:
            return Number(text, None, tone)
        return Number(
            text, f"{CASES}?figure={listed}&{self._listed(None if row is self.board.total else row.name)}", tone
        )

    def _listed(self, name: str | None, region: str | None = None) -> str:
        """The query of the lists behind the figures of a row, or of a cell in this region.

        A page has thousands of them: what is the same in all is encoded once.
        """
        own = "" if name is None else _encoded(self.wanted.by.value, name)
        cell = "" if region is None else _encoded("region", region)
        return self._shared[name is not None, region is not None] + own + cell

    @cached_property
    def _shared(self) -> dict[tuple[bool, bool], str]:
        """The query that the lists of all rows, or of all cells, share: without the filter that they replace."""
        filters = {"period": str(self.board.period), **self.wanted.filters()}
        found = {}
        for of_row, of_cell in product((False, True), repeat=2):
            replaced = {self.wanted.by.value if of_row else "", "region" if of_cell else ""}
            found[of_row, of_cell] = urlencode({name: value for name, value in filters.items() if name not in replaced})
        return found

    def _tone(self, name: str, value: float | None) -> str:
        if not value or not FIGURES[name].better:
            return ""
        return "better" if value * FIGURES[name].better > 0 else "worse"

    # --- names and addresses ---

    def name_of(self, name: str) -> str:
        """The name of a row."""
        match self.wanted.by:
            case GroupBy.REGION:
                return self.words.place(name)
            case GroupBy.OWNER:
                return self.words.department(name)
            case GroupBy.ITEM:
                return self.words.matter(name)

    def code_of(self, name: str) -> str:
        """The code of an item that has a name."""
        return name if self.wanted.by is GroupBy.ITEM and self.name_of(name) != name else ""

    def address(self, **changed: object) -> str:
        """The address of this page with another choice."""
        return address(PATH, self.typed, **changed)

    def file(self, form: str) -> str:
        """The address of the board as a file."""
        query = {**self.wanted.filters(), "period": str(self.board.period), "by": self.wanted.by.value, "form": form}
        return f"/api/monitor/board?{urlencode(query)}"

    def _period(self, period: periods.Period) -> str:
        return period_text(period, self.language)


@lru_cache(4096)
def _encoded(name: str, value: str) -> str:
    return "&" + urlencode({name: value})
