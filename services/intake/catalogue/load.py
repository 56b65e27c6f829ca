"""Reading a catalogue file, and saying everything that is wrong with it at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from services.intake.core.catalogue.lint import lint
from services.intake.core.catalogue.models import Catalogue
from services.runtime.yaml_file import InvalidFile, load_yaml

SAMPLE = Path(__file__).with_name("sample.yaml")


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong in a catalogue: the file, the entry and field (``items[code].field``), and the reason."""

    file: str
    place: str
    reason: str

    def __str__(self) -> str:
        return f"{self.file}: {self.place}: {self.reason}" if self.place else f"{self.file}: {self.reason}"


class CatalogueInvalid(Exception):
    """The catalogue cannot be used; ``faults`` says everything that is wrong with it."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = tuple(faults)


def load_catalogue(file: Path) -> Catalogue:
    """Read a catalogue from YAML. Raises `CatalogueInvalid` with every fault found, `OSError` if there is no file."""
    try:
        content = load_yaml(file.read_bytes())
    except InvalidFile as error:
        raise CatalogueInvalid([Fault(file.name, "", str(error))]) from None
    try:
        catalogue = Catalogue.model_validate(content)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False)
        raise CatalogueInvalid([Fault(file.name, _place(f["loc"], content), f["msg"]) for f in faults]) from None
    if findings := lint(catalogue):
        raise CatalogueInvalid([Fault(file.name, place, reason) for place, reason in findings])
    return catalogue


@cache
def sample_catalogue() -> Catalogue:
    """The catalogue that comes with onedoor: three bundles of three departments."""
    return load_catalogue(SAMPLE)


def _place(path: Sequence[int | str], content: Any) -> str:
    """The path of a fault with entries named by their code, since people do not count entries."""
    place = ""
    for part in path:
        content = _within(content, part)
        if isinstance(part, str):
            place += f".{part}" if place else part
        else:
            named = content if isinstance(content, dict) else {}
            place += f"[{named.get('code', named.get('step', part))}]"
    return place


def _within(content: Any, part: int | str) -> Any:
    try:
        return content[part]
    except (KeyError, IndexError, TypeError):  # a missing field has a path, too, but nothing at its end
        return None
