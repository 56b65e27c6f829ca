"""A broker that comes back without its log: the topics are created again, and every open case completes."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from deploy.local.engines import Engines
from deploy.local.engines.kafka import Kafka
from services.runtime.kafka.topics import Topics, TopicsNotCreated
from tests.support.runtime.topics import ensure_topics
from tests.support.runtime.toy import settings
from tests.support.runtime.toy_conversation import conversation
from tests.support.waiting import eventually

CASES = 400
A_SECOND = 40


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Kafka]:
    """A broker of the test's own, which it may destroy."""
    broker = Kafka(tmp_path / "kafka", lambda _: None)
    await broker.start()
    yield broker
    await broker.stop()


async def topics_of(address: str) -> dict[str, Any]:
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    try:
        return {topic["topic"]: topic for topic in await admin.describe_topics()}
    finally:
        await admin.close()


async def restart_without_log(broker: Kafka) -> None:
    """Stop the broker, delete its whole folder and start it: all its records, topics and groups are gone."""
    await broker.stop()
    await asyncio.to_thread(shutil.rmtree, broker.folder)
    await broker.start()


async def shown(address: str, *names: str) -> bool:
    """Whether Kafka lists these topics, which happens a little after it has confirmed their creation."""
    return set(names) <= (await topics_of(address)).keys()


async def test_topics_that_are_gone_are_created_again(broker: Kafka) -> None:
    of = settings("postgresql+asyncpg://127.0.0.1:1/none", kafka=broker.address, topic_prefix="a-")
    topics = Topics(of, ["one", "two"])

    async def created_again() -> bool:
        with suppress(KafkaError, OSError):  # the first check finds the old connection cut; the next one connects again
            await topics.run_once()
        return await shown(broker.address, "a-one", "a-two")

    try:
        assert await topics.run_once() is False
        await eventually(partial(shown, broker.address, "a-one", "a-two"))
        address = broker.address
        await restart_without_log(broker)
        assert broker.address == address, "a broker with another address would not be found again"
        assert not {"a-one", "a-two"} & (await topics_of(address)).keys()
        await eventually(created_again)
        await broker.stop()
        with pytest.raises((KafkaError, OSError)):
            await topics.run_once()
        await broker.start()
        await eventually(created_again)
    finally:
        await topics.close()


async def test_several_services_may_create_the_same_topics_at_once(kafka_address: str) -> None:
    of = settings("postgresql+asyncpg://127.0.0.1:1/none", kafka=kafka_address)
    await asyncio.gather(*(ensure_topics(of, ["one", "two", "three"]) for _ in range(8)))
    await eventually(partial(shown, kafka_address, "one", "two", "three"))


async def test_more_replicas_than_brokers_are_refused_with_both_numbers(kafka_address: str) -> None:
    of = settings("postgresql+asyncpg://127.0.0.1:1/none", kafka=kafka_address, replication=3)
    with pytest.raises(TopicsNotCreated, match="replicas wanted: 3; brokers there: 1"):
        await ensure_topics(of, ["one"])
    assert "one" not in await topics_of(kafka_address)


@pytest.mark.timeout(150)
async def test_a_broker_loses_everything_under_load_and_every_case_completes_once(
    broker: Kafka, engines: Engines
) -> None:
    async with conversation(broker.address, engines.postgres, CASES, A_SECOND) as talk:
        await talk.reach(CASES // 4, seconds=30)
        await restart_without_log(broker)
        await talk.all_complete_and_nothing_twice(seconds=60)
    await assert_no_offset_beyond_the_end(broker)


async def assert_no_offset_beyond_the_end(broker: Kafka) -> None:
    """No group has acknowledged an offset of the old log in the new one."""
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.address)
    await admin.start()
    consumer = AIOKafkaConsumer(bootstrap_servers=broker.address)
    try:
        async with consumer:
            for group in ("onedoor-requester", "onedoor-responder"):
                acknowledged = await admin.list_consumer_group_offsets(group)
                assert acknowledged
                ends = await consumer.end_offsets(list(acknowledged))
                for partition, of in acknowledged.items():
                    assert of.offset <= ends[partition], (group, partition)
    finally:
        await admin.close()
