"""The promises of a publisher to the batch processor, kept by the real one and by the fake."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.partitioner import DefaultPartitioner

from contracts.codec import encode
from contracts.registry import MAX_RECORD_BYTES
from services.runtime.batch.publications import Publish
from services.runtime.failures import SHOWN_AFTER, Failures
from services.runtime.kafka import publisher as publisher_module
from services.runtime.kafka.publisher import Publisher
from services.runtime.settings import Settings
from services.runtime.store.outbox import OutboxMessage
from tests.support.runtime.fakes import MemoryPublisher
from tests.support.runtime.topics import ensure_topics
from tests.support.runtime.toy import TOPIC, case, instruction, settings
from tests.support.waiting import eventually

NOWHERE = "127.0.0.1:1"

REFUSING = "onedoor.refusing"
"""A topic that refuses records."""


def messages(count: int) -> list[OutboxMessage]:
    events = [instruction(f"publish {n}", case(n)) for n in range(count)]
    return [OutboxMessage(event.subject, event.id, TOPIC, encode(event)) for event in events]


@pytest.fixture(params=["fake", "real"])
async def available(request: pytest.FixtureRequest, kafka_address: str) -> AsyncIterator[Publish]:
    """A publisher whose Kafka answers."""
    if request.param == "fake":
        yield MemoryPublisher().publish
        return
    of = settings("postgresql+asyncpg://127.0.0.1:1/none", kafka=kafka_address)
    await ensure_topics(of, [TOPIC])
    publisher = Publisher(of, Failures())
    yield publisher.publish
    await publisher.close()


@pytest.fixture(params=["fake", "real"])
async def unavailable(request: pytest.FixtureRequest) -> AsyncIterator[Publish]:
    """A publisher whose Kafka is unavailable."""
    if request.param == "fake":
        fake = MemoryPublisher()
        fake.unavailable = True
        yield fake.publish
        return
    publisher = Publisher(settings("postgresql+asyncpg://127.0.0.1:1/none", kafka=NOWHERE), Failures())
    yield publisher.publish
    await publisher.close()


async def own_topic(kafka_address: str) -> tuple[Settings, Publisher]:
    """A publisher, and the settings by which it has a topic of its own."""
    of = settings("postgresql+asyncpg://127.0.0.1:1/none", kafka=kafka_address, topic_prefix=f"p{uuid4().hex[:6]}-")
    await ensure_topics(of, [TOPIC])
    return of, Publisher(of, Failures())


def in_order(published: Sequence[OutboxMessage]) -> list[OutboxMessage]:
    return sorted(published, key=lambda one: one.message_id)


async def test_publish_returns_what_was_acknowledged(available: Publish) -> None:
    some = messages(200)
    assert in_order(await available(some)) == in_order(some)
    assert list(await available(some[:1])) == some[:1], "the same message may be published again"
    assert list(await available([])) == []


async def test_publish_returns_nothing_and_does_not_raise_while_kafka_is_unavailable(unavailable: Publish) -> None:
    assert list(await unavailable(messages(3))) == []
    assert list(await unavailable(messages(1))) == []


async def test_acknowledged_messages_are_in_kafka_in_the_partition_of_their_key(kafka_address: str) -> None:
    of, publisher = await own_topic(kafka_address)
    some = messages(50)
    assert len(await publisher.publish(some)) == 50
    await publisher.close()
    consumer = AIOKafkaConsumer(of.topic_prefix + TOPIC, bootstrap_servers=kafka_address, auto_offset_reset="earliest")
    async with consumer:
        found = [await consumer.getone() for _ in range(50)]
        partitions = sorted(consumer.partitions_for_topic(of.topic_prefix + TOPIC))
    assert {record.value for record in found} == {one.event for one in some}
    # Kafka's own clients choose the same partition.
    assert all(record.partition == DefaultPartitioner()(record.key, partitions, partitions) for record in found)
    assert {record.partition for record in found} == set(partitions)


async def test_messages_that_fill_several_batches_arrive_in_order(kafka_address: str) -> None:
    of, publisher = await own_topic(kafka_address)
    case = messages(1)[0].case_id
    large = [replace(one, case_id=case, event=b"%04d" % n + bytes(200_000)) for n, one in enumerate(messages(12))]
    assert list(await publisher.publish(large)) == large
    await publisher.close()
    consumer = AIOKafkaConsumer(of.topic_prefix + TOPIC, bootstrap_servers=kafka_address, auto_offset_reset="earliest")
    async with consumer:
        assert [(await consumer.getone()).value[:4] for _ in large] == [one.event[:4] for one in large]


async def test_later_messages_of_a_case_do_not_overtake_earlier_ones(kafka_address: str) -> None:
    of, publisher = await own_topic(kafka_address)
    cases = messages(20)
    await publisher.publish(cases)
    rounds = [[replace(one, event=b"%04d" % n) for one in cases[n % 7 :]] for n in range(60)]
    await asyncio.gather(*map(publisher.publish, rounds))
    await publisher.close()
    consumer = AIOKafkaConsumer(of.topic_prefix + TOPIC, bootstrap_servers=kafka_address, auto_offset_reset="earliest")
    async with consumer:
        found = [await consumer.getone() for _ in range(len(cases) + sum(map(len, rounds)))]
    for one in cases:
        mine = [record.value for record in found if record.key == one.case_id.encode()]
        assert mine[1:] == sorted(mine[1:])


async def test_the_loss_of_kafkas_log_is_noticed_once_however_many_calls_are_in_flight(
    kafka_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    of, publisher = await own_topic(kafka_address)
    warnings: list[str] = []
    monkeypatch.setattr(publisher_module.log, "warning", lambda event, **_: warnings.append(event))
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_address)
    await admin.start()
    try:
        some = messages(50)
        for _ in range(10):
            assert len(await publisher.publish(some)) == 50
        assert not publisher.log_lost
        await admin.delete_topics([of.topic_prefix + TOPIC])
        await ensure_topics(of, [TOPIC])

        async def acknowledged() -> bool:
            calls = await asyncio.gather(*(publisher.publish(some) for _ in range(3)))
            return [len(call) for call in calls] == [50, 50, 50]

        await eventually(acknowledged)
        assert publisher.log_lost
        assert warnings.count("Kafka's log is another one than before") == 1
        publisher.log_lost = False
        await publisher.publish(some)
        assert not publisher.log_lost
    finally:
        await admin.close()
        await publisher.close()


@asynccontextmanager
async def refusing(kafka_address: str) -> AsyncIterator[tuple[Publisher, Failures, Callable[[int], Awaitable[None]]]]:
    """A publisher, its failures, and a function that limits the bytes of a batch of the topic `REFUSING`."""
    of, _ = await own_topic(kafka_address)
    await ensure_topics(of, [REFUSING])
    failures = Failures()
    publisher = Publisher(of, failures)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_address)
    await admin.start()

    async def limit(size: int) -> None:
        resource = ConfigResource(
            ConfigResourceType.TOPIC, of.topic_prefix + REFUSING, {"max.message.bytes": str(size)}
        )
        await admin.alter_configs([resource])

    try:
        yield publisher, failures, limit
    finally:
        await admin.close()
        await publisher.close()


async def test_a_topic_that_kafka_refuses_is_left_alone_and_delays_no_other(
    kafka_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher_module, "FIRST_REFUSAL", timedelta(hours=1))
    monkeypatch.setattr(publisher_module, "LONGEST_REFUSAL", timedelta(hours=1))
    refused, *some = messages(20)
    refused = replace(refused, topic=REFUSING)
    async with refusing(kafka_address) as (publisher, _, limit):
        await limit(20)

        async def is_refused() -> bool:
            return not await publisher.publish([refused])

        await eventually(is_refused)
        assert publisher.refused_topics() == {REFUSING}
        assert in_order(await publisher.publish([refused, *some])) == in_order(some)
        assert in_order(await publisher.publish(some)) == in_order(some)
        assert not publisher.unavailable
        await limit(MAX_RECORD_BYTES)
        assert not await publisher.publish([refused]), "it is left alone for its time"


async def test_a_topic_that_was_refused_is_tried_again_and_reported_until_it_accepts(
    kafka_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher_module, "FIRST_REFUSAL", timedelta(milliseconds=10))
    monkeypatch.setattr(publisher_module, "LONGEST_REFUSAL", timedelta(seconds=1))
    one = replace(messages(1)[0], topic=REFUSING)
    async with refusing(kafka_address) as (publisher, failures, limit):
        await limit(20)

        async def is_reported() -> bool:
            await publisher.publish([one])
            return bool(failures.shown())

        await eventually(is_reported)
        (shown,) = failures.shown()
        assert shown.en.startswith("publishing to ") and REFUSING in shown.en and "all others go on" in shown.en
        await limit(MAX_RECORD_BYTES)

        async def is_accepted() -> bool:
            return list(await publisher.publish([one])) == [one]

        await eventually(is_accepted)
        assert not failures.shown() and not publisher.refused_topics()


async def test_a_refused_topic_whose_messages_another_process_has_sent_is_forgotten(
    kafka_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher_module, "FIRST_REFUSAL", timedelta())
    monkeypatch.setattr(publisher_module, "LONGEST_REFUSAL", timedelta())
    one = replace(messages(1)[0], topic=REFUSING)
    async with refusing(kafka_address) as (publisher, failures, limit):
        await limit(20)
        for _ in range(SHOWN_AFTER):

            async def is_refused() -> bool:
                return not await publisher.publish([one])

            await eventually(is_refused)
        assert not publisher.refused_topics()
        assert not failures.shown()


async def test_a_missing_topic_does_not_delay_the_others(kafka_address: str) -> None:
    _, publisher = await own_topic(kafka_address)
    try:
        nowhere, *some = messages(5)
        nowhere = replace(nowhere, topic="onedoor.tasks.nowhere")
        assert in_order(await publisher.publish([nowhere, *some])) == in_order(some)
        assert in_order(await publisher.publish(some)) == in_order(some), "Kafka does not count as unavailable for it"
    finally:
        await publisher.close()
