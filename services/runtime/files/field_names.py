"""The right name of a misspelt field in a document."""

from collections.abc import Sequence
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from contracts.faults import Fault, Path


def unknown_field(model: type[BaseModel], path: Path) -> Fault:
    """The fault of a field that the model does not have at this place, with the name that was probably meant."""
    names = _names(model, path[:-1])
    if likely := get_close_matches(str(path[-1]), names, n=1):
        return Fault(path, f"there is no such field; write {likely[0]}", f"没有此项，应为 {likely[0]}")
    en, zh = ", ".join(names), "、".join(names)
    return Fault(path, f"there is no such field; there are {en}", f"没有此项；可填写 {zh}")


def _names(kind: Any, path: Sequence[int | str]) -> list[str]:
    """The names of the fields of the model to which a path leads from this type."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        fields = {field.alias or name: field.annotation for name, field in kind.model_fields.items()}
        return _names(fields.get(str(path[0])), path[1:]) if path else list(fields)
    arguments, origin = get_args(kind), get_origin(kind)
    if origin is Annotated:
        return _names(arguments[0], path)
    if origin in (Union, UnionType):
        return [name for argument in arguments for name in _names(argument, path)]
    if origin is dict:
        return _names(arguments[1], path[1:])
    return _names(arguments[0], path[1:]) if arguments else []
