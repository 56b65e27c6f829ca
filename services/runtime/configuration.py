"""Reads settings from the environment and describes wrong ones: name, value, and what is allowed."""

import os
from collections.abc import Iterator
from typing import Any, TypeVar

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsError

from contracts.bilingual import both
from services.runtime.fault_text import described
from services.runtime.files.strict_json import InvalidJson, parse_json

T = TypeVar("T", bound=BaseSettings)


class WrongSetting(Exception):
    """Settings are missing or wrong. The message names each, with its value (unless secret) and what is allowed."""


def read(kind: type[T]) -> T:
    """Read the settings of this class. Raises `WrongSetting`."""
    try:
        found = kind()
    except ValidationError as error:
        raise WrongSetting(explain(kind, error)) from None
    except SettingsError:  # a setting with several values is no JSON
        raise WrongSetting("\n".join(_json_faults(kind, repeated_only=False))) from None
    if faults := list(_json_faults(kind, repeated_only=True)):
        raise WrongSetting("\n".join(faults))
    return found


def _json_faults(kind: type[BaseSettings], *, repeated_only: bool) -> Iterator[str]:
    """The settings that are no JSON, or in which a name stands twice, a line each, without their values."""
    prefix = kind.model_config.get("env_prefix", "")
    for field in kind.model_fields:
        name = f"{prefix}{field}".upper()
        text = os.environ.get(name, "").strip()
        if text[:1] in ("{", "["):
            try:
                parse_json(text)
            except InvalidJson as fault:
                if fault.path is not None:
                    yield f"{name}: {'.'.join(map(str, fault.path))} {fault}"
                elif not repeated_only:
                    yield f"{name}: {fault}"


def wrong_setting(failure: BaseException) -> WrongSetting | None:
    """The wrong setting that a failure comes from, also where it was read deep in a service, or None."""
    return next((error for error in _leaves(failure) if isinstance(error, WrongSetting)), None)


def explain(kind: type[BaseSettings], error: ValidationError) -> str:
    """A message with one line for each wrong setting."""
    prefix = kind.model_config.get("env_prefix", "")
    lines = []
    for detail in error.errors():
        for fault in described([detail]):
            message = both(fault.en, fault.zh)
            lines.append(_line(kind, prefix, fault.path, detail["type"], message, detail["input"]))
    return "\n".join(lines)


def _line(
    kind: type[BaseSettings], prefix: str, place: tuple[int | str, ...], fault: str, message: str, value: Any
) -> str:
    if not place:  # settings contradict each other; the message names them
        return f"{prefix}*: {message}"
    field = kind.model_fields.get(str(place[0]))
    name = f"{prefix}{place[0]}".upper()
    meaning = f" Meaning: {field.description}" if field is not None and field.description else ""
    if fault == "missing":
        return f"{both(f'{name} is not set; set it', '未设置，请设置')}.{meaning}"
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
