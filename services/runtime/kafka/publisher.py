"""Publishing to Kafka, keyed by case."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import BrokerResponseError, KafkaError, UnknownTopicOrPartitionError
from aiokafka.partitioner import murmur2
from aiokafka.producer.message_accumulator import BatchBuilder

from contracts.bilingual import Bilingual
from contracts.codec import CONTENT_TYPE_HEADER
from contracts.core import backoff
from contracts.registry import MAX_RECORD_BYTES
from services.runtime import telemetry
from services.runtime.failures import Failures
from services.runtime.kafka.connection import RETRY_MS, TIMEOUT_S, connection
from services.runtime.settings import Settings
from services.runtime.store.outbox import OutboxMessage

TOPIC_TIMEOUT_S = 1.0
"""Machine seconds within which Kafka must report how many partitions a topic has."""

UNAVAILABLE_S = 2.0
"""Machine seconds for which nothing is sent after Kafka has failed to acknowledge."""

FIRST_REFUSAL, LONGEST_REFUSAL = timedelta(seconds=2), timedelta(seconds=30)
"""Machine time for which nothing is sent to a topic that Kafka refuses: the first time, and the longest."""

LINGER_MS = 1
"""Milliseconds for which aiokafka collects the batches of several partitions into one request."""

BATCH_BYTES = 512 * 1024
"""Most bytes of one batch, twice the largest record. aiokafka's own 16 KB would send a full batch of the service in
dozens of parts, one after another."""

REQUEST_BYTES = 8 * MAX_RECORD_BYTES
"""Most bytes of one request."""

WORK = "publishing"
"""The name of the publisher's work among the failures of its process."""

ADVICE = Bilingual(
    "Kafka does not acknowledge; messages wait in the outbox, and the relay publishes them when Kafka is back",
    "Kafka 未确认；消息留在发件箱，Kafka 恢复后自动补发",
)

REFUSED_ADVICE = Bilingual(
    "Kafka refuses this topic alone, see the reason in the log: it may not exist, or lack a right or room for a batch; "
    "its messages wait in the outbox, all others go on",
    "Kafka 仅拒绝该主题，原因见日志：主题可能不存在，或权限、容量不足；该主题的消息留在发件箱，其余照常",
)

log = telemetry.logger(__name__)


@dataclass(slots=True)
class _Refusal:
    """A topic that Kafka refuses is left alone until this moment of the machine, after so many attempts."""

    until: float
    attempts: int


class Publisher:
    """Sends messages to Kafka and returns those that it acknowledged.

    It does not raise while Kafka is unavailable: messages without acknowledgement keep their mark in the outbox, and
    the relay sends them later. A topic that Kafka refuses is left alone for a while, so that no other waits for it.

    The producer is aiokafka's plain one, not the idempotent one: consumers drop duplicates, and a producer without
    sequence numbers still works after a broker has lost its log. Messages are handed over as batches, not by FastStream
    one by one: that takes seven times the CPU (docs/decisions/0017-faststream-behind-one-file.md).
    """

    def __init__(self, settings: Settings, failures: Failures) -> None:
        self.unavailable = False
        """Whether Kafka failed to acknowledge the latest messages."""
        self.log_lost = False
        """Kafka acknowledged a lower offset than before: its log is a new one, and the records of the old one are gone.
        Reset by the caller that publishes them again."""
        self._settings = settings
        self._failures = failures
        self._prefix = settings.topic_prefix
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._sending = asyncio.Lock()
        """Held while messages are handed to the producer, one partition after another: otherwise a later call could
        publish a case's later messages before its earlier ones, in another partition."""
        self._unavailable_until = 0.0
        self._refusals: dict[str, _Refusal] = {}
        self._last_offsets: dict[tuple[str, int], int] = {}
        """The highest acknowledged offset, by topic and partition."""
        self._logs_lost = 0
        """How often the log was found to be a new one."""

    async def publish(self, messages: Sequence[OutboxMessage]) -> Sequence[OutboxMessage]:
        """Send these messages. Returns those that were acknowledged."""
        if time.monotonic() < self._unavailable_until:
            return ()
        if self._refusals and (refused := self.refused_topics()):
            messages = [message for message in messages if message.topic not in refused]
        logs_lost, last_offsets = self._logs_lost, dict(self._last_offsets)  # as of before these are sent
        sent: list[tuple[_Batch, asyncio.Future[Any]]] = []
        fault: BaseException | None = None
        try:
            async with asyncio.timeout(TIMEOUT_S):
                producer = await self._started()
                topics = {message.topic for message in messages}
                partitions = {topic: await self._partitions(producer, topic) for topic in topics}
                async with self._sending:
                    for batch in _batches(producer, messages, partitions):
                        topic = self._prefix + batch.topic
                        sent.append((batch, await producer.send_batch(batch.builder, topic, partition=batch.partition)))
                if sent:
                    await asyncio.wait([future for _, future in sent])
        except (KafkaError, TimeoutError, OSError) as error:
            fault = error
        acknowledged: list[OutboxMessage] = []
        for batch, future in sent:
            if not future.done():
                continue  # the time limit has passed, which is the fault
            failure = KafkaError("the producer has stopped") if future.cancelled() else future.exception()
            if failure is None:
                acknowledged += batch.messages
                if logs_lost == self._logs_lost:  # otherwise another call has noticed the loss already
                    place = batch.topic, batch.partition
                    self._note_offset(last_offsets, place, future.result().offset, len(batch.messages))
            elif _is_refusal(failure):
                self._refuse(batch.topic, failure)
            else:
                fault = failure
        if self._refusals:
            self._accept({message.topic for message in acknowledged})
        if fault is not None:
            await self._disconnect(fault)
        elif sent:
            self.unavailable = False
            self._failures.succeeded(WORK)
        return acknowledged

    def refused_topics(self) -> frozenset[str]:
        """The topics that Kafka refuses and that are left alone at present.

        A topic that was not tried again since then is forgotten: its messages were sent by another process.
        """
        now = time.monotonic()
        for topic, refusal in list(self._refusals.items()):
            if now > refusal.until + LONGEST_REFUSAL.total_seconds():
                del self._refusals[topic]
                self._failures.forget(self._work(topic))
        return frozenset(topic for topic, refusal in self._refusals.items() if now < refusal.until)

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
                    linger_ms=LINGER_MS,
                    max_batch_size=BATCH_BYTES,
                    max_request_size=REQUEST_BYTES,
                    request_timeout_ms=int(TIMEOUT_S * 1000),
                    retry_backoff_ms=RETRY_MS,
                )
                try:
                    await producer.start()
                except BaseException:
                    await producer.stop()
                    raise
                self._producer = producer
            return self._producer

    async def _partitions(self, producer: AIOKafkaProducer, topic: str) -> int:
        """The number of partitions of a topic; 0 if there is no such topic, which must not delay the others."""
        name = self._prefix + topic
        if known := producer.client.cluster.partitions_for_topic(name):
            return len(known)
        try:
            async with asyncio.timeout(TOPIC_TIMEOUT_S):
                return len(await producer.partitions_for(name))
        except (KafkaError, TimeoutError) as error:
            self._refuse(topic, error)
            return 0

    def _refuse(self, topic: str, error: BaseException) -> None:
        """Leave a topic alone for a while, longer each time. Calls that are in flight together count once."""
        now = time.monotonic()
        refusal = self._refusals.setdefault(topic, _Refusal(0.0, 0))
        if now < refusal.until:
            return
        refusal.attempts += 1
        refusal.until = now + backoff(refusal.attempts, FIRST_REFUSAL, LONGEST_REFUSAL).total_seconds()
        self._failures.failed(self._work(topic), error, REFUSED_ADVICE)

    def _accept(self, topics: Iterable[str]) -> None:
        """Kafka has acknowledged messages of these topics: what it refused in another call is still refused."""
        for topic in (self._refusals.keys() & set(topics)) - self.refused_topics():
            del self._refusals[topic]
            self._failures.succeeded(self._work(topic))

    def _work(self, topic: str) -> str:
        return f"{WORK} to {self._prefix}{topic}"

    def _note_offset(
        self, last_offsets: Mapping[tuple[str, int], int], place: tuple[str, int], offset: int, count: int
    ) -> None:
        """Note that ``count`` messages were acknowledged, the first of them at ``offset``."""
        if offset < last_offsets.get(place, 0):
            log.warning("Kafka's log is another one than before", topic=place[0], partition=place[1])
            self.log_lost = True
            self._logs_lost += 1
            self._last_offsets.clear()
        self._last_offsets[place] = max(offset + count - 1, self._last_offsets.get(place, 0))

    async def _disconnect(self, error: BaseException) -> None:
        """Give up the producer after a failure, so that the next attempt begins with the addresses in the settings."""
        self.unavailable = True
        self._unavailable_until = time.monotonic() + UNAVAILABLE_S
        self._failures.failed(WORK, error, ADVICE)
        if self._producer is not None:
            producer, self._producer = self._producer, None
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    await producer.stop()
            except (KafkaError, TimeoutError, OSError) as failure:
                log.warning("the producer did not stop cleanly", error=repr(failure))


@dataclass(frozen=True, slots=True)
class _Batch:
    """Messages for one partition, which Kafka acknowledges together."""

    topic: str
    partition: int
    builder: BatchBuilder
    messages: list[OutboxMessage]

    def add(self, message: OutboxMessage, key: bytes) -> bool:
        """Add a message. Returns whether there was room for it. There always is for the first."""
        if self.builder.append(timestamp=None, key=key, value=message.event, headers=CONTENT_TYPE_HEADER) is None:
            return False
        self.messages.append(message)
        return True


def _is_refusal(failure: BaseException) -> bool:
    """Whether this is Kafka's answer about a topic, and not a failure of Kafka that concerns all topics."""
    if isinstance(failure, UnknownTopicOrPartitionError):
        return True
    return isinstance(failure, BrokerResponseError) and not failure.retriable


def _batches(
    producer: AIOKafkaProducer, messages: Iterable[OutboxMessage], partitions: Mapping[str, int]
) -> list[_Batch]:
    """Sort messages into batches by partition, keeping their order. Messages of topics without partitions are left out.

    A batch has one future. Handed to the producer one by one, each message would have its own.
    """
    batches: list[_Batch] = []
    latest: dict[tuple[str, int], _Batch] = {}
    for message in messages:
        if not (count := partitions[message.topic]):
            continue
        key = message.case_id.encode()
        place = message.topic, _hash(key) % count
        batch = latest.get(place)
        if batch is None or not batch.add(message, key):
            batch = latest[place] = _Batch(*place, producer.create_batch(), [])
            batches.append(batch)
            batch.add(message, key)
    return batches


@lru_cache(maxsize=4096)
def _hash(key: bytes) -> int:
    """Kafka's own hash of a key. Cached, because a case has several messages and this is computed in Python."""
    return int(murmur2(key)) & 0x7FFFFFFF
