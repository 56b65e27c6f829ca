"""Records that come again: all topics read from their beginning, and old records published once more."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from random import Random

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import ConsumerRecord

from tests.chaos.fault import Fault
from tests.chaos.testbed import REPLICAS, Site

EMPTY_S = 30.0
"""A group is empty once the sessions of its members have run out."""

LOT = 5000


class ReadAgain(Fault):
    """A service reads all its topics again from the beginning."""

    kind = "read again"
    hold_s = 0.0

    def __init__(self, service: str) -> None:
        self.name = f"{service} reads everything again"
        self._service = service

    @property
    def seconds(self) -> float:
        return 45.0

    async def inject(self, site: Site) -> None:
        """Offsets can be set while nobody is a member only."""
        await site.platform.scale(self._service, 0)
        group = f"onedoor-{self._service}"
        address = site.engine("kafka").address
        await _empty(address, group)
        async with _consumer(address, group) as consumer:
            partitions = await _partitions(address)
            consumer.assign(partitions)
            await consumer.commit(await consumer.beginning_offsets(partitions))

    async def heal(self, site: Site) -> None:
        await site.platform.scale(self._service, REPLICAS)


class SaidAgain(Fault):
    """Old records of every topic are published once more, in another order; ``later`` by the services' clock."""

    kind = "said again"
    hold_s = 0.0

    def __init__(self, random: Random, most: int = 20_000, later: timedelta = timedelta()) -> None:
        self.name = f"old records said again{f', {later.days} day later' if later else ''}"
        self._random = random
        self._most = most
        self._later = later

    @property
    def seconds(self) -> float:
        return 40.0

    async def inject(self, site: Site) -> None:
        if self._later:
            site.clock.set(site.clock.now() + self._later, 1.0)
        address = site.engine("kafka").address
        async with _consumer(address, None) as consumer:
            records = [record async for record in _everything(consumer, await _partitions(address))]
        chosen = self._random.sample(records, min(self._most, len(records)))
        producer = AIOKafkaProducer(bootstrap_servers=address, linger_ms=20)
        await producer.start()
        try:
            for first in range(0, len(chosen), LOT):
                lot = chosen[first : first + LOT]
                sent = [
                    await producer.send(one.topic, one.value, key=one.key, headers=list(one.headers)) for one in lot
                ]
                await asyncio.gather(*sent)
        finally:
            await producer.stop()
        self.name += f" ({len(chosen)} records)"

    async def heal(self, site: Site) -> None:
        """Nothing is to be taken away."""


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


async def _everything(
    consumer: AIOKafkaConsumer, partitions: list[TopicPartition]
) -> "AsyncIterator[ConsumerRecord[bytes, bytes]]":
    """All that stands in these partitions now."""
    consumer.assign(partitions)
    await consumer.seek_to_beginning()
    ends = await consumer.end_offsets(partitions)
    while any([await consumer.position(partition) < end for partition, end in ends.items()]):
        for records in (await consumer.getmany(timeout_ms=500, max_records=LOT)).values():
            for record in records:
                yield record


async def _empty(address: str, group: str) -> None:
    """Wait until a group has no members."""
    async with _admin(address) as admin, asyncio.timeout(EMPTY_S):
        while True:
            ((_, _, state, *_),) = (await admin.describe_consumer_groups([group]))[0].groups
            if state in ("Empty", "Dead"):
                return
            await asyncio.sleep(0.5)
