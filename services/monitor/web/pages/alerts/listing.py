"""The list of alerts, with those that wait for somebody as lists of their own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.responses import Response

from contracts.rights.table import Act
from contracts.working_time import phrases
from services.monitor.core.names import NamesInForce
from services.monitor.core.state import MonitoredCase
from services.monitor.store import alerts, rule_store
from services.monitor.store.board import cells
from services.monitor.store.board.cells import Known
from services.monitor.web.board.query import at_place
from services.monitor.web.pages.alerts.query import PATH, AlertsQuery
from services.monitor.web.pages.alerts.shown import AlertMaker, ShownAlert
from services.monitor.web.pages.filters import Groups, Options, address, region_groups, with_codes
from services.monitor.web.pages.way import opened
from services.monitor.web.pages.words import RUNGS, Words
from services.monitor.web.pages.worklists.view import PAGE_ROWS, Tab
from services.runtime.http.pages.languages import N_, NN_
from services.runtime.http.pages.preferences import preferences_of
from services.runtime.http.pages.reader import Reader, reader_may
from services.runtime.http.pages.rendering import Pages
from services.runtime.security.access_record import count_rows, note_query
from services.runtime.service import ServiceHost

STATES = {
    "undecided": N_("Appeals to decide"),
    "unacknowledged": N_("Acknowledged by nobody"),
    "standing": N_("All that stand"),
    "all": N_("All, with those of the past"),
}
"""The lists, each of alerts in one state."""

LABELS = {
    "owner": N_("Department"),
    "region": N_("Region"),
    "rung": N_("Rung"),
    "matter": N_("Item"),
    "case": N_("Case number"),
    "since": N_("Raised since"),
}


@dataclass
class AlertsView:
    """The content of the page."""

    words: Words
    wanted: AlertsQuery
    given: Mapping[str, str]
    shown: Sequence[ShownAlert]
    has_more: bool
    counts: Mapping[str, int]
    known: Known
    printed: str

    @cached_property
    def answer(self) -> str:
        """The tasks that wait for somebody."""
        undecided, waiting = self.counts["undecided"], self.counts["unacknowledged"]
        words = self.words
        if not undecided and not waiting:
            return words._(N_("No appeal waits for a decision, and each alert that stands is acknowledged."))
        first = (
            words.many(
                NN_("%(number)s appeal waits for a decision,", "%(number)s appeals wait for a decision,"), undecided
            )
            if undecided
            else words._(N_("No appeal waits for a decision,"))
        )
        rest = words.many(
            NN_("%(number)s alert was acknowledged by nobody.", "%(number)s alerts were acknowledged by nobody."),
            waiting,
        )
        return f"{first}{'' if words.language == 'zh' else ' '}{rest}"

    @cached_property
    def tabs(self) -> list[Tab]:
        """The lists, with how much is in each; of all alerts nobody counts the number."""
        kept = {**self.given, "after": None, "start": None}
        return [
            Tab(
                address(PATH, kept, state=state), self.words._(text), self.counts.get(state), state == self.wanted.state
            )
            for state, text in STATES.items()
        ]

    @cached_property
    def chosen(self) -> list[tuple[str, str, str]]:
        """The filters in force: label, value, and the address without it."""
        return [
            (self.words._(label), self._value(name), self._address(**{name: None}))
            for name, label in LABELS.items()
            if name in self.given
        ]

    def _value(self, name: str) -> str:
        value = self.given[name]
        return dict(self.rung_options)[value] if name == "rung" else self.words.filtered(name, value)

    @cached_property
    def rung_options(self) -> Options:
        """The rungs."""
        return [(rung.value, self.words.rung(rung)) for rung in reversed(tuple(RUNGS))]

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
    def total(self) -> int | None:
        """How many the list has, where it is counted."""
        return self.counts.get(self.wanted.state)

    @cached_property
    def last(self) -> int:
        """The place of the last row."""
        return self.wanted.start + len(self.shown) - 1

    @cached_property
    def next_page(self) -> str | None:
        """The address of the next page."""
        return self._address(after=self.shown[-1].number, start=self.last + 1) if self.has_more else None

    @cached_property
    def first_page(self) -> str | None:
        """The address of the first page, where this is another one."""
        return self._address() if self.wanted.after is not None else None

    @cached_property
    def here(self) -> str:
        """The address of this page."""
        return address(PATH, self.given)

    def opened(self, path: str, row: object = None) -> str:
        """The address of a record, from which one finds the way through this list."""
        return opened(path, self.here, row)

    @cached_property
    def ticks(self) -> bool:
        """Whether any of them can be acknowledged."""
        return any(one.is_open for one in self.shown)

    def file(self, form: str) -> str:
        """The address of the whole list as a file."""
        kept = {name: value for name, value in self.given.items() if name not in ("after", "start")}
        return address(f"/api/monitor{PATH}", kept, state=self.wanted.state, form=form)

    def _address(self, **changed: object) -> str:
        return address(PATH, self.given, **{"after": None, "start": None, **changed})


def add(router: APIRouter, pages: Pages, host: ServiceHost[MonitoredCase], names: NamesInForce) -> None:
    """Add the page."""

    @router.get(PATH)
    async def all_alerts(request: Request, reader: Annotated[Reader, reader_may(host, Act.READ_ALERT)]) -> Response:
        """The list of alerts."""
        language = preferences_of(request).language
        typed, texts = with_codes(request.query_params, names()), pages.texts(language)
        try:
            wanted = AlertsQuery.model_validate(typed)
        except ValidationError as error:
            return pages.wrong_query(request, error, typed, LABELS)
        note_query(wanted)
        filters, now, words = wanted.of_list(), host.clock.now(), Words(language, texts, names())
        after = {"after": wanted.after} if wanted.after is not None else {}
        async with host.database.connect() as connection:
            counts = await alerts.open_counts(connection, filters, reader.scope)
            rows = await alerts.newest(connection, {**filters, **after}, reader.scope, PAGE_ROWS + 1, wanted.state)
            known = await cells.known(connection, None, reader.scope)
            rules, name_of = await rule_store.in_force(connection), await words.people(connection, now)
        count_rows(min(len(rows), PAGE_ROWS))
        local = at_place(rules, now, wanted.region)
        view = AlertsView(
            words,
            wanted,
            typed,
            AlertMaker(words, rules, now, name_of).all(rows[:PAGE_ROWS]),
            len(rows) > PAGE_ROWS,
            counts,
            known,
            phrases.moment(local, local.date(), language),
        )
        may = Act.ACKNOWLEDGE_ALERT in reader.acts
        return pages.render(request, "alerts.html", list=view, may_acknowledge=may, printed=view.printed)
