"""The languages of pages: which one a reader wants, and the catalogues of their texts.

A text is written in English where it is used. ``zh.po`` of the same package has it in Chinese (gettext); it is read
when the process starts.
"""

from collections.abc import Iterable
from importlib.resources.abc import Traversable
from io import BytesIO
from typing import NamedTuple

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations

from contracts.bilingual import Language

LANGUAGES: tuple[Language, ...] = ("zh", "en")

TAGS: dict[Language, str] = {"zh": "zh-CN", "en": "en"}
"""The value of ``lang`` on a page (BCP 47)."""

CATALOGUE = "zh.po"


def N_(text: str) -> str:
    """Mark a text for the catalogue where it is not shown yet."""
    return text


class Plural(NamedTuple):
    """A text about one, and a text about any other number. Chinese has one text for both."""

    one: str
    several: str


def NN_(one: str, several: str) -> Plural:
    """Mark a text about a number for the catalogue where it is not shown yet."""
    return Plural(one, several)


def language_of(cookie: str | None, accepted: str) -> Language:
    """The language of a page: the one that was chosen, else the one that the browser prefers, else Chinese.

    ``accepted`` is the header ``Accept-Language`` (RFC 9110, section 12.5.4).
    """
    if cookie in LANGUAGES:
        return cookie
    known: list[tuple[float, Language]] = []
    for part in accepted.lower().split(","):
        tag, _, weight = part.strip().partition(";")
        name = tag.strip().partition("-")[0]
        if name in LANGUAGES:
            known.append((_weight(weight), name))
    best = max(known, key=lambda one: one[0], default=(0.0, LANGUAGES[0]))
    return best[1] if best[0] > 0 else LANGUAGES[0]


def _weight(text: str) -> float:
    name, _, value = text.replace(" ", "").partition("=")
    try:
        return float(value) if name == "q" else 1.0
    except ValueError:
        return 0.0


def translations(language: Language, packages: Iterable[Traversable]) -> NullTranslations:
    """The texts of these packages in a language. Where two have the same text, the first counts."""
    found = NullTranslations()
    if language == "en":
        return found
    for package in packages:
        catalogue = package / CATALOGUE
        if catalogue.is_file():
            one = _translations(catalogue)
            one.add_fallback(found)
            found = one
    return found


def _translations(catalogue: Traversable) -> Translations:
    compiled = BytesIO()
    with catalogue.open("rb") as file:
        write_mo(compiled, read_po(file, locale="zh"))
    compiled.seek(0)
    return Translations(compiled)
