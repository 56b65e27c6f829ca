"""The catalogues of pages: every text of templates and code stands in ``zh.po`` of its package, and nothing else does.

A text that is new gets an empty entry, for a person to fill in; the tests fail until it is.
"""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

SERVICES = Path(__file__).resolve().parent.parent / "services"

NAME = "zh.po"

SHARED = SERVICES / "runtime" / "http" / "pages" / NAME
"""The catalogue of what all pages share: a text that stands there stands in no other one."""

_METHODS = [("templates/**.html", "jinja2"), ("**.py", "python")]

_OPTIONS = {"templates/**.html": {"newstyle_gettext": "true", "trimmed": "true"}}

_KEYWORDS = {
    "_": None,
    "gettext": None,
    "N_": None,
    "NN_": (1, 2),
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
}


def catalogues() -> Iterator[Path]:
    """The catalogue of each package with pages."""
    return iter(sorted(SERVICES.rglob(NAME)))


def used(package: Path) -> Catalog:
    """A catalogue of the texts that this package uses and that are not shared by all, without translations."""
    found = Catalog(locale="zh", charset="utf-8", fuzzy=False)
    shared = read(SHARED) if package != SHARED.parent else Catalog()
    for name, _, message, _, context in extract_from_dir(
        package, method_map=_METHODS, options_map=_OPTIONS, keywords=_KEYWORDS
    ):
        if shared.get(message, context) is None:
            found.add(message, locations=[(name, 0)], context=context)
    return found


def read(path: Path) -> Catalog:
    """A catalogue as it stands."""
    with path.open("rb") as file:
        return read_po(file, locale="zh")


def renewed(path: Path) -> bytes:
    """The catalogue of the package with its present texts: those that it has keep their translation."""
    present = read(path)
    catalogue = used(path.parent)
    for message in catalogue:
        known = present.get(message.id, message.context) if message.id else None
        if known is not None and known.string:
            message.string = known.string
    written = BytesIO()
    write_po(written, catalogue, width=120, sort_output=True, omit_header=True, no_location=True)
    return HEAD + written.getvalue()


HEAD = b"""\
msgid ""
msgstr ""
"Content-Type: text/plain; charset=utf-8\\n"
"Language: zh\\n"
"Plural-Forms: nplurals=1; plural=0;\\n"

"""


def main() -> None:
    """Renew all catalogues."""
    for path in catalogues():
        path.write_bytes(renewed(path))
