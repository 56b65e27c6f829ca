"""The table of all settings, as Markdown, generated from the classes that read them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from pydantic import AwareDatetime, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import Url
from pydantic_settings import BaseSettings, NoDecode

from services import registry
from services.departments.sandbox.settings import SandboxSettings
from services.departments.sdk.declaration import resolve
from services.front.settings import FrontSettings
from services.identity.settings import IdentitySettings
from services.intake.settings import IntakeSettings
from services.monitor.settings import MonitorSettings
from services.operator.audit.settings import AuditSettings
from services.operator.login.settings import LoginSettings
from services.runtime.security.encryption import EncryptionSettings
from services.runtime.settings import HttpSettings, KafkaSettings, Settings

_INTRODUCTION = """\
# Settings

Every process reads its settings from environment variables. A wrong or missing one stops the process when it
starts, with the variable's name, its value (unless it is a secret) and what is allowed. `onedoor up` and
`onedoor demo` set what they need themselves; `onedoor serve` and `onedoor migrate` need everything set.

This file is generated: `make generated`."""

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "settings.md"


class Group(NamedTuple):
    """Settings of one subject, without those of ``base``."""

    title: str
    about: str
    kind: type[BaseSettings]
    base: type[BaseSettings] = BaseSettings


def groups() -> tuple[Group, ...]:
    """All settings: those of the core services, and those that the installed departments declare."""
    return (*_BEFORE_DEPARTMENTS, *_adapters(), *_AFTER_DEPARTMENTS, *_sandboxes())


_BEFORE_DEPARTMENTS = (
    Group("HTTP", "Read by each process of `onedoor serve`.", HttpSettings),
    Group(
        "Kafka",
        "Read by each service, and by the issuer where it follows the directory.",
        KafkaSettings,
        HttpSettings,
    ),
    Group("Every service", "Read by each service, beside those of HTTP and of Kafka.", Settings, KafkaSettings),
    Group("Encryption", "Read by every process and command that connects to another machine.", EncryptionSettings),
    Group("Intake", "Read by the service `intake`, beside those of every service.", IntakeSettings),
    Group("Monitor", "Read by the service `monitor`, beside those of every service.", MonitorSettings),
    Group(
        "The issuer",
        "Read by `onedoor serve identity`, beside those of HTTP and of Kafka and no others.",
        IdentitySettings,
        KafkaSettings,
    ),
    Group(
        "The front", "Read by `onedoor serve front`, beside those of HTTP and no others.", FrontSettings, HttpSettings
    ),
)

_AFTER_DEPARTMENTS = (
    Group(
        "Commands under a login",
        "Read by commands that change something, where they are not read by services as well.",
        LoginSettings,
        Settings,
    ),
    Group(
        "The audit", "Read by `onedoor audit`, where they are not read by services as well.", AuditSettings, Settings
    ),
    Group("Every sandbox", "Read by each process of `onedoor sandbox`. Not for production.", SandboxSettings),
)


def _adapters() -> Iterator[Group]:
    for system in registry.departments():
        declared = registry.department(system)
        yield Group(
            f"The {declared.name_en.lower()} adapter",
            f"Read by the service `{system}`, beside those of every service.",
            resolve(declared.settings),
        )


def _sandboxes() -> Iterator[Group]:
    for system in registry.sandboxes():
        declared = registry.department(system)
        if declared.sandbox is not None:
            yield Group(
                f"The {declared.name_en.lower()} sandbox",
                "Beside those of every sandbox.",
                resolve(declared.sandbox.settings),
                SandboxSettings,
            )


def markdown() -> str:
    """The whole document."""
    return "\n\n".join([_INTRODUCTION, *(_section(group) for group in groups())]) + "\n"


def write(document: Path = DOCUMENT) -> None:
    """Write the document anew."""
    document.write_text(markdown(), encoding="utf-8")


def variables() -> frozenset[str]:
    """The names of all settings."""
    return frozenset(_variable(group.kind, name) for group in groups() for name in group.kind.model_fields)


def _section(group: Group) -> str:
    rows = [
        _row(_variable(group.kind, name), field)
        for name, field in group.kind.model_fields.items()
        if field.description not in (None, _described(group.base, name))
    ]
    head = ["| variable | meaning | default | allowed |", "| --- | --- | --- | --- |"]
    return "\n".join([f"## {group.title}", "", group.about, "", *head, *rows])


def _described(base: type[BaseSettings], name: str) -> str | None:
    """The description of a setting where it is listed already, None elsewhere. Without one it is a constant."""
    known = base.model_fields.get(name)
    return None if known is None else known.description


def _variable(kind: type[BaseSettings], name: str) -> str:
    return f"{kind.model_config.get('env_prefix', '')}{name}".upper()


def _row(variable: str, field: FieldInfo) -> str:
    cells = (f"`{variable}`", field.description or "", _default(field), ", ".join(_allowed(field)))
    escaped = (cell.replace("|", "\\|") for cell in cells)  # a bar would end the cell
    return f"| {' | '.join(escaped)} |"


def _default(field: FieldInfo) -> str:
    value = field.default
    if field.is_required():
        return "**must be set**"
    if field.default_factory is not None:
        return "of the process"
    if value in (None, "", (), {}, SecretStr("")):
        return "none"
    if isinstance(value, str):
        return f"`{value}`"
    return f"`{','.join(value) if NoDecode in field.metadata else json.dumps(value)}`"


def _allowed(field: FieldInfo) -> Iterator[str]:
    kind = "comma separated list" if NoDecode in field.metadata else _kind(field.annotation)
    rules = [text for rule in field.metadata for text in _rules(rule)]
    if not any(text.startswith(_ONE_OF) for text in rules):
        yield kind
    yield from rules


def _rules(rule: object) -> Iterator[str]:
    for name, template in _RULES.items():
        bound = getattr(rule, name, None)
        if name == "min_length" and bound == 1:
            yield "not empty"
        elif name == "pattern" and bound is not None:
            yield _pattern(bound)
        elif bound is not None:
            yield template.format(bound)


def _pattern(pattern: str) -> str:
    """The pattern, or its alternatives if it only lists some."""
    if plain := re.fullmatch(r"\^\(([\w|-]+)\)\$", pattern):
        return _ONE_OF + ", ".join(f"`{choice}`" for choice in plain[1].split("|"))
    return f"`{pattern}`"


def _kind(annotation: Any) -> str:
    """The kind of value, as text for people."""
    origin = get_origin(annotation) or annotation
    if origin in (Union, UnionType):
        (only,) = (part for part in get_args(annotation) if part is not NoneType)
        return _kind(only)
    if origin is Annotated:
        return _kind(get_args(annotation)[0])
    return _KINDS[origin]


_ONE_OF = "one of "

_RULES = {
    "ge": "at least {}",
    "gt": "more than {}",
    "le": "at most {}",
    "lt": "less than {}",
    "min_length": "at least {} characters",
    "max_length": "at most {} characters",
    "pattern": "{}",
}

_KINDS: dict[Any, str] = {
    SecretStr: "text, kept secret",
    AwareDatetime: "moment with its zone (ISO 8601)",
    Path: "path",
    Url: "address",
    str: "text",
    int: "whole number",
    float: "number",
    bool: "`true` or `false`",
    dict: "JSON object",
    tuple: "JSON list",
}
