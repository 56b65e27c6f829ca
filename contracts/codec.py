"""Encodes envelopes into Kafka records and decodes them. Only this module defines a well-formed record."""

from typing import Annotated, Any, Union

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import to_json

from contracts.bilingual import BilingualError
from contracts.envelope import CONTENT_TYPE, Envelope, Message, envelope_class
from contracts.registry import DOCUMENTS, MAX_DOCUMENT_BYTES, MAX_RECORD_BYTES, REGISTRY, topic_of
from contracts.values import NO_INPUT_IN_ERRORS

CONTENT_TYPE_HEADER = [("content-type", CONTENT_TYPE.encode())]
"""The headers of every record."""

_ENVELOPES: Any = Union[tuple(envelope_class(message) for message in REGISTRY)]  # noqa: UP007, the members follow from the registry
_ADAPTER: TypeAdapter[Envelope[Message]] = TypeAdapter(
    Annotated[_ENVELOPES, Field(discriminator="type")], config=NO_INPUT_IN_ERRORS
)


class InvalidRecord(BilingualError):
    """The record is no valid message. The reason names the fault without repeating content."""


def encode(envelope: Envelope[Message]) -> bytes:
    """The value of the record: the whole event as one JSON document."""
    return to_json(envelope, exclude_none=True)


def decode(value: bytes | None, key: bytes | None, topic: str) -> Envelope[Message]:
    """Decode one record.

    Raises `InvalidRecord` for a record that is empty, too large, no JSON, no CloudEvent, of an unknown type or version,
    on the wrong topic, keyed by another case or kind than that of its event, or that contains a NUL character.
    """
    if value is None:
        raise InvalidRecord("the record is empty", "记录为空")
    largest = MAX_DOCUMENT_BYTES if topic in DOCUMENTS else MAX_RECORD_BYTES
    if len(value) > largest:
        raise InvalidRecord(
            f"the record has {len(value)} bytes; at most {largest} are allowed",
            f"记录有 {len(value)} 字节，最多允许 {largest} 字节",
        )
    if b"\\u0000" in value:
        # PostgreSQL cannot store it in a text
        raise InvalidRecord("the record contains a NUL character", "记录含有空字符 (NUL)")
    try:
        envelope = _ADAPTER.validate_json(value)
    except ValidationError as error:
        raise InvalidRecord(*_describe(error)) from None
    if key != envelope.subject.encode():
        raise InvalidRecord("the record's key is not the subject of its event", "记录的键不是其事件的主题对象")
    if topic != topic_of(envelope.data):
        raise InvalidRecord(f"{envelope.type} does not belong on topic {topic}", f"{envelope.type} 不属于主题 {topic}")
    return envelope


def _describe(error: ValidationError) -> tuple[str, str]:
    """The faults with the names of their fields, in each language. Values are never repeated: they may be personal
    data."""
    faults: list[dict[str, Any]] = error.errors(include_url=False, include_context=False, include_input=False)  # type: ignore[assignment]
    first = faults[0]
    if first["type"] == "json_invalid":
        return "the record is no JSON", "记录不是 JSON"
    if first["type"] in ("union_tag_invalid", "union_tag_not_found"):
        return "the record is no CloudEvent of a type and version known here", "此处不认识该 CloudEvent 的类型或版本"
    if first["type"] in ("model_attributes_type", "dict_type"):
        return "the record is no CloudEvent", "记录不是 CloudEvent"
    listed = "; ".join(f"{'.'.join(map(str, fault['loc'][1:]))}: {fault['type']}" for fault in faults[:5])
    count = len(faults)
    return f"{count} fault{'s' if count > 1 else ''} in the event: {listed}", f"事件有 {count} 处错误"
