"""The content of the page of the record of access."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cached_property
from typing import Annotated, Any, NamedTuple

from babel.support import NullTranslations
from pydantic import ConfigDict, Field
from sqlalchemy import Row

from contracts.bilingual import Language
from contracts.values import Model
from contracts.zone import CHINA
from services.runtime.http.bodies.typed_text import TypedCaseNumber
from services.runtime.http.operating.access_record import Purpose
from services.runtime.http.pages.audit.shown import Day, address, all_services, moment, service_name
from services.runtime.http.pages.languages import N_
from services.runtime.http.pages.words import ACTS, OUTCOMES, ROLES
from services.runtime.journal.checking import CheckedDay
from services.runtime.security.access_record import Outcome
from services.runtime.store.access_record import COUNTED, RecordFilter

PAGE_ROWS = 50
"""Entries of a page."""

REFUSALS = (Outcome.NOT_LOGGED_IN, Outcome.NO_RIGHT, Outcome.NOT_FOUND, Outcome.FOREIGN, Outcome.MALFORMED)
"""The outcomes of requests that were refused."""

LABELS = {
    "person": N_("Person"),
    "act": N_("Act"),
    "outcome": N_("Outcome"),
    "case": N_("Case number"),
    "since": N_("First day"),
    "until": N_("Last day"),
    "purpose": N_("Purpose"),
    "verify": N_("Day to verify"),
}
"""The label of each field."""

SEARCHED = ("person", "act", "outcome", "case", "since", "until", "purpose")
"""The fields that a search of one service has in the next one, too."""


class RecordPageQuery(Model):
    """A page of the record. All given filters must fit. ``verify``: the day whose chain is verified."""

    model_config = ConfigDict(extra="forbid")

    person: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    act: Annotated[str, Field(max_length=64)] | None = None
    outcome: Outcome | None = None
    case: TypedCaseNumber | None = None
    since: Day | None = None
    until: Day | None = None
    purpose: Purpose | None = None
    verify: Day | None = None
    after: int | None = Field(None, ge=1, lt=2**63)
    start: int = Field(1, ge=1, le=1_000_000_000)

    @property
    def filter(self) -> RecordFilter:
        """As the store knows it; without the place in the list."""
        return RecordFilter(
            self.person,
            self.act,
            self.outcome,
            self.case,
            _begin(self.since) if self.since is not None else None,
            _begin(self.until) + timedelta(days=1) if self.until is not None else None,
        )


class ShownEntry(NamedTuple):
    """An entry of the record in words."""

    number: int
    when: str
    person: str | None
    on_behalf_of: str | None
    roles: str
    act: str
    outcome: str
    is_refusal: bool
    case_id: str | None
    filter: str
    purpose: str | None
    rows: int | None
    times: int
    client: str | None
    request: str | None


@dataclass
class RecordView:
    """The content of the page."""

    service: str
    systems: Sequence[str]
    wanted: RecordPageQuery
    given: Mapping[str, str]
    rows: Sequence[Row[Any]]
    has_more: bool
    counts: Mapping[str, int]
    reached: datetime | None
    last_root: Row[Any] | None
    checked: CheckedDay | None
    now: datetime
    language: Language
    texts: NullTranslations

    @property
    def path(self) -> str:
        """The address of the page."""
        return f"/record/{self.service}"

    @cached_property
    def name(self) -> str:
        """The name of the service."""
        return service_name(self.service, self.texts)

    @cached_property
    def entries(self) -> list[ShownEntry]:
        """The entries of the page."""
        return [self._entry(row) for row in self.rows]

    @cached_property
    def total(self) -> int:
        """How many entries fit, of the newest `COUNTED`."""
        return sum(self.counts.values())

    @cached_property
    def answer(self) -> str:
        """How many entries fit, and how many of them were refused."""
        refused = sum(self.counts.get(one, 0) for one in REFUSALS)
        if not self.total:
            return self._(N_("Nothing is on record that fits."))
        numbers = {"all": f"{self.total:,}", "refused": f"{refused:,}"}
        if self.total >= COUNTED:
            return self._(N_("Refused among the newest %(all)s: %(refused)s."), **numbers)
        return self._(N_("Entries that fit: %(all)s; refused: %(refused)s."), **numbers)

    @cached_property
    def views(self) -> list[tuple[str, str, bool]]:
        """The same search in the records of all services."""
        return [
            (address(f"/record/{name}", self._kept), service_name(name, self.texts), name == self.service)
            for name in all_services(self.systems)
        ]

    @cached_property
    def chosen(self) -> list[tuple[str, str, str]]:
        """The filters in force: label, value, and the address without it."""
        return self.chosen_from(self.path)

    def chosen_from(self, path: str) -> list[tuple[str, str, str]]:
        """The same for the page of this path."""
        return [
            (self._(LABELS[name]), self._value(name), address(path, self._kept, **{name: None}))
            for name in SEARCHED
            if name in self.given
        ]

    @cached_property
    def act_options(self) -> list[tuple[str, str]]:
        """All acts."""
        return [(act, self._(text)) for act, text in ACTS.items()]

    @cached_property
    def outcome_options(self) -> list[tuple[str, str]]:
        """All outcomes."""
        return [(outcome, self._(text)) for outcome, text in OUTCOMES.items()]

    @cached_property
    def last(self) -> int:
        """The place of the last row."""
        return self.wanted.start + len(self.rows) - 1

    @cached_property
    def next_page(self) -> str | None:
        """The address of the next page."""
        return self.address(after=self.rows[-1].number, start=self.last + 1) if self.has_more else None

    @cached_property
    def first_page(self) -> str | None:
        """The address of the first page, where this is another one."""
        return self.address() if self.wanted.after is not None else None

    @cached_property
    def yesterday(self) -> date:
        """The last day that is over."""
        return self.now.astimezone(CHINA).date() - timedelta(days=1)

    @cached_property
    def complete_until(self) -> str | None:
        """The moment up to which the chain is complete."""
        return moment(self.reached, self.now, self.language) if self.reached is not None else None

    def file(self, form: str) -> str:
        """The address of all entries that fit, as a file of this form."""
        wanted = self.wanted.filter
        days = {name: getattr(wanted, name).isoformat() for name in ("since", "until") if name in self.given}
        kept = {
            name: self.given[name] for name in ("person", "act", "outcome", "case", "purpose") if name in self.given
        }
        return address(f"/api/{self.service}/record", {**kept, **days}, form=form)

    def address(self, **changed: object) -> str:
        """The first page with some filters changed."""
        return address(self.path, self._kept, **changed)

    @property
    def _kept(self) -> dict[str, str]:
        """The search, without a place in its list."""
        return {name: self.given[name] for name in SEARCHED if name in self.given}

    def _value(self, name: str) -> str:
        words = {"act": ACTS, "outcome": OUTCOMES}.get(name, {})
        value = self.given[name]
        return self._(words[value]) if value in words else value

    def _entry(self, row: Row[Any]) -> ShownEntry:
        filters = json.loads(row.filter) if row.filter is not None else {}
        return ShownEntry(
            row.number,
            moment(row.at, self.now, self.language),
            row.person,
            row.on_behalf_of,
            ", ".join(self._(ROLES[role]) if role in ROLES else role for role in row.roles),
            self._(ACTS[row.act]) if row.act in ACTS else row.act,
            self._(OUTCOMES[row.outcome]) if row.outcome in OUTCOMES else row.outcome,
            row.outcome in REFUSALS,
            row.case_id,
            ", ".join(f"{name} {value}" for name, value in filters.items()),
            row.purpose,
            row.rows,
            row.times,
            row.client,
            row.request,
        )

    def _(self, text: str, **values: object) -> str:
        translated: str = self.texts.gettext(text)
        return translated % values if values else translated


def _begin(day: date) -> datetime:
    return datetime.combine(day, time(), CHINA)
