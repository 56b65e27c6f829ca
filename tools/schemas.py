"""The contracts as JSON Schemas and an AsyncAPI document, and the check that a change breaks no promise.

The schemas are those of a consumer (pydantic's *validation* mode): an optional field may be missing, as it is in older
messages. Everything that a producer writes is valid for a consumer.
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
"""The file with the schemas that consumers and producers rely on: see `write`."""

DIALECT = "https://json-schema.org/draft/2020-12/schema"
TOPIC = "x-onedoor-topic"

_ANNOTATIONS = frozenset({"$schema", "$id", "$comment", "title", "description", "examples"})
_NAMED = frozenset({"properties", "$defs"})
_VALUES = frozenset({"default", "const", "enum"})
"""Keywords that hold values, not schemas."""


class Breaking(Exception):
    """The change would break old consumers or old messages. Nothing has been written."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


def message_schemas() -> dict[str, dict[str, Any]]:
    """Message type -> JSON Schema of the whole event."""
    return {message.type: _event_schema(message) for message in REGISTRY}


def documents() -> dict[str, Any]:
    """All generated files: file name -> JSON document."""
    schemas = message_schemas()
    files: dict[str, Any] = {f"{name}.json": schema for name, schema in schemas.items()}
    return files | {"asyncapi.json": asyncapi(), PROMISED: {name: shape(schema) for name, schema in schemas.items()}}


def render(document: object) -> str:
    """A document as the text of its file."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def write(folder: Path = FOLDER) -> None:
    """Write the files anew, unless that breaks a promise.

    Raises `Breaking` if it does, and `FileNotFoundError` without a file of promises: ``{}`` in it promises nothing.
    """
    promised = json.loads((folder / PROMISED).read_text())
    if faults := breaks(promised, message_schemas()):
        raise Breaking(faults)
    for name, document in documents().items():
        (folder / name).write_text(render(document))


def shape(schema: Schema) -> dict[str, Any]:
    """The schema without annotations."""
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
    # A consumer of onedoor does not need specversion and type; a producer must state them (CloudEvents 1.0.2, 3.1).
    required = ["specversion", "type", *schema.pop("required")]
    schema |= {"title": message.type, "description": _docstring(message)}
    head = {"$schema": DIALECT, "$id": f"urn:{message.type.replace('.', ':')}", TOPIC: REGISTRY[message].topic}
    return {**head, **schema, "required": required}


def _docstring(message: type[Message]) -> str:
    return " ".join((message.__doc__ or "").split())


def breaks(old: Mapping[str, Schema], new: Mapping[str, Schema]) -> list[str]:
    """The changes that an old consumer or an old message would not survive, one line each.

    New messages, new optional fields and annotations are allowed. All else is refused, a wider range of values too: an
    old consumer would refuse what a new producer may then publish.
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
        # Keywords beside a reference (a default) apply together with the schema that it refers to.
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
            yield from (f"{at}: the value {value!r} is new to old consumers" for value in after if value not in before)
        elif before != after or (keyword in old) != (keyword in new):
            yield f"{at}: {keyword} was {_text(before)} and is {_text(after)}"
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
            yield f"{at}.{name}: may be missing now, and an old consumer needs it"
        yield from _differences(schema, after[name], roots, f"{at}.{name}")
    for name in after:
        if name in before:
            continue
        if name in needs:
            yield f"{at}.{name}: is new and required, and old messages lack it"
        if old.get("additionalProperties") is False:
            yield f"{at}.{name}: is new, and an old consumer refuses unknown fields"


def _resolve(schema: Schema, root: Schema) -> Schema:
    reference = schema.get("$ref")
    if reference is None:
        return {}
    target: Schema = root["$defs"][reference.removeprefix("#/$defs/")]
    return target


def _are_schemas(value: object) -> TypeGuard[list[Schema]]:
    return isinstance(value, list) and all(isinstance(part, Mapping) for part in value)


def _text(value: object) -> str:
    return "missing" if value is None else json.dumps(value, ensure_ascii=False)


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI 3.0 document: every topic with the producers and consumers of its messages.

    It names no server, since each installation has its own addresses. One document describes all roles, so that each
    operation is tagged with its role.
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
        channel["parameters"] = {"system": {"description": "The system of the department."}}
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
        "bindings": {
            "kafka": {
                "key": {
                    "type": "string",
                    "description": "As the subject: the case id, the kind of a document, or the process of a report.",
                }
            }
        },
    }


def _operations() -> Iterator[tuple[str, dict[str, Any]]]:
    roles = sorted({role for route in REGISTRY.values() for role in (route.producer, *route.consumers)})
    for role in roles:
        sends = [message for message in REGISTRY if REGISTRY[message].producer == role]
        receives = [message for message in REGISTRY if role in REGISTRY[message].consumers]
        for action, messages in (("send", sends), ("receive", receives)):
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
