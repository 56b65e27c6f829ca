"""Records: what is read, and what is refused with which reason."""

import json
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.codec import InvalidRecord, decode, encode
from contracts.core import backoff
from contracts.envelope import TimerFired, derive_id, follow
from contracts.messages.cases import CaseStateRequested
from contracts.registry import MAX_RECORD_BYTES, REGISTRY, topics_for
from tests.support.messages import CASE_ID, MONDAY
from tests.support.scenario import enveloped

KEY = CASE_ID.encode()


def record() -> bytes:
    return encode(enveloped(CaseStateRequested(), MONDAY))


def changed(**attributes: object) -> bytes:
    event = json.loads(record()) | attributes
    return json.dumps({name: value for name, value in event.items() if value is not None}).encode()


def test_a_record_reads_back_as_it_was_written() -> None:
    event = follow(CaseStateRequested(), enveloped(TimerFired(), MONDAY), "/onedoor/monitor", 0)
    assert decode(encode(event), KEY, "onedoor.requests") == event


def test_a_record_is_a_cloudevent_in_structured_mode() -> None:
    event = json.loads(record())
    assert event["specversion"] == "1.0"
    assert event["type"] == "onedoor.case.state-requested.v1"
    assert event["subject"] == CASE_ID
    assert event["time"] == "2026-03-02T02:00:00Z"


@pytest.mark.parametrize(
    ("value", "key", "topic", "reason"),
    [
        (None, KEY, "onedoor.requests", "empty"),
        (b"x" * (MAX_RECORD_BYTES + 1), KEY, "onedoor.requests", "bytes; at most"),
        (b"\xff\x00", KEY, "onedoor.requests", "no JSON"),
        (b'{"a": ', KEY, "onedoor.requests", "no JSON"),
        (b"[]", KEY, "onedoor.requests", "no CloudEvent"),
        (b"7", KEY, "onedoor.requests", "no CloudEvent"),
        (b"{}", KEY, "onedoor.requests", "no CloudEvent of a type"),
        (changed(type="onedoor.case.state-requested.v2"), KEY, "onedoor.requests", "of a type and version"),
        (changed(type="com.example.other"), KEY, "onedoor.requests", "of a type and version"),
        (changed(specversion="0.3"), KEY, "onedoor.requests", "specversion"),
        (changed(id=None), KEY, "onedoor.requests", "id: missing"),
        (changed(time="2026-03-02T01:00:00"), KEY, "onedoor.requests", "time: timezone"),
        (changed(time="0001-01-01T00:00:00+08:00"), KEY, "onedoor.requests", "time: greater_than_equal"),
        (changed(subject="case 1"), KEY, "onedoor.requests", "subject"),
        (record(), b"AAAA-AAAA-AAAA-A", "onedoor.requests", "key is not the subject"),
        (record(), None, "onedoor.requests", "key is not the subject"),
        (record(), KEY, "onedoor.cases", "does not belong on topic"),
    ],
)  # fmt: skip
def test_an_invalid_record_is_refused_with_its_reason(
    value: bytes | None, key: bytes | None, topic: str, reason: str
) -> None:
    with pytest.raises(InvalidRecord, match=reason):
        decode(value, key, topic)


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_without_a_crash(value: bytes) -> None:
    with pytest.raises(InvalidRecord):
        decode(value, KEY, "onedoor.requests")


def test_the_reason_never_repeats_content_of_the_record() -> None:
    with pytest.raises(InvalidRecord) as refused:
        decode(changed(time="张三 450103199001011234"), KEY, "onedoor.requests")
    assert "张三" not in str(refused.value)


def test_unknown_attributes_of_a_newer_writer_are_ignored() -> None:
    assert decode(changed(traceparent="00-1-2-3"), KEY, "onedoor.requests").subject == CASE_ID


@given(st.uuids(), st.integers(0, 1000), st.integers(0, 1000))
def test_derived_ids_are_stable_distinct_and_version_8(cause: UUID, one: int, other: int) -> None:
    first = derive_id(cause, "/a", one)
    assert first == derive_id(cause, "/a", one)
    assert first.version == 8 and first.variant == "specified in RFC 4122"
    assert (first == derive_id(cause, "/a", other)) == (one == other)
    assert first != derive_id(cause, "/b", one)


def test_the_backoff_doubles_up_to_the_longest() -> None:
    first, longest = timedelta(seconds=30), timedelta(hours=6)
    assert [backoff(n, first, longest) for n in (0, 1, 2, 3)] == [first, first, 2 * first, 4 * first]
    assert backoff(10**9, first, longest) == longest


def test_an_adapter_uses_its_own_topics_only() -> None:
    topics = topics_for(REGISTRY, ["tax"])
    assert "onedoor.tasks.tax" in topics and "onedoor.answers.tax" in topics
    assert not any("land" in topic for topic in topics)
