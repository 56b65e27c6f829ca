"""Records that are delivered again: all topics read from their beginning, and old records published once more."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from random import Random

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import ConsumerRecord

from tests.chaos.faults.fault import Fault
from tests.chaos.testbed import REPLICAS, Testbed

GROUP_EMPTY_WITHIN_S = 30.0
"""A group is empty once the sessions of its members have expired."""

BATCH = 5000


class RereadTopics(Fault):
    """A service reads all its topics again from the beginning."""

    kind = "reread topics"
    hold_s = 0.0

    def __init__(self, service: str) -> None:
        self.name = f"{service} reads all topics again"
        self._service = service

    @property
    def seconds(self) -> float:
        return 45.0

    async def inject(self, testbed: Testbed) -> None:
        """Stop the service first: Kafka lets offsets be set only while a group has no members."""
        await testbed.platform.scale(self._service, 0)
        group = f"onedoor-{self._service}"
        address = testbed.engine("kafka").address
        await _wait_until_empty(address, group)
        async with _consumer(address, group) as consumer:
            partitions = await _partitions(address)
            consumer.assign(partitions)
            await consumer.commit(await consumer.beginning_offsets(partitions))

    async def heal(self, testbed: Testbed) -> None:
        await testbed.platform.scale(self._service, REPLICAS)


class RepublishedRecords(Fault):
    """Old records of every topic are published once more, in another order; ``later`` by the services' clock."""

    kind = "republished records"
    hold_s = 0.0

    def __init__(self, random: Random, most: int = 20_000, later: timedelta = timedelta()) -> None:
        self.name = f"old records published again{f', {later.days} day later' if later else ''}"
        self._random = random
        self._most = most
        self._later = later

    @property
    def seconds(self) -> float:
        return 40.0

    async def inject(self, testbed: Testbed) -> None:
        if self._later:
            testbed.clock.set(testbed.clock.now() + self._later, 1.0)
        address = testbed.engine("kafka").address
        async with _consumer(address, None) as consumer:
            records = [record async for record in _read_all(consumer, await _partitions(address))]
        chosen = self._random.sample(records, min(self._most, len(records)))
        producer = AIOKafkaProducer(bootstrap_servers=address, linger_ms=20)
        await producer.start()
        try:
            for first in range(0, len(chosen), BATCH):
                batch = chosen[first : first + BATCH]
                futures = [
                    await producer.send(one.topic, one.value, key=one.key, headers=list(one.headers)) for one in batch
                ]
                await asyncio.gather(*futures)
        finally:
            await producer.stop()
        self.name += f" ({len(chosen)} records)"


@asynccontextmanager
async def _consumer(address: str, group: str | None) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(bootstrap_servers=address, group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


@asynccontextmanager
async def _admin(address: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def _partitions(address: str) -> list[TopicPartition]:
    """All partitions of the platform's topics."""
    async with _admin(address) as admin:
        return [
            TopicPartition(topic["topic"], partition["partition"])
            for topic in await admin.describe_topics()
            if topic["topic"].startswith("onedoor.")
            for partition in topic["partitions"]
        ]


async def _read_all(
    consumer: AIOKafkaConsumer, partitions: list[TopicPartition]
) -> "AsyncIterator[ConsumerRecord[bytes, bytes]]":
    """All records in these partitions now."""
    consumer.assign(partitions)
    await consumer.seek_to_beginning()
    ends = await consumer.end_offsets(partitions)
    while any([await consumer.position(partition) < end for partition, end in ends.items()]):
        for records in (await consumer.getmany(timeout_ms=500, max_records=BATCH)).values():
            for record in records:
                yield record


async def _wait_until_empty(address: str, group: str) -> None:
    """Wait until a group has no members."""
    async with _admin(address) as admin, asyncio.timeout(GROUP_EMPTY_WITHIN_S):
        while True:
            ((_, _, state, *_),) = (await admin.describe_consumer_groups([group]))[0].groups
            if state in ("Empty", "Dead"):
                return
            await asyncio.sleep(0.5)
