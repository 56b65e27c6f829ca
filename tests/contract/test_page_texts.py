"""Pages speak both languages: every text stands in a catalogue, every entry is used and filled in."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from jinja2 import Environment

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
