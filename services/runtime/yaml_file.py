"""What people write, as YAML: read, and refused with each fault and its line. Pure."""

from collections.abc import Iterator
from typing import Any, TypeVar

import yaml
from pydantic import ConfigDict, ValidationError

from contracts.values import Value

W = TypeVar("W", bound="StrictValue")

Lines = dict[tuple[int | str, ...], int]
"""Where an entry stands in a file: its path, and the line."""


class StrictValue(Value):
    """A part of such a file: a name that means nothing is a fault, not something to pass over."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class InvalidFile(ValueError):
    """A file that is not in force and will not be; the message has a line for each fault."""


class _Loader(yaml.SafeLoader):
    """Leaves dates as they are written: of one that there is not, pydantic knows the place."""


_Loader.yaml_implicit_resolvers = {
    first: [one for one in resolvers if one[0] != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_yaml(kind: type[W], content: bytes) -> W:
    """What a file says. Raises `InvalidFile`."""
    try:
        node = yaml.compose(content, _Loader)
        said = yaml.load(content, _Loader)
    except yaml.MarkedYAMLError as fault:
        line = fault.problem_mark.line + 1 if fault.problem_mark else 1
        raise InvalidFile(f"line {line}: {fault.problem}") from None
    except yaml.YAMLError as fault:
        raise InvalidFile(f"line 1: not YAML: {fault}") from None
    return validated(kind, said, dict(_lines(node, ())))


def validated(kind: type[W], content: Any, lines: Lines) -> W:
    """What the YAML of a file says. ``lines`` tells on which line something stands. Raises `InvalidFile`."""
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False)
        raise InvalidFile("\n".join(_fault(one["loc"], one["msg"], lines) for one in faults)) from None


def _fault(path: tuple[int | str, ...], what: str, lines: Lines) -> str:
    line = next((lines[path[:end]] for end in range(len(path), -1, -1) if path[:end] in lines), 1)
    place = "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")
    what = what.removeprefix("Value error, ")
    return f"line {line}: {place}: {what}" if place else f"line {line}: {what}"


def _lines(node: yaml.Node | None, path: tuple[int | str, ...]) -> Iterator[tuple[tuple[int | str, ...], int]]:
    """Where each entry stands. An entry of a mapping stands where its name does."""
    match node:
        case None:
            return
        case yaml.MappingNode():
            yield path, node.start_mark.line + 1
            for name, value in node.value:
                yield from _lines(value, (*path, name.value))
                yield (*path, name.value), name.start_mark.line + 1
        case yaml.SequenceNode():
            yield path, node.start_mark.line + 1
            for place, value in enumerate(node.value):
                yield from _lines(value, (*path, place))
        case _:
            yield path, node.start_mark.line + 1
