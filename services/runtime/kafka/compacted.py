"""Follows a compacted topic of one partition: the newest record of each key, and then each record that comes."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition

from services.runtime.kafka.connection import connection
from services.runtime.settings import KafkaSettings

WAIT_MS = 5_000
"""Machine milliseconds for which Kafka holds back the answer to a fetch while there is nothing new."""

V = TypeVar("V")

Read = Callable[[Any], V | None]
"""Gives the value of a record of aiokafka; None for one that is to be passed over."""


def newest(
    settings: KafkaSettings, topic: str, read: Read[V], max_bytes: int
) -> "aclosing[AsyncGenerator[dict[bytes, V], None]]":
    """The newest value of each key that the topic has now, and after that what comes, as a context that closes.

    Older values that are not compacted yet are left out, so that none of them counts again, not for a moment. An empty
    answer says that nothing new has come. Raises `KafkaError` or `OSError`.
    """
    return aclosing(_newest(settings, topic, read, max_bytes))


async def _newest(
    settings: KafkaSettings, topic: str, read: Read[V], max_bytes: int
) -> AsyncGenerator[dict[bytes, V], None]:
    partition = TopicPartition(settings.topic_prefix + topic, 0)
    consumer = AIOKafkaConsumer(
        **connection(settings),
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        fetch_max_wait_ms=WAIT_MS,
        max_partition_fetch_bytes=max_bytes,
    )
    async with consumer:
        consumer.assign([partition])
        end = (await consumer.end_offsets([partition]))[partition]
        found: dict[bytes, V] = {}
        while True:
            if await consumer.position(partition) >= end:
                yield found
                found = {}
            for record in (await consumer.getmany(partition, timeout_ms=WAIT_MS)).get(partition, ()):
                if (value := read(record)) is not None:
                    found[record.key] = value
