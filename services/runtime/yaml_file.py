"""YAML files that people write: reading them with the line of each fault, and writing them. Pure.

YAML 1.2: ``no`` and ``on`` are text. A date stays text as well, so that the model that expects a date reports an
impossible one.
"""

from collections.abc import Sequence
from io import StringIO
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import RoundTripConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import ScalarNode

M = TypeVar("M", bound=BaseModel)

Path = tuple[int | str, ...]
"""Where an entry stands in a file: the names and places that lead to it from the top."""


class InvalidFile(ValueError):
    """A file that cannot be used. The message has a line for each fault, which begins with the line of the file."""


class _Constructor(RoundTripConstructor):
    """Keeps the line of each entry, and leaves dates as they are written."""


def _as_text(constructor: RoundTripConstructor, node: ScalarNode) -> str:
    return str(node.value)


_Constructor.add_constructor("tag:yaml.org,2002:timestamp", _as_text)


def load_yaml(content: bytes) -> Any:
    """The content of a file as dictionaries, lists and scalars that know their lines (`line_of`).

    Raises `InvalidFile` for text that is not YAML, and for a name that stands twice in one place.
    """
    yaml = YAML()
    yaml.Constructor = _Constructor
    try:
        return yaml.load(content)
    except MarkedYAMLError as fault:
        line = fault.problem_mark.line + 1 if fault.problem_mark else 1
        raise InvalidFile(f"line {line}: {str(fault.problem).strip()}") from None
    except YAMLError as fault:
        raise InvalidFile(f"line 1: not YAML: {' '.join(str(fault).split())}") from None


def read_yaml(model: type[M], content: bytes) -> M:
    """The content of a file as a value of this model. Raises `InvalidFile`."""
    return check_yaml(model, load_yaml(content))


def check_yaml(model: type[M], loaded: Any, name_fields: Sequence[str] = ()) -> M:
    """Loaded content as a value of this model. Raises `InvalidFile`; ``name_fields`` as for `describe_fault`."""
    try:
        return model.model_validate(loaded)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False)
        raise InvalidFile("\n".join(describe_fault(loaded, f["loc"], f["msg"], name_fields) for f in faults)) from None


def describe_fault(loaded: Any, path: Path, reason: str, name_fields: Sequence[str] = ()) -> str:
    """The line and the place of a fault, and the reason.

    An entry of a list is named by the first of the ``name_fields`` that it has, or by itself if it is a text; without
    ``name_fields`` by its number.
    """
    place, node = "", loaded
    for part in path:
        node = _child(node, part)
        place += f".{part}" if isinstance(part, str) else f"[{_name(node, name_fields) or part + 1}]"
    reason = reason.removeprefix("Value error, ")
    where = f"line {line_of(loaded, path)}"
    return f"{where}: {place.removeprefix('.')}: {reason}" if place else f"{where}: {reason}"


def write_yaml(value: BaseModel) -> str:
    """A value as a file that `read_yaml` reads again, without the fields that have their defaults."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = None
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.width = 120
    out = StringIO()
    yaml.dump(value.model_dump(mode="json", exclude_defaults=True), out)
    return out.getvalue()


def line_of(loaded: Any, path: Path) -> int:
    """The line, from 1, of the entry at the end of this path, or of the last entry on the path that exists.

    An entry of a mapping stands where its name does.
    """
    line, node = _first_line(loaded), loaded
    for part in path:
        if isinstance(node, CommentedMap) and part in node:
            line = node.lc.key(part)[0] + 1
        elif isinstance(node, CommentedSeq) and isinstance(part, int) and part < len(node):
            line = node.lc.item(part)[0] + 1
        else:
            break
        node = node[part]
    return line


def _first_line(loaded: Any) -> int:
    return loaded.lc.line + 1 if isinstance(loaded, CommentedMap | CommentedSeq) else 1


def _child(node: Any, part: int | str) -> Any:
    try:
        return node[part]
    except (KeyError, IndexError, TypeError):  # the path of a missing field ends where there is nothing
        return None


def _name(entry: Any, name_fields: Sequence[str]) -> str | None:
    if isinstance(entry, CommentedMap):
        return next((str(entry[field]) for field in name_fields if field in entry), None)
    return str(entry) if name_fields and isinstance(entry, str) else None
