"""``python -m tools [schemas|diagrams|settings|rights|catalogue|texts|pictures]``: write generated files anew.

Without a name, as ``make generated`` has it, all but the pictures are written, and the tests compare each file with the
code. The pictures of the guide are those of the last run of the tests of pages.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tools import catalogue_schema, drawings, rights_table, schemas, settings_table, texts


def _schemas() -> Path:
    schemas.write()
    return schemas.FOLDER


def _diagrams() -> Path:
    drawings.write()
    return drawings.DOCUMENT


def _settings() -> Path:
    settings_table.write()
    return settings_table.DOCUMENT


def _rights() -> Path:
    rights_table.write()
    return rights_table.DOCUMENT


def _catalogue() -> Path:
    catalogue_schema.SCHEMA.write_text(catalogue_schema.schema_text(), encoding="utf-8")
    return catalogue_schema.SCHEMA


def _texts() -> Path:
    texts.main()
    return texts.SERVICES


def _pictures() -> Path:
    from tools import pictures  # its library is needed here only

    try:
        return pictures.write()
    except pictures.NotTaken as reason:
        sys.exit(str(reason))


WRITERS: Mapping[str, Callable[[], Path]] = {
    "schemas": _schemas,
    "diagrams": _diagrams,
    "settings": _settings,
    "rights": _rights,
    "catalogue": _catalogue,
    "texts": _texts,
}
"""Name -> writes the file or folder and gives its path."""

PICTURES = "pictures"


def main(names: Sequence[str]) -> None:
    """Write what is named, or everything."""
    if unknown := [name for name in names if name not in (*WRITERS, PICTURES)]:
        sys.exit(f"{unknown[0]!r} is not generated: choose from {', '.join((*WRITERS, PICTURES))}")
    for name in names or WRITERS:
        try:
            path = _pictures() if name == PICTURES else WRITERS[name]()
        except schemas.Breaking as breaking:
            sys.exit(f"{name}: nothing is written, because old readers or old messages would break:\n{breaking}")
        sys.stdout.write(f"{name}: written to {path}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
