"""The filters of the board: what can be chosen, and which are in force."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any
from urllib.parse import urlencode

from contracts.bilingual import Language
from contracts.regions import region_name
from contracts.working_time import phrases
from services.monitor.core.board import periods
from services.monitor.core.board.periods import Period, month_of, parse_period
from services.runtime.http.pages.languages import N_

LABELS = {
    "period": N_("Period"),
    "by": N_("One row for each"),
    "owner": N_("Department"),
    "region": N_("Region"),
    "item": N_("Item"),
    "kind": N_("Kind"),
    "sort": N_("Order"),
    "first": N_("First day"),
    "last": N_("Last day"),
}
"""The label of each field."""

BY = (("owner", N_("department")), ("region", N_("county")), ("item", N_("item")))

KINDS = (
    ("case", N_("Whole cases")),
    ("step", N_("Steps")),
    ("procedure", N_("Special procedures")),
    ("acceptance", N_("Acceptance")),
    ("notice", N_("Notices")),
    ("delivery", N_("Deliveries")),
    ("complaint", N_("Complaints")),
    ("consultation", N_("Consultations")),
)

MONTHS, QUARTERS, YEARS = 12, 4, 3
"""So many periods of each length can be chosen without typing."""

Options = Sequence[tuple[str, str]]


def period_text(period: Period, language: Language) -> str:
    """A period as people say it."""
    return phrases.period(period.first, period.last, period.months, language)


def period_options(today: date, chosen: Period, language: Language) -> Options:
    """The last months, quarters and years, and the period that is shown."""
    found: list[Period] = []
    for first, number in (
        (month_of(today), MONTHS),
        (parse_period(f"{today.year:04}-Q{(today.month + 2) // 3}"), QUARTERS),
        (parse_period(f"{today.year:04}"), YEARS),
    ):
        one = first
        for _ in range(number):
            found.append(one)
            one = periods.before(one)
    if chosen not in found:
        found.insert(0, chosen)
    return [(str(one), period_text(one, language)) for one in found]


def region_options(counties: Sequence[str]) -> Options:
    """All counties of which anything is counted, under their provinces and cities."""
    codes = {code[:length] for code in counties for length in (2, 4, 6)}
    return [(code, f"{'　' * (len(code) // 2 - 1)}{region_name(code)}") for code in sorted(codes)]


def address(path: str, given: Mapping[str, Any], **changed: object) -> str:
    """The address of a page with these filters, of which some are changed; None removes one."""
    query = {name: value for name, value in {**given, **changed}.items() if value is not None}
    return path + ("?" + urlencode(query) if query else "")


def in_force(path: str, given: Mapping[str, str], names: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """The filters among these names that are in force: label, value, and the address without it."""
    for name in names:
        if name in given:
            value = region_name(given[name]) if name == "region" else given[name]
            yield LABELS[name], value, address(path, given, **{name: None, "start": None})
