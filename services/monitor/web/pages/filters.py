"""The filters of the board: what can be chosen, and which are in force."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any
from urllib.parse import urlencode

from babel.support import NullTranslations

from contracts.bilingual import Language
from contracts.regions import region_name
from contracts.working_time import phrases
from services.monitor.core.board import periods
from services.monitor.core.board.periods import Period, month_of, parse_period
from services.monitor.core.names import Names
from services.runtime.http.pages.languages import N_

LABELS = {
    "period": N_("Period"),
    "by": N_("Rows"),
    "owner": N_("Department"),
    "region": N_("Region"),
    "item": N_("Item"),
    "kind": N_("Kind"),
    "sort": N_("Order"),
    "first": N_("First day"),
    "last": N_("Last day"),
}
"""The label of each field."""

BY = (("owner", N_("Departments")), ("region", N_("Counties")), ("item", N_("Items")))

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

PROVINCE, CITY = 2, 4
"""Digits of a code that name the province, and the city."""

Options = Sequence[tuple[str, str]]

Groups = Sequence[tuple[str, Options]]


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


def region_groups(counties: Sequence[str], chosen: str | None, texts: NullTranslations) -> Groups:
    """All counties of which anything is counted under the names of their cities, each city first as a whole.

    The chosen region is among them, whatever is counted of it.
    """
    codes = {*counties, *([chosen] if chosen else ())}
    provinces = sorted({code[:PROVINCE] for code in codes})
    found: list[tuple[str, Options]] = []
    if len(provinces) > 1 or chosen in provinces:
        found.append((texts.gettext("Provinces"), [(code, region_name(code)) for code in provinces]))
    for city in sorted({code[:CITY] for code in codes if len(code) >= CITY}):
        members = sorted(code for code in codes if code.startswith(city) and code != city)
        whole = (city, texts.gettext("%(place)s, all of it") % {"place": region_name(city)})
        found.append((region_name(city), [whole, *((code, place_name(code, texts)) for code in members)]))
    return found


def place_name(code: str, texts: NullTranslations) -> str:
    """The name of a place as a row or a filter has it: the code of a city is its own centre, without its counties."""
    name = region_name(code)
    if len(code) > CITY and code.endswith("00"):
        return texts.gettext("%(place)s, city level") % {"place": name}
    return name


def address(path: str, given: Mapping[str, Any], **changed: object) -> str:
    """The address of a page with these filters, of which some are changed; None removes one."""
    query = {name: value for name, value in {**given, **changed}.items() if value is not None}
    return path + ("?" + urlencode(query) if query else "")


def with_codes(given: Mapping[str, str], names: Names) -> dict[str, str]:
    """These fields of a query, in which an item may be called by its name."""
    return {name: names.code_of(value) if name in ("item", "matter") else value for name, value in given.items()}


def in_force(
    path: str,
    given: Mapping[str, str],
    names: Sequence[str],
    texts: NullTranslations,
    value_of: Callable[[str, str], str],
) -> Iterator[tuple[str, str, str]]:
    """The filters among these names that are in force: label, value, and the address without it.

    ``value_of``: the value of a field as people read it.
    """
    for name in names:
        if name in given:
            value = value_of(name, given[name])
            yield texts.gettext(LABELS[name]), value, address(path, given, **{name: None, "start": None})
