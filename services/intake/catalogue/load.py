"""Reading a catalogue file, with all its faults reported at once."""

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
        raise CatalogueInvalid([Fault(file.name, _place(content, one.path), one.reason) for one in findings])
    return catalogue


@cache
def sample_catalogue() -> Catalogue:
    """The catalogue that comes with onedoor: three bundles of three departments."""
    return load_catalogue(SAMPLE)


def _place(content: Any, path: tuple[int | str, ...]) -> str:
    """The line and the path of a fault, with each entry of a list named by its code instead of its number."""
    place, node = "", content
    for part in path:
        node = _child(node, part)
        if isinstance(part, str):
            place += f".{part}" if place else part
        else:
            place += f"[{_code(node) or part}]"
    return f"line {line_of(content, path)}: {place}" if place else place


def _child(node: Any, part: int | str) -> Any:
    try:
        return node[part]
    except (KeyError, IndexError, TypeError):  # The path of a missing field ends where there is nothing.
        return None


def _code(entry: Any) -> Any:
    if isinstance(entry, dict):
        return entry.get("code", entry.get("step"))
    return entry if isinstance(entry, str) else None
