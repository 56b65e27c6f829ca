"""What the pages of due and overdue commitments show around their rows: the answer, tabs, filters, files, pages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple
from urllib.parse import urlencode

from contracts.working_time import phrases
from services.monitor.store.board.cells import Known
from services.monitor.store.lists.overdue import PLATFORM, Totals
from services.monitor.web.pages.filters import KINDS, Groups, Options, address, region_groups
from services.monitor.web.pages.way import opened
from services.monitor.web.pages.words import RUNGS, Words
from services.monitor.web.pages.worklists.query import DUE, NOT_FILTERS, OVERDUE, SOON, DueQuery, OverdueQuery
from services.monitor.web.pages.worklists.rows import ShownRow
from services.runtime.http.pages.languages import N_, NN_

PAGE_ROWS = 50

LABELS = {
    "rung": N_("Rung"),
    "owner": N_("Department"),
    "region": N_("Region"),
    "kind": N_("Kind"),
    "item": N_("Item"),
    "days": N_("Working days left, at most"),
}
"""The label of each field."""

_CARDS = tuple(rung for rung in RUNGS if rung != "warning")


class Tab(NamedTuple):
    """A list of its own. ``number``: how much is in it; None where nobody has counted."""

    link: str
    text: str
    number: int | None
    current: bool


@dataclass
class WorklistView:
    """One of the lists. ``given``: the query without empty fields; ``next``: the cursor of the next page.

    ``by_days``: how many have 0, 1 and so on working days left; ``follows``: whether changes can be followed live.
    """

    words: Words
    wanted: DueQuery | OverdueQuery
    given: Mapping[str, str]
    rows: Sequence[ShownRow]
    next: str | None
    totals: Totals
    by_days: Sequence[int]
    known: Known
    printed: str
    clock: str
    follows: bool

    # --- the answer ---

    @cached_property
    def place(self) -> str:
        """The part of the work that the list is about."""
        named = [self.words.place(self.wanted.region)] if self.wanted.region else []
        named += [self.words.department(self.wanted.owner)] if self.wanted.owner else []
        return self.words.listed(named) or self.words._(N_("All regions"))

    @cached_property
    def is_due(self) -> bool:
        """Whether it is the list of what falls due."""
        return isinstance(self.wanted, DueQuery)

    @cached_property
    def answer(self) -> str:
        """The sentence that answers the reader's question."""
        return self._due_answer if self.is_due else self._overdue_answer

    @cached_property
    def detail(self) -> str:
        """The other list, in numbers."""
        if self.is_due:
            return self.words.many(NN_("%(number)s is overdue.", "%(number)s are overdue."), self.totals.commitments)
        return self._soon

    @property
    def _due_answer(self) -> str:
        words, number = self.words, self.listed
        if not number:
            return words._(N_("Nothing falls due within %(limit)s."), limit=self._limit)
        if not self._days:
            return words.many(NN_("%(number)s falls due today.", "%(number)s fall due today."), number)
        return words.many(
            NN_(
                "%(number)s falls due within %(limit)s, of which %(today)s today.",
                "%(number)s fall due within %(limit)s, of which %(today)s today.",
            ),
            number,
            limit=self._limit,
            today=f"{self.by_days[0]:,}",
        )

    @property
    def _overdue_answer(self) -> str:
        words, totals = self.words, self.totals
        if not totals.commitments:
            filtered = self.wanted.region or self.wanted.owner
            text = N_("Nothing is overdue: %(place)s.") if filtered else N_("Nothing is overdue.")
            return words._(text, place=self.place)
        parts = [words.many(NN_("%(number)s is overdue", "%(number)s are overdue"), totals.commitments)]
        for number, text in (
            (totals.oversight, N_("%(number)s under oversight")),
            (totals.red, N_("%(number)s with a red card")),
            (totals.yellow, N_("%(number)s with a yellow card")),
            (totals.platform, N_("%(number)s only because of the platform")),
            (totals.untaken, N_("%(number)s acknowledged by nobody")),
        ):
            if number:
                parts.append(words._(text, number=f"{number:,}"))
        comma, stop = ("，", "。") if words.language == "zh" else (", ", ".")
        return comma.join(parts) + stop

    @property
    def _soon(self) -> str:
        today, soon = self.by_days[0], sum(self.by_days[: SOON + 1])
        return self.words.many(
            NN_(
                "%(number)s falls due today, %(soon)s within %(limit)s.",
                "%(number)s fall due today, %(soon)s within %(limit)s.",
            ),
            today,
            soon=f"{soon:,}",
            limit=phrases.working_days(SOON, self.words.language),
        )

    @property
    def _limit(self) -> str:
        return phrases.working_days(self._days, self.words.language)

    @property
    def _days(self) -> int:
        return self.wanted.days if isinstance(self.wanted, DueQuery) else SOON

    # --- lists, filters, pages ---

    @cached_property
    def listed(self) -> int:
        """How many commitments the whole list has."""
        if isinstance(self.wanted, DueQuery):
            return sum(self.by_days[: self.wanted.days + 1])
        totals = self.totals
        return totals.commitments if self.wanted.rung is None else int(getattr(totals, self.wanted.rung))

    @cached_property
    def tabs(self) -> list[Tab]:
        """The lists, with how much is in each."""
        words, filters = self.words, {k: v for k, v in self.given.items() if k not in (*NOT_FILTERS, "rung")}
        days = self._days if self.is_due else None
        shown = sorted({0, SOON} | ({days} if days is not None else set()))
        tabs = [
            Tab(
                address(DUE, filters, days=one),
                words._(N_("Due today"))
                if not one
                else words._(N_("Within %(limit)s"), limit=phrases.working_days(one, words.language)),
                sum(self.by_days[: one + 1]),
                one == days,
            )
            for one in shown
        ]
        rung = getattr(self.wanted, "rung", None)
        tabs.append(
            Tab(
                address(OVERDUE, filters),
                words._(N_("Overdue")),
                self.totals.commitments,
                not self.is_due and rung != PLATFORM,
            )
        )
        tabs.append(
            Tab(
                address(OVERDUE, filters, rung=PLATFORM),
                words._(N_("Platform faults")),
                self.totals.platform,
                rung == PLATFORM,
            )
        )
        return tabs

    @cached_property
    def path(self) -> str:
        """The path of this list."""
        return DUE if self.is_due else OVERDUE

    @cached_property
    def chosen(self) -> list[tuple[str, str, str]]:
        """The filters in force: label, value, and the address without it."""
        return [
            (self.words._(LABELS[name]), self._value(name, self.given[name]), self._address(**{name: None}))
            for name in ("rung", "owner", "region", "kind", "item")
            if name in self.given
        ]

    def _value(self, name: str, value: str) -> str:
        match name:
            case "kind":
                return dict(self.kind_options)[value]
            case "rung":
                return dict(self.rung_options)[value]
            case _:
                return self.words.filtered(name, value)

    @cached_property
    def rung_options(self) -> Options:
        """The rungs, with how many commitments have each as the highest."""
        found = [(rung.value, f"{self.words.rung(rung)} {getattr(self.totals, rung):,}") for rung in reversed(_CARDS)]
        return [*found, (PLATFORM, " ".join((self.words._(N_("Platform faults")), f"{self.totals.platform:,}")))]

    @cached_property
    def owner_options(self) -> Options:
        """The departments."""
        names = dict.fromkeys([*self.known.owners, *([self.wanted.owner] if self.wanted.owner else [])])
        return [(name, self.words.department(name)) for name in names]

    @cached_property
    def region_groups(self) -> Groups:
        """The regions."""
        return region_groups(self.known.counties, self.wanted.region, self.words.texts)

    @cached_property
    def kind_options(self) -> Options:
        """The kinds of commitments."""
        return [(value, self.words._(text)) for value, text in KINDS]

    def _address(self, **changed: object) -> str:
        return address(self.path, self.given, **{"after": None, "start": None, **changed})

    @cached_property
    def first_page(self) -> str | None:
        """The address of the first page, where this is another one."""
        return self._address() if self.wanted.after is not None else None

    @cached_property
    def next_page(self) -> str | None:
        """The address of the next page."""
        return self._address(after=self.next, start=self.last + 1) if self.next is not None else None

    @cached_property
    def last(self) -> int:
        """The place of the last row."""
        return self.wanted.start + len(self.rows) - 1

    @cached_property
    def here(self) -> str:
        """The address of this page."""
        return address(self.path, self.given)

    def opened(self, path: str, row: object = None) -> str:
        """The address of a record, from which one finds the way through this list."""
        return opened(path, self.here, row)

    def file(self, form: str) -> str:
        """The address of the whole list as a file."""
        kept = {name: value for name, value in self.given.items() if name not in ("after", "start")}
        if self.is_due:
            kept["days"] = str(self._days)
        return f"/api/monitor{self.path}?{urlencode({**kept, 'form': form})}"

    @cached_property
    def stream(self) -> str:
        """The address of the stream of changes."""
        kept = {name: self.given[name] for name in ("owner", "region") if name in self.given}
        return "/api/monitor/stream" + (f"?{urlencode(kept)}" if kept else "")

    @cached_property
    def ticks(self) -> bool:
        """Whether any row can be acknowledged."""
        return any(row.tick for row in self.rows)
