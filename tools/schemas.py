"""The contracts as JSON Schemas and an AsyncAPI document, and what a change of them would break.

The schemas are those of a reader (pydantic's *validation* mode): an optional field may be missing, as it is in
messages written before it was thought of. What is written is always a part of what is read.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeGuard

import contracts
from contracts.envelope import CONTENT_TYPE, Message, envelope_class
from contracts.registry import MAX_RECORD_BYTES, REGISTRY

Schema = Mapping[str, Any]

FOLDER = Path(contracts.__file__).parent / "schemas"
PROMISED = "promised.json"
"""The file that says what readers and writers out there rely on: see `write`."""

DIALECT = "https://json-schema.org/draft/2020-12/schema"
TOPIC = "x-onedoor-topic"

_ANNOTATIONS = frozenset({"$schema", "$id", "$comment", "title", "description", "examples"})
_NAMED = frozenset({"properties", "$defs"})
_VALUES = frozenset({"default", "const", "enum"})
"""Keywords that hold values, not schemas."""


class Breaking(Exception):
    """The change would break old readers or old messages; nothing has been written."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


def message_schemas() -> dict[str, dict[str, Any]]:
    """Message type -> JSON Schema of the whole event."""
    return {message.type: _event_schema(message) for message in REGISTRY}


def documents() -> dict[str, Any]:
    """All that is generated: file name -> JSON document."""
    schemas = message_schemas()
    files: dict[str, Any] = {f"{name}.json": schema for name, schema in schemas.items()}
    return files | {"asyncapi.json": asyncapi(), PROMISED: {name: shape(schema) for name, schema in schemas.items()}}


def render(document: object) -> str:
    """A document as it stands in its file."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def write(folder: Path = FOLDER) -> None:
    """Generate the files anew, provided that what was promised is kept.

    Raises `Breaking` if it is not, and `FileNotFoundError` if the promise itself is missing: who has promised
    nothing yet says so with a file that holds ``{}``.
    """
    promised = json.loads((folder / PROMISED).read_text())
    if faults := breaks(promised, message_schemas()):
        raise Breaking(faults)
    for name, document in documents().items():
        (folder / name).write_text(render(document))


def shape(schema: Schema) -> dict[str, Any]:
    """The schema without what only people read."""
    result: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword in _NAMED:
            result[keyword] = {name: shape(part) for name, part in sorted(value.items())}
        elif keyword in _VALUES:
            result[keyword] = value
        elif keyword not in _ANNOTATIONS:
            result[keyword] = _shape_of(value)
    return result


def _shape_of(value: object) -> object:
    if isinstance(value, dict):
        return shape(value)
    if isinstance(value, list):
        return [_shape_of(part) for part in value]
    return value


def _event_schema(message: type[Message]) -> dict[str, Any]:
    schema = envelope_class(message).model_json_schema()
    # A reader of ours knows the version and type from elsewhere; a writer must state them (CloudEvents 1.0.2, 3.1).
    required = ["specversion", "type", *schema.pop("required")]
    schema |= {"title": message.type, "description": _docstring(message)}
    head = {"$schema": DIALECT, "$id": f"urn:{message.type.replace('.', ':')}", TOPIC: REGISTRY[message].topic}
    return {**head, **schema, "required": required}


def _docstring(message: type[Message]) -> str:
    return " ".join((message.__doc__ or "").split())


def breaks(old: Mapping[str, Schema], new: Mapping[str, Schema]) -> list[str]:
    """What an old reader or an old message would not survive, one line each; empty when the change is allowed.

    Allowed are new messages and new optional fields, and what only people read. All else is refused, a wider
    range of values too: an old reader would refuse what a new writer may then say.
    """
    faults = []
    for name, schema in old.items():
        if name not in new:
            faults.append(f"{name}: the message is gone")
        else:
            faults.extend(_differences(schema, new[name], _Roots(schema, new[name]), name))
    return faults


class _Roots:
    """The two documents in which references are looked up, and the pairs of references being compared."""

    def __init__(self, old: Schema, new: Schema) -> None:
        self.old = old
        self.new = new
        self.met: set[tuple[str, str]] = set()


def _differences(old: Schema, new: Schema, roots: _Roots, at: str) -> Iterator[str]:
    references = (old.get("$ref", ""), new.get("$ref", ""))
    if references not in roots.met:
        if all(references):
            roots.met.add(references)
        # What stands beside a reference (a default) holds together with what is referred to.
        old = {**_resolve(old, roots.old), **old}
        new = {**_resolve(new, roots.new), **new}
    for keyword in sorted({*old, *new} - _ANNOTATIONS - {"$defs", "$ref", "properties", "required"}):
        before, after = old.get(keyword), new.get(keyword)
        if keyword not in _VALUES and isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from _differences(before, after, roots, f"{at}[]")
        elif _are_schemas(before) and _are_schemas(after) and len(before) == len(after):
            for earlier, later in zip(before, after, strict=True):
                yield from _differences(earlier, later, roots, at)
        elif keyword == "enum" and before is not None and after is not None:
            yield from (f"{at}: the value {value!r} is gone" for value in before if value not in after)
            yield from (f"{at}: the value {value!r} is new to old readers" for value in after if value not in before)
        elif before != after or (keyword in old) != (keyword in new):
            yield f"{at}: {keyword} was {_said(before)} and is {_said(after)}"
    yield from _fields(old, new, roots, at)


def _fields(old: Schema, new: Schema, roots: _Roots, at: str) -> Iterator[str]:
    before, after = old.get("properties", {}), new.get("properties", {})
    needed, needs = set(old.get("required", ())), set(new.get("required", ()))
    for name, schema in before.items():
        if name not in after:
            yield f"{at}.{name}: the field is gone"
            continue
        if name in needs - needed:
            yield f"{at}.{name}: is required now, and an old message may lack it"
        if name in needed - needs:
            yield f"{at}.{name}: may be missing now, and an old reader needs it"
        yield from _differences(schema, after[name], roots, f"{at}.{name}")
    for name in after:
        if name in before:
            continue
        if name in needs:
            yield f"{at}.{name}: is new and required, and old messages lack it"
        if old.get("additionalProperties") is False:
            yield f"{at}.{name}: is new, and an old reader refuses fields it does not know"


def _resolve(schema: Schema, root: Schema) -> Schema:
    reference = schema.get("$ref")
    if reference is None:
        return {}
    target: Schema = root["$defs"][reference.removeprefix("#/$defs/")]
    return target


def _are_schemas(value: object) -> TypeGuard[list[Schema]]:
    return isinstance(value, list) and all(isinstance(part, Mapping) for part in value)


def _said(value: object) -> str:
    return "not said" if value is None else json.dumps(value, ensure_ascii=False)


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI 3.0 document: every topic, who says what on it and who hears it.

    It names no server: an installation has its own addresses, by settings. One document describes all roles, so
    each operation is tagged with the role whose operation it is.
    """
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "onedoor",
            "version": "1",
            "description": f"Messages between the services of a government service centre. Each is a CloudEvent in "
            f"structured mode, keyed by its case id and at most {MAX_RECORD_BYTES} bytes long.",
        },
        "defaultContentType": CONTENT_TYPE,
        "channels": {
            _channel(topic): _channel_of(topic) for topic in sorted({route.topic for route in REGISTRY.values()})
        },
        "operations": dict(_operations()),
        "components": {"messages": {message.type: _message(message) for message in REGISTRY}},
    }


def _channel(topic: str) -> str:
    return topic.split(".")[1]


def _channel_of(topic: str) -> dict[str, Any]:
    channel: dict[str, Any] = {
        "address": topic,
        "messages": {
            message.type: {"$ref": f"#/components/messages/{message.type}"}
            for message, (on, _, _) in REGISTRY.items()
            if on == topic
        },
    }
    if "{system}" in topic:
        channel["parameters"] = {"system": {"description": "Which of a department's systems is spoken with."}}
    return channel


def _message(message: type[Message]) -> dict[str, Any]:
    return {
        "name": message.type,
        "title": message.__name__,
        "summary": _docstring(message),
        "contentType": CONTENT_TYPE,
        "payload": {
            "schemaFormat": "application/schema+json;version=draft-2020-12",
            "schema": {"$ref": f"./{message.type}.json"},
        },
        "bindings": {"kafka": {"key": {"type": "string", "description": "The case id, as in the subject."}}},
    }


def _operations() -> Iterator[tuple[str, dict[str, Any]]]:
    roles = sorted({role for route in REGISTRY.values() for role in (route.producer, *route.consumers)})
    for role in roles:
        says = [message for message in REGISTRY if REGISTRY[message].producer == role]
        hears = [message for message in REGISTRY if role in REGISTRY[message].consumers]
        for action, messages in (("send", says), ("receive", hears)):
            for topic in sorted({REGISTRY[message].topic for message in messages}):
                channel = _channel(topic)
                yield (
                    f"{role}-{action}-{channel}",
                    {
                        "action": action,
                        "channel": {"$ref": f"#/channels/{channel}"},
                        "messages": [
                            {"$ref": f"#/channels/{channel}/messages/{message.type}"}
                            for message in messages
                            if REGISTRY[message].topic == topic
                        ],
                        "tags": [{"name": role}],
                    },
                )
