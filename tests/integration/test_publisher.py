"""The publisher and the double that stands for it in other tests keep the same promises."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.partitioner import DefaultPartitioner

from contracts.codec import encode
from services.runtime.batch.publications import Publish
from services.runtime.kafka import connection
from services.runtime.kafka.publisher import Publisher
from services.runtime.store.outbox import OutboxMessage
from tests.integration.test_batches import Kafka
from tests.support.topics import ensure_topics
from tests.support.toy import TOPIC, case, eventually, said, settings

NOWHERE = "127.0.0.1:1"


def messages(count: int) -> list[OutboxMessage]:
    events = [said(f"say {n}", case(n)) for n in range(count)]
    return [OutboxMessage(event.subject, event.id, TOPIC, encode(event)) for event in events]


@pytest.fixture(params=["double", "real"])
async def there(request: pytest.FixtureRequest, kafka_address: str) -> AsyncIterator[Publish]:
    """A publisher whose Kafka is there."""
    if request.param == "double":
        yield Kafka().publish
        return
    of = settings("postgresql+asyncpg://nowhere/none", kafka=kafka_address)
    await ensure_topics(of, [TOPIC])
    publisher = Publisher(of)
    yield publisher.publish
    await publisher.close()


@pytest.fixture(params=["double", "real"])
async def away(request: pytest.FixtureRequest) -> AsyncIterator[Publish]:
    """A publisher whose Kafka is away."""
    if request.param == "double":
        double = Kafka()
        double.away = True
        yield double.publish
        return
    publisher = Publisher(settings("postgresql+asyncpg://nowhere/none", kafka=NOWHERE))
    yield publisher.publish
    await publisher.close()


def in_order(said: Sequence[OutboxMessage]) -> list[OutboxMessage]:
    return sorted(said, key=lambda one: one.message_id)


async def test_it_gives_back_what_was_acknowledged(there: Publish) -> None:
    some = messages(200)
    assert in_order(await there(some)) == in_order(some)
    assert list(await there(some[:1])) == some[:1], "the same message may be published again"
    assert list(await there([])) == []


async def test_it_gives_back_nothing_and_does_not_raise_when_kafka_is_away(away: Publish) -> None:
    assert list(await away(messages(3))) == []
    assert list(await away(messages(1))) == []


async def test_what_was_acknowledged_is_in_kafka(kafka_address: str) -> None:
    of = settings("postgresql+asyncpg://nowhere/none", kafka=kafka_address, topic_prefix=f"p{uuid4().hex[:6]}-")
    await ensure_topics(of, [TOPIC])
    publisher = Publisher(of)
    some = messages(50)
    assert len(await publisher.publish(some)) == 50
    await publisher.close()
    consumer = AIOKafkaConsumer(of.topic_prefix + TOPIC, bootstrap_servers=kafka_address, auto_offset_reset="earliest")
    async with consumer:
        found = [await consumer.getone() for _ in range(50)]
        partitions = sorted(consumer.partitions_for_topic(of.topic_prefix + TOPIC))
    assert {record.value for record in found} == {one.event for one in some}
    # Where Kafka's own clients would have put them.
    assert all(record.partition == DefaultPartitioner()(record.key, partitions, partitions) for record in found)
    assert {record.partition for record in found} == set(partitions)


async def test_what_fills_more_than_a_batch_is_all_there_in_its_order(kafka_address: str) -> None:
    of = settings("postgresql+asyncpg://nowhere/none", kafka=kafka_address, topic_prefix=f"p{uuid4().hex[:6]}-")
    await ensure_topics(of, [TOPIC])
    publisher = Publisher(of)
    case = messages(1)[0].case_id
    large = [replace(one, case_id=case, event=b"%04d" % n + bytes(200_000)) for n, one in enumerate(messages(12))]
    assert list(await publisher.publish(large)) == large
    await publisher.close()
    consumer = AIOKafkaConsumer(of.topic_prefix + TOPIC, bootstrap_servers=kafka_address, auto_offset_reset="earliest")
    async with consumer:
        assert [(await consumer.getone()).value[:4] for _ in large] == [one.event[:4] for one in large]


async def test_what_is_said_later_does_not_overtake(kafka_address: str) -> None:
    of = settings("postgresql+asyncpg://nowhere/none", kafka=kafka_address, topic_prefix=f"p{uuid4().hex[:6]}-")
    await ensure_topics(of, [TOPIC])
    publisher = Publisher(of)
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


async def test_another_log_is_noticed(kafka_address: str) -> None:
    of = settings("postgresql+asyncpg://nowhere/none", kafka=kafka_address, topic_prefix=f"p{uuid4().hex[:6]}-")
    await ensure_topics(of, [TOPIC])
    publisher = Publisher(of)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_address)
    await admin.start()
    try:
        some = messages(50)
        assert len(await publisher.publish(some)) == len(await publisher.publish(some)) == 50
        assert not publisher.log_lost
        await admin.delete_topics([of.topic_prefix + TOPIC])
        await ensure_topics(of, [TOPIC])

        async def taken() -> bool:
            return len(await publisher.publish(some)) == 50

        await eventually(taken)
        assert publisher.log_lost
    finally:
        await admin.close()
        await publisher.close()


async def test_that_the_log_is_another_one_is_noticed_once_however_much_was_under_way(
    kafka_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = settings("postgresql+asyncpg://nowhere/none", kafka=kafka_address, topic_prefix=f"p{uuid4().hex[:6]}-")
    await ensure_topics(of, [TOPIC])
    publisher = Publisher(of)
    noticed: list[str] = []
    monkeypatch.setattr(connection.log, "warning", lambda event, **_: noticed.append(event))
    try:
        some = messages(50)
        await publisher.publish(some)
        # As if more had been acknowledged before: what comes is of another log, for each of those under way.
        publisher._reached = {partition: offset + 10_000 for partition, offset in publisher._reached.items()}
        for acknowledged in await asyncio.gather(*(publisher.publish(some) for _ in range(3))):
            assert len(acknowledged) == 50
        assert noticed == ["Kafka's log is another one than before"]
        publisher.log_lost = False
        await publisher.publish(some)
        assert not publisher.log_lost
    finally:
        await publisher.close()


async def test_a_topic_that_is_not_there_holds_up_no_other(kafka_address: str) -> None:
    of = settings("postgresql+asyncpg://nowhere/none", kafka=kafka_address, topic_prefix=f"p{uuid4().hex[:6]}-")
    await ensure_topics(of, [TOPIC])
    publisher = Publisher(of)
    try:
        nowhere, *some = messages(5)
        nowhere = replace(nowhere, topic="onedoor.tasks.nowhere")
        assert in_order(await publisher.publish([nowhere, *some])) == in_order(some)
        assert in_order(await publisher.publish(some)) == in_order(some), "and Kafka does not count as away for it"
    finally:
        await publisher.close()
