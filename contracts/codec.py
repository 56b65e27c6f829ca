"""Encodes envelopes into Kafka records and decodes them. Only this module defines a well-formed record."""

from typing import Annotated, Any, Union

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import to_json

from contracts.envelope import CONTENT_TYPE, Envelope, Message, envelope_class
from contracts.registry import MAX_RECORD_BYTES, REGISTRY, topic_of
from contracts.values import NO_INPUT_IN_ERRORS

CONTENT_TYPE_HEADER = [("content-type", CONTENT_TYPE.encode())]
"""The headers of every record."""

_ENVELOPES: Any = Union[tuple(envelope_class(message) for message in REGISTRY)]  # noqa: UP007, the members follow from the registry
_ADAPTER: TypeAdapter[Envelope[Message]] = TypeAdapter(
    Annotated[_ENVELOPES, Field(discriminator="type")], config=NO_INPUT_IN_ERRORS
)


class InvalidRecord(Exception):
    """The record is no valid message. The reason names the fault without repeating content."""


def encode(envelope: Envelope[Message]) -> bytes:
    """The value of the record: the whole event as one JSON document."""
    return to_json(envelope, exclude_none=True)


def decode(value: bytes | None, key: bytes | None, topic: str) -> Envelope[Message]:
    """Decode one record.

    Raises `InvalidRecord` for a record that is empty, too large, no JSON, no CloudEvent, of an unknown type or version,
    on the wrong topic, keyed by another case than that of its event, or that contains a NUL character.
    """
    if value is None:
        raise InvalidRecord("the record is empty")
    if len(value) > MAX_RECORD_BYTES:
        raise InvalidRecord(f"the record has {len(value)} bytes; at most {MAX_RECORD_BYTES} are allowed")
    if b"\\u0000" in value:
        raise InvalidRecord("the record contains a NUL character")  # PostgreSQL cannot store it in a text
    try:
        envelope = _ADAPTER.validate_json(value)
    except ValidationError as error:
        raise InvalidRecord(_describe(error)) from None
    if key != envelope.subject.encode():
        raise InvalidRecord("the record's key is not the case of its event")
    if topic != topic_of(envelope.data):
        raise InvalidRecord(f"{envelope.type} does not belong on topic {topic}")
    return envelope


def _describe(error: ValidationError) -> str:
    """The faults with the names of their fields. Values are never repeated: they may be personal data."""
    faults: list[dict[str, Any]] = error.errors(include_url=False, include_context=False, include_input=False)  # type: ignore[assignment]
    first = faults[0]
    if first["type"] == "json_invalid":
        return "the record is no JSON"
    if first["type"] in ("union_tag_invalid", "union_tag_not_found"):
        return "the record is no CloudEvent of a type and version known here"
    if first["type"] in ("model_attributes_type", "dict_type"):
        return "the record is no CloudEvent"
    listed = "; ".join(f"{'.'.join(map(str, fault['loc'][1:]))}: {fault['type']}" for fault in faults[:5])
    return f"{len(faults)} fault{'s' if len(faults) > 1 else ''} in the event: {listed}"
