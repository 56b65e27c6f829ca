"""Reading a catalogue file, with all its faults reported at once."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from services.intake.core.catalogue.lint import lint
from services.intake.core.catalogue.models import Catalogue
from services.runtime.yaml_file import InvalidFile, line_of, load_yaml

SAMPLE = Path(__file__).with_name("sample.yaml")

_PART = re.compile(r"([^.\[\]]+)|\[([^\]]+)\]")


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of a catalogue file: its place, such as ``line 7: items[code].field``, and the reason."""

    file: str
    place: str
    reason: str

    def __str__(self) -> str:
        return f"{self.file}: {self.place}: {self.reason}" if self.place else f"{self.file}: {self.reason}"


class CatalogueInvalid(Exception):
    """The catalogue cannot be used. ``faults`` holds all its faults."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = tuple(faults)


def load_catalogue(file: Path) -> Catalogue:
    """The catalogue in a YAML file. Raises `CatalogueInvalid` with all faults, and `OSError` for an unreadable file."""
    try:
        content = load_yaml(file.read_bytes())
    except InvalidFile as error:
        raise CatalogueInvalid([Fault(file.name, "", str(error))]) from None
    try:
        catalogue = Catalogue.model_validate(content)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False)
        raise CatalogueInvalid([Fault(file.name, _place(content, one["loc"]), one["msg"]) for one in faults]) from None
    if findings := lint(catalogue):
        raise CatalogueInvalid([Fault(file.name, _with_line(content, place), reason) for place, reason in findings])
    return catalogue


@cache
def sample_catalogue() -> Catalogue:
    """The catalogue that comes with onedoor: three bundles of three departments."""
    return load_catalogue(SAMPLE)


def _with_line(content: Any, place: str) -> str:
    """The place of a finding, such as ``items[code].field``, with its line."""
    path: list[int | str] = []
    node = content
    for name, code in _PART.findall(place):
        part = name or _index(node, code)
        path.append(part)
        node = _child(node, part)
    return f"line {line_of(content, tuple(path))}: {place}"


def _index(entries: Any, code: str) -> int:
    """The place of the last entry with this code: of two, the second is the fault."""
    named = entries if isinstance(entries, list) else []
    places = [place for place, entry in enumerate(named) if code in _names(entry)]
    return places[-1] if places else len(named)


def _names(entry: Any) -> tuple[Any, ...]:
    return (entry.get("code"), entry.get("step")) if isinstance(entry, dict) else (entry,)


def _place(content: Any, path: tuple[int | str, ...]) -> str:
    """The line and the path of a fault, with each entry of a list named by its code instead of its number."""
    place, node = "", content
    for part in path:
        node = _child(node, part)
        if isinstance(part, str):
            place += f".{part}" if place else part
        else:
            named = node if isinstance(node, dict) else {}
            place += f"[{named.get('code', named.get('step', part))}]"
    return f"line {line_of(content, path)}: {place}" if place else place


def _child(node: Any, part: int | str) -> Any:
    try:
        return node[part]
    except (KeyError, IndexError, TypeError):  # The path of a missing field ends where there is nothing.
        return None
