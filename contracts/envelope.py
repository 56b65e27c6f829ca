"""The envelope in which every message travels.

An envelope is a CloudEvent (CloudEvents 1.0.2) in the structured mode of the Kafka protocol binding: the
whole event is one JSON document in the record's value, so that a plain console consumer can read it. The
record's key is the case id, which is also the event's ``subject``. A document that is no case (`Document`) has its kind
instead, and a report of a process (`Report`) the process.
"""

from datetime import UTC, datetime
from functools import cache
from hashlib import blake2b
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar, cast
from uuid import UUID

from pydantic import AwareDatetime, Field, TypeAdapter, create_model

from contracts.values import NO_INPUT_IN_ERRORS, Value

CONTENT_TYPE = "application/cloudevents+json"
"""Value of the ``content-type`` header of each record (CloudEvents Kafka protocol binding, section 3.3)."""

CaseId = Annotated[str, Field(pattern=r"^[0-9A-Z]{4}(-[0-9A-Z]{4}){2}-[0-9A-Z]$")]
"""The public case number, e.g. ``K7Q2-9MXF-4TBA-3``: twelve characters and a check character."""

CASE_ID: TypeAdapter[str] = TypeAdapter(CaseId, config=NO_INPUT_IN_ERRORS)
"""Validates a case number by itself."""

Code = Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
"""A short identifier, such as that of an item, a step or a system."""

Name = Annotated[str, Field(min_length=1, max_length=200)]
"""A name for people to read."""


EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
LATEST = datetime(2300, 1, 1, tzinfo=UTC)

Instant = Annotated[AwareDatetime, Field(ge=EARLIEST, le=LATEST)]
"""A moment with its zone, in the years 1900 to 2300, so that a deadline computed from it is a valid date.

Messages of onedoor use UTC.
"""


class Message(Value):
    """A message from one service to another, or to itself."""

    type: ClassVar[str]
    """The CloudEvents type, ending in the major version: ``onedoor.case.accepted.v1``."""


class Document(Message):
    """Reference data that one service publishes whole and every process keeps. The newest one of its kind counts."""

    kind: ClassVar[str]
    """The key of its records, on a compacted topic."""


class Report(Message):
    """The state of something that is no case, published again and again: the newest one of its subject counts."""


class TimerFired(Message):
    """The timer or retry of a case is due. Local to a service; never on Kafka."""

    type: ClassVar[str] = "onedoor.timer.fired.v1"


class RulesChanged(Message):
    """A new version of the service's rules is in force. Local to a service; never on Kafka."""

    type: ClassVar[str] = "onedoor.rules.changed.v1"


D = TypeVar("D", bound=Message, covariant=True)
M = TypeVar("M", bound=Message)


class Envelope(Value, Generic[D]):
    """A message with its CloudEvents attributes.

    ``time`` is when the event happened, which may be long before the message is read. It is the only source of time
    for a core. ``causationid`` (an extension attribute) is the id of the message that caused this one.
    """

    specversion: Literal["1.0"] = "1.0"
    id: UUID
    source: Annotated[str, Field(min_length=1, max_length=200)]
    type: str
    subject: CaseId
    time: Instant
    datacontenttype: Literal["application/json"] = "application/json"
    causationid: UUID | None = None
    data: D


class DocumentEnvelope(Envelope[D]):
    """A document with its CloudEvents attributes."""

    subject: Code


class ReportEnvelope(Envelope[D]):
    """A report with its CloudEvents attributes."""

    subject: Name


@cache
def envelope_class(message: type[M]) -> type[Envelope[M]]:
    """The class of the envelopes of this type of message."""
    tag: Any = Literal[message.type]
    base: Any = Envelope
    if issubclass(message, Document):
        base = DocumentEnvelope
    elif issubclass(message, Report):
        base = ReportEnvelope
    return cast(
        type[Envelope[M]], create_model(f"{message.__name__}Envelope", __base__=base[message], type=(tag, message.type))
    )


def envelop(
    message: M, *, id: UUID, source: str, subject: str, time: datetime, cause: UUID | None = None
) -> Envelope[M]:
    """The envelope of a message."""
    envelope_type = envelope_class(type(message))
    return envelope_type(
        id=id, source=source, type=message.type, subject=subject, time=time, causationid=cause, data=message
    )


def derive_id(cause: UUID, source: str, index: int) -> UUID:
    """The id of the ``index``-th message that ``source`` publishes because of ``cause``.

    The same cause always gives the same ids (UUID version 8, RFC 9562 section 5.8), so that a message published again
    after a crash is recognised as a duplicate. ``source`` separates the services that process the same cause.
    """
    digest = blake2b(b"%b/%b/%d" % (cause.bytes, source.encode(), index), digest_size=16).digest()
    number = int.from_bytes(digest, "big") & ~(0xF << 76 | 0x3 << 62)
    return UUID(int=number | 0x8 << 76 | 0x2 << 62)


def follow(message: M, cause: Envelope[Message], source: str, index: int) -> Envelope[M]:
    """The envelope of the ``index``-th message that ``source`` publishes because of ``cause``, with its time."""
    return envelop(
        message,
        id=derive_id(cause.id, source, index),
        source=source,
        subject=cause.subject,
        time=cause.time,
        cause=cause.id,
    )
