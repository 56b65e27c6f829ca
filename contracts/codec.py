"""Records to envelopes and back: one place that knows what a well-formed record is."""

from typing import Annotated, Any, Union

from pydantic import Field, TypeAdapter, ValidationError

from contracts.envelope import CONTENT_TYPE, Envelope, Message, envelope_class
from contracts.registry import MAX_RECORD_BYTES, REGISTRY, topic_of

CONTENT_TYPE_HEADER = [("content-type", CONTENT_TYPE.encode())]
"""The headers of each record."""

_KNOWN: Any = Union[tuple(envelope_class(message) for message in REGISTRY)]  # noqa: UP007, the members are not fixed
_ANY: TypeAdapter[Envelope[Message]] = TypeAdapter(Annotated[_KNOWN, Field(discriminator="type")])


class InvalidRecord(Exception):
    """The record is not a message of ours; the reason says what is wrong with it, without its content."""


def encode(envelope: Envelope[Message]) -> bytes:
    """The record's value: the whole event as one JSON document."""
    return envelope.__pydantic_serializer__.to_json(envelope, exclude_none=True)


def decode(value: bytes | None, key: bytes | None, topic: str) -> Envelope[Message]:
    """Read one record.

    Raises `InvalidRecord` for a record that is empty, too large, no JSON, no CloudEvent, of an unknown type or version,
    on the wrong topic, keyed by another case than it speaks of, or with a NUL character in it.
    """
    if value is None:
        raise InvalidRecord("the record is empty")
    if len(value) > MAX_RECORD_BYTES:
        raise InvalidRecord(f"the record has {len(value)} bytes; at most {MAX_RECORD_BYTES} are allowed")
    if b"\\u0000" in value:
        raise InvalidRecord("the record holds a NUL character")  # nobody's name has one, and PostgreSQL's text cannot
    try:
        envelope = _ANY.validate_json(value)
    except ValidationError as error:
        raise InvalidRecord(_why(error)) from None
    if key != envelope.subject.encode():
        raise InvalidRecord("the record's key is not the case its event speaks of")
    if topic != topic_of(envelope.data):
        raise InvalidRecord(f"{envelope.type} does not belong on topic {topic}")
    return envelope


def _why(error: ValidationError) -> str:
    """What is wrong and where, naming fields but never repeating their values."""
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
