"""Documents reach every process by a compacted topic of the real Kafka, and survive where Kafka does not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from contracts.codec import encode
from contracts.envelope import Document, envelop
from contracts.messages.documents import PostsPublished, PublishedPost
from services.runtime.clock import machine_now
from services.runtime.failures import Failures
from services.runtime.kafka.documents import SIGNATURE, TOPIC, Documents, signature
from services.runtime.kafka.topics import Topics
from services.runtime.settings import Settings
from services.runtime.store import documents
from tests.support.runtime.topics import topic_setting
from tests.support.waiting import eventually

KEY = SecretStr("a key of all processes of one installation")

ZHOU = PostsPublished(posts=(PublishedPost(role="supervisor", person="zhou"),))
WU = PostsPublished(posts=(PublishedPost(role="supervisor", person="wu"),))


class Follower:
    """A process that follows, and the documents that came into force there, in their order."""

    def __init__(self, kafka: str, database: AsyncEngine, prefix: str) -> None:
        self.settings = Settings(
            service="toy",
            kafka=kafka,
            topic_prefix=prefix,
            systems=("tax",),
            database=SecretStr("postgresql+asyncpg://127.0.0.1:1/none"),
            secret_key=SecretStr("k" * 32),
            documents_key=KEY,
        )
        self.seen: list[Document] = []
        self.failures = Failures()
        self.topics = Topics(self.settings, [TOPIC])
        self.documents = Documents(self.settings, database, self.failures, self.seen.append)

    async def has(self, document: Document, seconds: float = 15) -> None:
        async def newest() -> bool:
            return bool(self.seen) and self.seen[-1] == document

        await eventually(newest, seconds)

    async def publish(self, document: Document | None) -> None:
        async def in_force(_: AsyncConnection) -> Document | None:
            return document

        await self.documents.publish(in_force)


@asynccontextmanager
async def following(kafka: str, database: AsyncEngine, prefix: str) -> AsyncIterator[Follower]:
    follower = Follower(kafka, database, prefix)
    running = asyncio.create_task(follower.documents.run(follower.topics.ensure))
    try:
        yield follower
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await follower.topics.close()


@pytest.fixture
def prefix() -> str:
    return f"{uuid4().hex[:8]}-"


async def send(kafka: str, prefix: str, *values: tuple[bytes, bytes], signed_with: SecretStr | None = KEY) -> None:
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        for kind, value in values:
            headers = [(SIGNATURE, signature(signed_with, kind, value))] if signed_with is not None else []
            await producer.send_and_wait(prefix + TOPIC, value, kind, headers=headers)


def record(document: PostsPublished) -> tuple[bytes, bytes]:
    envelope = envelop(document, id=uuid4(), source="/onedoor/monitor", subject=document.kind, time=machine_now())
    return document.kind.encode(), encode(envelope)


async def test_a_document_that_is_published_reaches_others_once(
    kafka_address: str, database: AsyncEngine, prefix: str
) -> None:
    async with (
        following(kafka_address, database, prefix) as publisher,
        following(kafka_address, database, prefix) as one,
    ):
        await publisher.publish(ZHOU)
        assert publisher.seen == [ZHOU], "a service has its own document at once"

        async def published() -> bool:
            await publisher.publish(ZHOU)
            return bool(one.seen)

        await eventually(published, 20)
        await publisher.publish(WU)
        await one.has(WU)
        assert one.seen == [ZHOU, WU]
        await publisher.publish(None)
        async with database.connect() as connection:
            kept = await documents.in_force(connection, "posts")
        assert kept is not None and kept.number == 2 and "wu" in kept.body


async def test_an_older_document_does_not_come_into_force_again_at_a_start(
    kafka_address: str, database: AsyncEngine, prefix: str
) -> None:
    async with following(kafka_address, database, prefix) as first:
        await eventually(lambda: _exists(kafka_address, prefix), 15)
        await send(kafka_address, prefix, record(ZHOU), record(WU), record(ZHOU), record(WU))
        await first.has(WU)
    async with following(kafka_address, database, prefix) as again:
        await again.has(WU)
        await send(kafka_address, prefix, record(ZHOU))
        await again.has(ZHOU)
        assert again.seen == [WU, ZHOU]


async def test_without_kafka_a_process_starts_with_the_document_that_it_had(
    kafka_address: str, database: AsyncEngine, prefix: str
) -> None:
    async with following(kafka_address, database, prefix) as first:
        await eventually(lambda: _exists(kafka_address, prefix), 15)
        await send(kafka_address, prefix, record(ZHOU))
        await first.has(ZHOU)
    async with following("127.0.0.1:1", database, prefix) as alone:
        await alone.has(ZHOU)
        assert alone.documents.loaded


async def test_records_that_cannot_be_read_are_passed_over(
    kafka_address: str, database: AsyncEngine, prefix: str
) -> None:
    async with following(kafka_address, database, prefix) as follower:
        await eventually(lambda: _exists(kafka_address, prefix), 15)
        key, value = record(ZHOU)
        bad = [(key, b"{"), (b"other", value), (key, value.replace(b"posts.published.v1", b"posts.published.v9"))]
        await send(kafka_address, prefix, *bad, (key, value), *bad)
        await follower.has(ZHOU)
        assert follower.seen == [ZHOU]


async def test_nobody_without_the_key_puts_posts_in_force(
    kafka_address: str, database: AsyncEngine, prefix: str
) -> None:
    async with (
        following(kafka_address, database, prefix) as publisher,
        following(kafka_address, database, prefix) as one,
    ):
        await eventually(lambda: _exists(kafka_address, prefix), 15)
        await send(kafka_address, prefix, record(WU), signed_with=None)
        await send(kafka_address, prefix, record(WU), signed_with=SecretStr("a key of somebody else, also long enough"))
        await send(kafka_address, prefix, record(ZHOU))
        await one.has(ZHOU)
        await publisher.has(ZHOU)
        assert one.seen == [ZHOU]


async def test_an_old_record_that_somebody_sends_again_does_not_come_into_force(
    kafka_address: str, database: AsyncEngine, prefix: str
) -> None:
    old, new = record(WU), record(ZHOU)
    async with (
        following(kafka_address, database, prefix) as publisher,
        following(kafka_address, database, prefix) as one,
    ):
        await eventually(lambda: _exists(kafka_address, prefix), 15)
        await send(kafka_address, prefix, old, new)
        await one.has(ZHOU)
        await publisher.has(ZHOU)
        await send(kafka_address, prefix, old)

        async def repaired() -> bool:
            await publisher.publish(ZHOU)
            return len(await _records(kafka_address, prefix)) == 4

        await eventually(repaired, 20)
        assert (await _records(kafka_address, prefix))[-1].count(b"zhou"), "also for a process that starts later"
        assert one.seen[-1] == ZHOU and one.seen.count(WU) <= 1


async def test_a_province_fits_and_its_topic_keeps_the_newest(
    kafka_address: str, database: AsyncEngine, prefix: str
) -> None:
    posts = tuple(
        PublishedPost(role="department_head", department=f"部门{number % 40}", region="450103", person=f"p{number}")
        for number in range(24_000)
    )
    province = PostsPublished(posts=posts)
    async with (
        following(kafka_address, database, prefix) as publisher,
        following(kafka_address, database, prefix) as one,
    ):

        async def published() -> bool:
            await publisher.publish(province)
            return bool(one.seen)

        await eventually(published, 30)
        assert one.seen == [province]
    assert await topic_setting(kafka_address, prefix + TOPIC, "cleanup.policy") == "compact"


async def _records(kafka: str, prefix: str) -> list[bytes]:
    partition = TopicPartition(prefix + TOPIC, 0)
    async with AIOKafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest") as consumer:
        consumer.assign([partition])
        end = (await consumer.end_offsets([partition]))[partition]
        values: list[bytes] = []
        while await consumer.position(partition) < end:
            values += [found.value for found in (await consumer.getmany(partition, timeout_ms=500)).get(partition, ())]
    return values


async def _exists(kafka: str, prefix: str) -> bool:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        return prefix + TOPIC in await admin.list_topics()
    finally:
        await admin.close()
