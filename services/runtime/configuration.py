"""Reads settings from the environment and describes wrong ones: name, value, and what is allowed."""

from collections.abc import Iterator
from typing import Any, TypeVar

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

T = TypeVar("T", bound=BaseSettings)


class WrongSetting(Exception):
    """Settings are missing or wrong. The message names each, with its value (unless secret) and what is allowed."""


def read(kind: type[T]) -> T:
    """Read the settings of this class. Raises `WrongSetting`."""
    try:
        return kind()
    except ValidationError as error:
        raise WrongSetting(explain(kind, error)) from None


def wrong_setting(failure: BaseException) -> WrongSetting | None:
    """The wrong setting that a failure comes from, also where it was read deep in a service, or None."""
    return next((error for error in _leaves(failure) if isinstance(error, WrongSetting)), None)


def explain(kind: type[BaseSettings], error: ValidationError) -> str:
    """A message with one line for each wrong setting."""
    prefix = kind.model_config.get("env_prefix", "")
    return "\n".join(
        _line(kind, prefix, detail["loc"], detail["type"], detail["msg"], detail["input"]) for detail in error.errors()
    )


def _line(
    kind: type[BaseSettings], prefix: str, place: tuple[int | str, ...], fault: str, message: str, value: Any
) -> str:
    if not place:  # settings contradict each other; the message names them
        return f"{prefix}*: {message.removeprefix('Value error, ')}"
    field = kind.model_fields.get(str(place[0]))
    name = f"{prefix}{place[0]}".upper()
    meaning = f" Meaning: {field.description}" if field is not None and field.description else ""
    if fault == "missing":
        return f"{name} is not set.{meaning}"
    shown = "(a secret)" if field is None or _is_secret(field) else repr(value)
    return f"{name} = {shown}: {message}.{meaning}"


def _is_secret(field: FieldInfo) -> bool:
    return "SecretStr" in repr(field.annotation) or field.annotation is SecretStr


def _leaves(failure: BaseException) -> Iterator[BaseException]:
    if isinstance(failure, BaseExceptionGroup):
        for inner in failure.exceptions:
            yield from _leaves(inner)
    else:
        yield failure
