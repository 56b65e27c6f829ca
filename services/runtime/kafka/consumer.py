"""Reading from Kafka: raw batches, each record decoded by itself, acknowledged after the commit."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import ConsumerStoppedError, KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage
from pydantic import TypeAdapter, ValidationError

from contracts.codec import InvalidRecord, decode
from contracts.envelope import CaseId, Message
from services.runtime import telemetry
from services.runtime.batch.message import InboundMessage
from services.runtime.batch.queue import BatchQueue, Unavailable
from services.runtime.jobs.loop import LONGEST_BACKOFF_S
from services.runtime.kafka import connection
from services.runtime.settings import Settings
from services.runtime.store.dead_letters import DeadLetter, make_dead_letter

METADATA_AGE_S = 5.0
"""Machine seconds after which a consumer looks again which topics and partitions there are.

A group that is formed while a cluster has no topics is given no partitions, and nothing but this look tells its
members that there are some by now. aiokafka's own 5 minutes would be 5 minutes of silence.
"""

REQUEST_S = 12.0
"""Machine seconds after which a silent connection is given up: more than the 10 of a session."""

FETCH_WAIT_S = 0.1
"""Machine seconds that Kafka holds an empty answer back. While it does, aiokafka asks for nothing of the partitions
whose records were still unread when it asked."""

FETCHED_BYTES = 4 * 1024 * 1024
"""Most that is read ahead at once, some thousands of records: whoever catches up with a long backlog needs no more
memory than whoever keeps up."""

ACKNOWLEDGE_S = 2.0
"""Machine seconds that Kafka has to take an acknowledgement; else it is put again with the next.

aiokafka itself would try for as long as Kafka is away or lacks a topic, and hold up whoever waits: the flushing, and
the joining of a group anew.
"""

IDLE_MS = 500
"""Machine milliseconds after which somebody who waits for records looks whether he is still wanted."""

GATHER_MS = 5
"""Machine milliseconds within which Kafka gives what it has. Most often it takes two."""

Records = tuple[ConsumerRecord[Any, Any], ...]

_CASE_ID: TypeAdapter[str] = TypeAdapter(CaseId)

log = telemetry.logger(__name__)


class DeadLetterLimit:
    """Says when to stop: too many dead letters within a minute are a fault of ours, not of the records."""

    def __init__(self, a_minute: int) -> None:
        self._a_minute = a_minute
        self._times: deque[float] = deque()

    def exceeded(self, letters: int, now: float) -> bool:
        """Count so many more letters at machine time ``now``."""
        self._times.extend([now] * letters)
        while self._times and self._times[0] <= now - 60:
            self._times.popleft()
        return len(self._times) > self._a_minute


class _Group(ConsumerRebalanceListener):  # type: ignore[misc]
    """Knows whether this process has its share of the partitions, which may be none."""

    def __init__(self, leaving: Callable[[], Awaitable[None]]) -> None:
        self.joined = False
        self.generation = 0
        """Counts the assignments."""
        self._leaving = leaving

    async def on_partitions_revoked(self, revoked: object) -> None:
        if self.joined:
            await self._leaving()
        self.joined = False

    async def on_partitions_assigned(self, assigned: object) -> None:
        self.generation += 1
        self.joined = True


class Consumer:
    """Takes raw batches from Kafka through the core.

    Records are acknowledged some time after the commit, so a crash reads them again, and their cases drop what they
    have seen. While the database is away the consumer holds its batch and tries again.
    """

    def __init__(
        self, settings: Settings, topics: Sequence[str], consumes: Iterable[type[Message]], queue: BatchQueue
    ) -> None:
        self._queue = queue
        self._consumes = frozenset(consumes)
        self._limit = DeadLetterLimit(settings.dead_letters_a_minute)
        self.topics = tuple(topics)
        self.stopped: str | None = None
        """Why the consumer has stopped by itself, or None."""
        self._broker = KafkaBroker(
            connection.addresses(settings),
            client_id=connection.client_id(settings),
            security=connection.security(settings),
            consumer_only=True,
            allow_auto_create_topics=False,
            metadata_max_age_ms=int(METADATA_AGE_S * 1000),
            request_timeout_ms=int(REQUEST_S * 1000),
            retry_backoff_ms=connection.RETRY_MS,
            apply_types=False,
            logger=None,
            graceful_timeout=8.0,
        )
        self._group = _Group(self.acknowledge)
        self._handled: dict[TopicPartition, int] = {}
        """What has been committed to the database and not yet acknowledged to Kafka: the next offset of each."""
        self._read_in = 0
        """The generation in which the latest records were read; of several reads, the first."""
        self._handled_in = 0
        """The generation to which these offsets belong. Another may count from the beginning of another log: to
        acknowledge an old offset there would skip what nobody has read."""
        self._most = settings.batch
        self._rested = False
        """Whether records may have come while nobody looked."""
        self._prefix = settings.topic_prefix
        self._subscriber = self._broker.subscriber(
            *(self._prefix + topic for topic in topics),
            group_id=f"{self._prefix}onedoor-{settings.service}",
            # A replica that comes back takes up its partitions at once, without waiting for its own ghost to expire.
            group_instance_id=f"{settings.service}-{settings.replica}",
            batch=True,
            fetch_max_wait_ms=int(FETCH_WAIT_S * 1000),
            fetch_max_bytes=FETCHED_BYTES,
            max_partition_fetch_bytes=FETCHED_BYTES // 16,
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.MANUAL,
            session_timeout_ms=10_000,
            heartbeat_interval_ms=2_000,
            listener=self._group,
            # Each replica reads the same partition numbers of every topic, and so all that is said of a case.
            partition_assignment_strategy=(RangePartitionAssignor,),
            parser=_parse,
            decoder=_records,
        )
        self._subscriber(self._handle)
        # FastStream's own asks and sleeps in turns, which delays what comes and is never quite idle.
        self._subscriber.get_msg = self._read  # type: ignore[method-assign]

    async def start(self) -> None:
        """Join the group. Raises `KafkaError` when the cluster is away."""
        await self._broker.start()

    async def stop(self) -> None:
        """Finish the batch in hand, acknowledge it and leave the group."""
        if self.ready:
            await self.acknowledge()
        await self._broker.stop()

    @property
    def ready(self) -> bool:
        """Whether this process takes part in its group."""
        return self.stopped is None and self._group.joined

    async def lag(self) -> int | None:
        """How many records of this process's partitions are still to be read; None while that is not known."""
        consumer = self._subscriber.consumer
        if consumer is None or not self.ready:
            return None
        total = 0
        for partition in consumer.assignment():
            end = consumer.highwater(partition)
            if end is not None:
                total += max(0, end - await consumer.position(partition))
        return total

    async def _read(self, consumer: AIOKafkaConsumer) -> Records:
        """Wait for records, a while at the most; after a rest, gather those that came meanwhile.

        Kafka's answer was there as soon as one record was, and while that is unread aiokafka asks for no more. What
        came after it during the rest would wait for the whole of the next one.
        """
        records: list[ConsumerRecord[Any, Any]] = []
        try:
            found = await consumer.getmany(timeout_ms=IDLE_MS, max_records=self._most)
            self._read_in = self._group.generation
            records += chain.from_iterable(found.values())
            if records and self._rested and self._group.joined:
                # What has been read must be handled. What is wrong with Kafka is told by the next reading, and where
                # the group is formed anew meanwhile, aiokafka would wait for it.
                with suppress(KafkaError, ConsumerStoppedError, TimeoutError):
                    async with asyncio.timeout(10 * GATHER_MS / 1000):
                        more = await consumer.getmany(timeout_ms=GATHER_MS, max_records=self._most)
                    records += chain.from_iterable(more.values())
        except (KafkaError, ConsumerStoppedError):
            raise  # FastStream waits, and reads on
        except Exception as error:
            # The client has stumbled over a record, and has passed over what it had read with it: whoever read on
            # would acknowledge past that.
            await self._stop_loudly(f"Kafka's client cannot read a record: {error!r}")
        return tuple(records)

    async def _handle(self, records: Records) -> None:
        """One batch: decode, run, note for acknowledgement."""
        started, generation = time.perf_counter(), self._read_in
        received, letters = self._decode(records)
        if self._limit.exceeded(len(letters), time.monotonic()):
            await self._stop_loudly(f"too many dead letters within a minute, {len(letters)} of them in the last batch")
            return
        backoff = 0.1
        while True:
            try:
                await self._queue.submit_records(received, letters)
                break
            except Unavailable:
                log.warning("the database is away; trying again", records=len(records), backoff_s=backoff)
                await asyncio.sleep(backoff)
                backoff = min(LONGEST_BACKOFF_S, backoff * 2)
        telemetry.MESSAGES.labels("kafka").inc(len(records))
        telemetry.BATCH_SECONDS.labels("kafka").observe(time.perf_counter() - started)
        self._note(records, generation)
        self._rested = len(records) < self._most
        if self._rested:
            await self._queue.pacer.wait_for_more()

    def _decode(self, records: Sequence[ConsumerRecord[Any, Any]]) -> tuple[list[InboundMessage], list[DeadLetter]]:
        """Each record by itself: a message for this service, one of its topics' others, or a dead letter."""
        received: list[InboundMessage] = []
        letters: list[DeadLetter] = []
        for record in records:
            topic = record.topic[len(self._prefix) :]
            origin = f"partition {record.partition}, offset {record.offset}"
            try:
                envelope = decode(record.value, record.key, topic)
            except InvalidRecord as error:
                letters.append(
                    make_dead_letter(str(error), topic, origin, record.key, record.value, _case_of(record.key))
                )
                continue
            if type(envelope.data) in self._consumes:
                received.append(InboundMessage(envelope, origin, topic, record.value))
        return received, letters

    def _note(self, records: Sequence[ConsumerRecord[Any, Any]], generation: int) -> None:
        """These have been handled; they were read in that generation of the group."""
        if generation != self._group.generation:
            return  # they are read and dropped again, if they are still there
        if generation != self._handled_in:
            self._handled, self._handled_in = {}, generation
        for record in records:
            partition = TopicPartition(record.topic, record.partition)
            self._handled[partition] = max(self._handled.get(partition, 0), record.offset + 1)

    async def acknowledge(self) -> None:
        """Tell Kafka what has been handled. Called now and then: what is read again meanwhile is dropped as seen."""
        consumer = self._subscriber.consumer
        if consumer is None or not self._handled or self._handled_in != self._group.generation:
            return
        handled, mine = dict(self._handled), consumer.assignment()
        try:
            async with asyncio.timeout(ACKNOWLEDGE_S):
                await consumer.commit({partition: offset for partition, offset in handled.items() if partition in mine})
        except (KafkaError, TimeoutError) as error:
            log.info("not acknowledged; the records will be read and dropped again", error=repr(error))
            return
        # What has been handled meanwhile stays for the next time.
        self._handled = {p: offset for p, offset in self._handled.items() if handled.get(p) != offset}

    async def _stop_loudly(self, reason: str) -> None:
        """Too much cannot be read: leave the records in Kafka and wait for a person."""
        self.stopped = reason
        telemetry.CONSUMER_STOPPED.set(1)
        log.critical("the consumer has stopped; mend the cause and restart the service", reason=self.stopped)
        asyncio.get_running_loop().create_task(self._broker.stop())


def _case_of(key: bytes | None) -> str:
    try:
        return _CASE_ID.validate_json(b'"%b"' % key) if key else ""
    except ValidationError:
        return ""


async def _parse(records: Records) -> KafkaMessage:
    """FastStream's message around raw records. Its own parser decodes headers, and one bad one fails a batch."""
    return KafkaMessage(body=b"", raw_message=records, consumer=None)  # type: ignore[arg-type]


async def _records(message: KafkaMessage) -> object:
    return message.raw_message
