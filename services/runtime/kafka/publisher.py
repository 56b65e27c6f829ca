"""Publishing to Kafka, keyed by case."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2
from aiokafka.producer.message_accumulator import BatchBuilder

from contracts.codec import CONTENT_TYPE_HEADER
from contracts.registry import MAX_RECORD_BYTES
from services.runtime.kafka.connection import PUBLISH_TIMEOUT_S, RETRY_MS, TOPIC_S, connection, log
from services.runtime.settings import Settings
from services.runtime.store.outbox import OutboxMessage

AWAY_S = 2.0
"""Machine seconds during which nothing is sent to a Kafka that has just failed to answer."""


@lru_cache(maxsize=4096)
def _place(key: bytes) -> int:
    """Kafka's own hash of a key. A case says several things, and this is reckoned in Python."""
    return int(murmur2(key)) & 0x7FFFFFFF


@dataclass(frozen=True, slots=True)
class _Batch:
    """Messages for one partition, which Kafka acknowledges together."""

    topic: str
    partition: int
    builder: BatchBuilder
    said: list[OutboxMessage]

    def add(self, one: OutboxMessage, key: bytes) -> bool:
        """Whether there was room for one more. There always is for the first."""
        if self.builder.append(timestamp=None, key=key, value=one.event, headers=CONTENT_TYPE_HEADER) is None:
            return False
        self.said.append(one)
        return True


def _batches(producer: AIOKafkaProducer, said: Iterable[OutboxMessage], partitions: Mapping[str, int]) -> list[_Batch]:
    """The messages by partition, in their order; those whose topic has no partitions are left out.

    Handed to the producer one by one, each would have a future of its own, and be told of by itself.
    """
    batches: list[_Batch] = []
    latest: dict[tuple[str, int], _Batch] = {}
    for one in said:
        if not (count := partitions[one.topic]):
            continue
        key = one.case_id.encode()
        place = one.topic, _place(key) % count
        batch = latest.get(place)
        if batch is None or not batch.add(one, key):
            batch = latest[place] = _Batch(*place, producer.create_batch(), [])
            batches.append(batch)
            batch.add(one, key)
    return batches


class Publisher:
    """Sends messages to Kafka and says which of them it acknowledged.

    It never raises for a Kafka that is away: what was not acknowledged stays marked in the outbox and is sent
    by the relay. The producer is not Kafka's idempotent one: receivers drop what they have seen, and a producer
    without a sequence outlives a broker that has lost its memory.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._prefix = settings.topic_prefix
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._handing = asyncio.Lock()
        """Held while messages are handed to the producer, which makes each partition's wait for those before them: who
        came later would overtake in another partition, and with him what his case said later."""
        self._away_until = 0.0
        self._reached: dict[tuple[str, int], int] = {}
        """The highest offset acknowledged, by topic and partition."""
        self._logs = 0
        """Counts the logs that were found to be other ones than before."""
        self.away = False
        """Kafka did not acknowledge what was sent last."""
        self.log_lost = False
        """Kafka has acknowledged a lower offset than before: its log is another one, and what was in the old is gone.
        Whoever makes good for it takes the mark off."""

    async def publish(self, said: Sequence[OutboxMessage]) -> Sequence[OutboxMessage]:
        """Send these; those that were acknowledged."""
        if time.monotonic() < self._away_until:
            return ()
        logs, reached = self._logs, dict(self._reached)  # what was acknowledged before these are sent
        sent: list[tuple[_Batch, asyncio.Future[Any]]] = []
        fault: BaseException | None = None
        try:
            async with asyncio.timeout(PUBLISH_TIMEOUT_S):
                producer = await self._started()
                partitions = {topic: await self._partitions(producer, topic) for topic in {one.topic for one in said}}
                async with self._handing:
                    for batch in _batches(producer, said, partitions):
                        topic = self._prefix + batch.topic
                        sent.append((batch, await producer.send_batch(batch.builder, topic, partition=batch.partition)))
                if sent:
                    await asyncio.wait([future for _, future in sent])
        except (KafkaError, TimeoutError, OSError) as error:
            fault = error
        acknowledged: list[OutboxMessage] = []
        for batch, future in sent:
            if future.done() and not future.cancelled() and (failure := future.exception()) is None:
                acknowledged += batch.said
                if logs == self._logs:  # else several were under way when the log was lost, and one has noticed
                    self._note(reached, (batch.topic, batch.partition), future.result().offset, len(batch.said))
            elif future.done():
                fault = failure or fault
        if fault is not None:
            await self._away(fault)
        elif sent:
            self.away = False
        return acknowledged

    async def _partitions(self, producer: AIOKafkaProducer, topic: str) -> int:
        """How many partitions this topic has; none if it is not there, which must not hold up the other topics."""
        name = self._prefix + topic
        if known := producer.client.cluster.partitions_for_topic(name):
            return len(known)
        try:
            async with asyncio.timeout(TOPIC_S):
                return len(await producer.partitions_for(name))
        except (KafkaError, TimeoutError) as error:
            log.warning("no such topic; what is said on it waits", topic=topic, error=repr(error))
            return 0

    def _note(self, reached: dict[tuple[str, int], int], partition: tuple[str, int], offset: int, count: int) -> None:
        """So many messages were acknowledged in a partition, the first of them at this offset."""
        if offset < reached.get(partition, 0):
            log.warning("Kafka's log is another one than before", topic=partition[0], partition=partition[1])
            self.log_lost = True
            self._logs += 1
            self._reached.clear()
        self._reached[partition] = max(offset + count - 1, self._reached.get(partition, 0))

    async def close(self) -> None:
        """Send what is buffered and disconnect."""
        if self._producer is not None:
            producer, self._producer = self._producer, None
            await producer.stop()

    async def _started(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    **connection(self._settings),
                    acks="all",
                    linger_ms=1,
                    max_batch_size=512 * 1024,
                    max_request_size=8 * MAX_RECORD_BYTES,
                    request_timeout_ms=int(PUBLISH_TIMEOUT_S * 1000),
                    retry_backoff_ms=RETRY_MS,
                )
                try:
                    await producer.start()
                except BaseException:
                    await producer.stop()
                    raise
                self._producer = producer
            return self._producer

    async def _away(self, error: BaseException) -> None:
        self.away = True
        self._away_until = time.monotonic() + AWAY_S
        log.warning("Kafka did not acknowledge; the relay will publish", error=repr(error))
        if self._producer is not None:
            producer, self._producer = self._producer, None
            try:
                async with asyncio.timeout(PUBLISH_TIMEOUT_S):
                    await producer.stop()
            except (KafkaError, TimeoutError, OSError) as failure:
                log.warning("the producer did not stop cleanly", error=repr(failure))
