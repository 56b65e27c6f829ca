"""Pages speak both languages: every text stands in a catalogue, every entry is used and filled in."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from jinja2 import Environment

from services.front.web.texts import TEXTS
from tools import texts

PACKAGES = [path.parent for path in texts.catalogues()]

TEMPLATES = [template for package in PACKAGES for template in sorted((package / "templates").rglob("*.html"))]

READ_ALOUD = {"aria-label", "title", "alt", "placeholder", "aria-description"}
"""Attributes whose text people see or hear."""

GAP = "\x01"
"""Stands where Jinja fills something in."""

OWN_NAMES = {"中文", "English", "CSV", "Excel", "PDF", "onedoor"}
"""Names that are the same in every language."""


def ids(catalogue: Catalog) -> set[tuple[str | None, object]]:
    """The texts of a catalogue, with their contexts."""
    return {(message.context, message.id) for message in catalogue if message.id}


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: str(package.relative_to(texts.SERVICES)))
class TestCatalogue:
    """The catalogue of one package."""

    def test_it_has_what_is_used_and_nothing_else(self, package: Path) -> None:
        used, present = ids(texts.used(package)), ids(texts.read(package / texts.NAME))
        assert used - present == set(), "missing: run `python -m tools texts`, and fill the new entries in"
        assert present - used == set(), "unused, or shared by all: run `python -m tools texts`"

    def test_every_entry_is_filled_in_with_the_same_values(self, package: Path) -> None:
        for message in texts.read(package / texts.NAME):
            if not message.id:
                continue
            translated, given = forms(message.string), forms(message.id)
            assert all(translated), f"{message.id}: empty"
            assert values(translated[-1]) == values(given[-1]), message.id


def forms(text: object) -> tuple[str, ...]:
    """The singular and the plural of a text that has both."""
    return tuple(map(str, text)) if isinstance(text, tuple | list) else (str(text or ""),)


def values(text: str) -> set[str]:
    """What is filled into a text."""
    return set(re.findall(r"%\([a-z_0-9]+\)s|\{[a-z_]+\}", text))


NO_NUMBER = {
    *(
        "address",
        "calendar",
        "channel",
        "code",
        "counts",
        "county",
        "day",
        "fault",
        "figure",
        "high",
        "id",
        "limit",
        "low",
    ),
    *("name", "now", "other", "owner", "periods", "person", "phrase", "place", "post", "program", "reason", "rung"),
    *("mean_days", "mean_days_committed", "points"),  # to two decimals, and those have a plural
    *("service", "since", "step", "time", "title", "value", "when"),
}
"""The names of values in texts that are no numbers. A new name that a plural follows is taken for one."""

_AFTER_NUMBER = re.compile(r"(?:%\((\w+)\)s|\{(\w+)\})((?: [a-z]+){1,3})")

_AGREES = re.compile(r"\b(?:are|have|were|(?!is\b|has\b|was\b|this\b|its\b)[a-z]+s)\b")

_SEVERAL = re.compile(r"(?:All|None of the|at most) (?=%\(number\)s)")
"""Before a number that is never one."""


def disagreeing(text: str) -> bool:
    """Whether a text without a plural has a number and words behind it that would differ for one."""
    found = _AFTER_NUMBER.finditer("" if _SEVERAL.search(text) else text)
    return any((one[1] or one[2]) not in NO_NUMBER and _AGREES.search(one[3]) is not None for one in found)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: str(package.relative_to(texts.SERVICES)))
def test_what_agrees_with_a_number_has_a_plural(package: Path) -> None:
    plain = [str(message.id) for message in texts.read(package / texts.NAME) if isinstance(message.id, str)]
    assert [text for text in plain if disagreeing(text)] == [], "give it two texts: ngettext, NN_"


def test_the_texts_of_the_front_need_no_plural() -> None:
    assert [english for english, _ in TEXTS.values() if disagreeing(english)] == []


@pytest.mark.parametrize(
    ("text", "disagrees"),
    [
        ("None of 1 departments", False),
        ("Of %(number)s departments none", True),
        ("%(soon)s are due", True),
        ("{n} more departments", True),
        ("%(number)s with a red card", False),
        ("All %(number)s counties have it", False),
        ("%(name)s has decided", False),
    ],
)
def test_a_number_that_needs_a_plural_is_found(text: str, disagrees: bool) -> None:
    assert disagreeing(text) is disagrees


class Visible(HTMLParser):
    """Collects the texts of a template that stand in it and not in the catalogue."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_data(self, data: str) -> None:
        self.found.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in READ_ALOUD and value]


def plain_texts(source: str) -> Iterator[str]:
    """The words of a template outside of what Jinja fills in."""
    parts = [(kind, value) for _, kind, value in Environment().lex(source) if kind != "comment"]
    data = "".join(value if kind == "data" else f" {GAP} " for kind, value in parts)
    parser = Visible()
    parser.feed(data)
    for text in parser.found:
        for part in text.split(GAP):
            if re.search(r"[^\W\d_]{2,}", part) and part.strip() not in OWN_NAMES:
                yield part.strip()


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.name)
def test_a_template_has_no_text_outside_the_catalogue(template: Path) -> None:
    assert list(plain_texts(template.read_text(encoding="utf-8"))) == []


def test_a_text_outside_the_catalogue_is_found() -> None:
    source = '<p title="Some title">{{ _("in it") }} and this {# not this #}<b class="bold">中文字</b></p>'
    assert list(plain_texts(source)) == ["Some title", "and this", "中文字"]
