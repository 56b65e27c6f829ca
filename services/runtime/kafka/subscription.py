"""A consumer group's subscription by FastStream: batches of raw records, acknowledged late; topics can be paused.

This is the one file that knows how a FastStream subscriber works inside. It uses public parts only: a batch subscriber
with a parser and a decoder of its own, manual acknowledgement, a middleware, a logger, a rebalance listener, and the
subscriber's ``consumer`` and ``tasks``, ``start`` and ``stop``. tests/unit/runtime/test_subscription.py fails when one
of them changes. Reasons: docs/decisions/0017-faststream-behind-one-file.md.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from itertools import chain
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError
from faststream import AckPolicy, BaseMiddleware, ContextRepo, StreamMessage
from faststream.kafka import KafkaBroker, KafkaMessage

from contracts.bilingual import Bilingual
from contracts.core import backoff
from services.runtime import telemetry
from services.runtime.failures import Failures
from services.runtime.kafka import connection
from services.runtime.kafka.unreadable import REBALANCING, Records, UnreadableRecord, is_unreadable, search
from services.runtime.settings import Settings

METADATA_AGE_S = 5.0
"""Machine seconds between two requests for the cluster's topics and partitions.

A group that forms while a cluster has no topics is assigned no partitions. Its members learn of new topics only by this
request; aiokafka's own interval is 5 minutes.
"""

REQUEST_TIMEOUT_S = 12.0
"""Machine seconds after which a request without an answer fails. Longer than the 10 of a session, as Kafka requires."""

SESSION_TIMEOUT_S = 10.0
"""Machine seconds without a heartbeat after which the group gives a member's partitions to others."""

HEARTBEAT_S = 2.0
"""Machine seconds between two heartbeats."""

FETCH_WAIT_S = 0.1
"""Machine seconds for which Kafka holds back an answer without records. Meanwhile aiokafka requests nothing for the
partitions whose records were still unread when it sent the request, so that a long wait delays those."""

FETCH_BYTES = 4 * 1024 * 1024
"""Most bytes that are read ahead in one request, some thousands of records: catching up with a long backlog takes no
more memory than keeping up."""

PARTITION_BYTES = FETCH_BYTES // 16
"""Most bytes of one partition in one request."""

READ_TIMEOUT_MS = 10 * 366 * 86_400_000
"""Milliseconds for which one read waits for records: ten years.

FastStream sleeps as long again after a read that found nothing. A short wait would delay records by that sleep and wake
an idle process all the time (measured in decision 0017); with this one, no read ends without records.
"""

GATHER_MS = 5
"""Milliseconds within which Kafka answers with what came during a pause. Usually 2 ms."""

COMMIT_TIMEOUT_S = 2.0
"""Machine seconds after which a commit of offsets fails; the next one includes it.

aiokafka itself would retry for as long as Kafka is unavailable or lacks a topic, and meanwhile delay the flush and the
rebalance that wait for the commit.
"""

STOP_TIMEOUT_S = 8.0
"""Machine seconds for which a stop waits for the batch in hand."""

LAG_TIMEOUT_S = 1.0
"""Machine seconds within which the positions of all partitions must be known. During a rebalance they are not."""

FIRST_RESTART_S, LONGEST_RESTART_S = 0.2, 5.0
"""Machine seconds before the first attempt to read on after a failure of the client, and before any later one."""

READING = "reading from Kafka"
"""The name of this work among the failures of the process."""

READING_ADVICE = Bilingual(
    "see the reason in the log: Kafka refuses, or a record cannot be read; it is tried again",
    "原因见日志：Kafka 拒绝，或有无法读取的记录；将自动重试",
)


class NotReading(Exception):
    """The subscription has stopped or searches for a record that cannot be read: records handed over now are read again
    later."""


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """Raw records, and the generation of the group in which they were read."""

    records: Records
    generation: int


@dataclass(frozen=True, slots=True)
class Handler:
    """The callbacks of a subscription.

    ``handle`` handles a batch. ``pause`` waits after a batch that was not full, so that more records gather.
    ``revoke`` runs before partitions are given up. ``unreadable`` receives the place of a record that the client cannot
    read, and why; it must pause the topic. ``fail`` receives, once, the reason why the subscription stops by itself:
    the failed batch and all records after it stay unacknowledged.
    """

    handle: Callable[[RecordBatch], Awaitable[None]]
    pause: Callable[[], Awaitable[None]]
    revoke: Callable[[], Awaitable[None]]
    unreadable: Callable[[TopicPartition, int, BaseException], None]
    fail: Callable[[str], None]


class Subscription(ConsumerRebalanceListener):  # type: ignore[misc]
    """Reads topics as a member of the service's consumer group.

    A failure of the handler stops the subscription: to read on would acknowledge past records that have not been
    handled. After a failure of the client the subscription finds the record in which it failed, reports it, and starts
    again from what was acknowledged.
    """

    def __init__(self, settings: Settings, topics: Sequence[str], handler: Handler, failures: Failures) -> None:
        self._joined = asyncio.Event()
        self.generation = 0
        """Counts the assignments. Offsets are valid within one: another may be of another log."""
        self._handler = handler
        self._failures = failures
        self._paused_topics: set[str] = set()
        self._client_fault: BaseException | None = None
        """The latest failure of the client, until reading starts again. Nothing is handed over meanwhile."""
        self._recovery: asyncio.Task[None] | None = None
        self._batch_size = settings.batch
        self._paused = False
        """Whether records may have come while none were read."""
        self._stopping: asyncio.Task[None] | None = None
        self.broker = KafkaBroker(
            connection.addresses(settings),
            client_id=connection.client_id(settings),
            security=connection.security(settings),
            consumer_only=True,
            allow_auto_create_topics=False,
            metadata_max_age_ms=int(METADATA_AGE_S * 1000),
            request_timeout_ms=int(REQUEST_TIMEOUT_S * 1000),
            retry_backoff_ms=connection.RETRY_MS,
            middlewares=(BatchMetrics, partial(_Supervision, self)),
            apply_types=False,
            logger=_FailedReads(self.read_failed),
            graceful_timeout=STOP_TIMEOUT_S,
        )
        self._subscriber = self.broker.subscriber(
            *topics,
            group_id=f"{settings.topic_prefix}onedoor-{settings.service}",
            group_instance_id=_static_member(settings, topics),
            batch=True,
            batch_timeout_ms=READ_TIMEOUT_MS,
            max_records=self._batch_size,
            fetch_max_wait_ms=int(FETCH_WAIT_S * 1000),
            fetch_max_bytes=FETCH_BYTES,
            max_partition_fetch_bytes=PARTITION_BYTES,
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.MANUAL,
            session_timeout_ms=int(SESSION_TIMEOUT_S * 1000),
            heartbeat_interval_ms=int(HEARTBEAT_S * 1000),
            listener=self,
            # Each replica reads the same partition numbers of every topic, and so all messages of a case.
            partition_assignment_strategy=(RangePartitionAssignor,),
            parser=self._parse,
            decoder=self._decode,
        )
        self._subscriber(handler.handle)

    @property
    def joined(self) -> bool:
        """Whether this member has its share of the partitions, which may be none."""
        return self._joined.is_set()

    async def start(self) -> None:
        """Join the group. Raises `KafkaError` when the cluster is unavailable."""
        await self.broker.start()
        self._watch()

    async def stop(self) -> None:
        """Finish the batch in hand and leave the group."""
        if self._recovery is not None:
            self._recovery.cancel()
            await asyncio.wait([self._recovery])
        await self.broker.stop()

    def pause(self, topic: str) -> None:
        """Read nothing more of this topic: all records that have not been handed over stay in Kafka."""
        self._paused_topics.add(topic)
        if (consumer := self._subscriber.consumer) is not None:
            consumer.pause(*self._paused_of(consumer.assignment()))

    def resume(self, topic: str) -> None:
        """Read a paused topic again, from where it was paused."""
        self._paused_topics.discard(topic)
        if (consumer := self._subscriber.consumer) is not None:
            consumer.resume(*(partition for partition in consumer.assignment() if partition.topic == topic))

    async def pass_over(self, partition: TopicPartition, offset: int) -> bool:
        """Do not read this record, if it is the next one of a partition of this member. Returns whether it was.

        Waits for the end of a recovery: it begins to read again at what was acknowledged.
        """
        with suppress(*REBALANCING):
            async with asyncio.timeout(SESSION_TIMEOUT_S):
                while self._recovery is not None:
                    await asyncio.wait([self._recovery])
                await self._joined.wait()
                consumer = self._subscriber.consumer
                if consumer is None or partition not in consumer.assignment():
                    return False
                if await consumer.position(partition) == offset:
                    consumer.seek(partition, offset + 1)
                    return True
        return False

    async def lag(self) -> int | None:
        """Count the records of this member's partitions that are still to be read; None while that is not known."""
        consumer = self._subscriber.consumer
        if consumer is None or not self.joined:
            return None
        lag = 0
        try:
            async with asyncio.timeout(LAG_TIMEOUT_S):
                for partition in consumer.assignment():
                    end = consumer.highwater(partition)
                    if end is not None:
                        lag += max(0, end - await consumer.position(partition))
        except REBALANCING:
            return None
        return lag

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Acknowledge everything below these offsets, in the partitions that are still assigned to this member.

        Raises `KafkaError` or `TimeoutError`.
        """
        if (consumer := self._subscriber.consumer) is None:
            return
        assigned = consumer.assignment()
        async with asyncio.timeout(COMMIT_TIMEOUT_S):
            await consumer.commit({partition: offset for partition, offset in offsets.items() if partition in assigned})

    async def on_partitions_revoked(self, revoked: object) -> None:
        """Part of aiokafka's interface."""
        if self.joined:
            await self._handler.revoke()
        self._joined.clear()

    async def on_partitions_assigned(self, assigned: object) -> None:
        """Part of aiokafka's interface."""
        self.generation += 1
        self._joined.set()
        if self._paused_topics and (consumer := self._subscriber.consumer) is not None:
            consumer.pause(*self._paused_of(consumer.assignment()))

    async def handled(self, count: int) -> None:
        """So many records were handled together: pause if there may soon be more."""
        self._failures.succeeded(READING)
        self._paused = count < self._batch_size
        if self._paused:
            await self._handler.pause()

    def fail(self, reason: str) -> None:
        """Stop reading, and report why."""
        if self._stopping is None:
            self._stopping = asyncio.get_running_loop().create_task(self.broker.stop())
            self._handler.fail(reason)

    def read_failed(self, error: BaseException) -> None:
        """The client reports that a read has failed. FastStream waits five seconds and reads again."""
        if is_unreadable(error):
            self.recover(error)  # to read again would pass over the records that were read with that one
        else:
            self._failures.failed(READING, error, READING_ADVICE)

    def recover(self, error: BaseException) -> None:
        """Stop reading, find the record in which the client has failed, and start again."""
        for reading in self._subscriber.tasks:
            reading.cancel()
        self._client_fault = error
        if self._recovery is None and self._stopping is None:
            self._recovery = asyncio.get_running_loop().create_task(self._recover())
            self._recovery.add_done_callback(self._recovery_ended)

    async def _recover(self) -> None:
        while (error := self._client_fault) is not None:  # the client may fail again as soon as it has started
            await self._start_anew(error)
        self._recovery = None

    async def _start_anew(self, error: BaseException) -> None:
        failures = self._failures.failed(READING, error, READING_ADVICE)
        await asyncio.wait(self._subscriber.tasks)
        await self._handler.revoke()  # acknowledge: the search and the restart begin after what has been handled
        found = False
        if (consumer := self._subscriber.consumer) is not None:
            for partition in consumer.assignment():
                if partition.topic not in self._paused_topics:
                    with suppress(*REBALANCING):
                        found |= await self._search(consumer, partition)
        await self._handler.revoke()
        self._joined.clear()
        while True:
            await self._subscriber.stop()
            if not found:
                await asyncio.sleep(backoff(failures, FIRST_RESTART_S, LONGEST_RESTART_S))
            self._client_fault = None
            try:
                await self._subscriber.start()
            except (KafkaError, OSError) as failure:
                failures, found = self._failures.failed(READING, failure, READING_ADVICE), False
            else:
                break
        self._watch()
        if found:
            self._failures.succeeded(READING)  # from now on the pause of the topic shows

    async def _search(self, consumer: AIOKafkaConsumer, partition: TopicPartition) -> bool:
        """Search a partition for a record in which the client fails. Hand over the records before it, and report it.
        Returns whether there is one."""
        before, unreadable = await search(consumer, partition, 2 * PARTITION_BYTES)
        if unreadable is None:
            return False
        if before:
            await self._handler.handle(RecordBatch(before, self.generation))
        self._handler.unreadable(partition, await consumer.position(partition), unreadable)
        return True

    def _recovery_ended(self, recovery: "asyncio.Task[None]") -> None:
        if not recovery.cancelled() and (error := recovery.exception()) is not None:
            self.fail(f"reading cannot be started again: {type(error).__name__}")

    async def _parse(self, records: Records) -> KafkaMessage:
        """Wrap raw records. FastStream's own parser decodes their headers, and one bad header fails the batch."""
        if self._stopping is not None or self._client_fault is not None:
            raise NotReading  # and the loop has not noticed yet
        generation = self.generation
        batch = RecordBatch((*records, *await self._gather()), generation)
        return KafkaMessage(body=batch, raw_message=batch.records, consumer=None)  # type: ignore[arg-type]

    @staticmethod
    async def _decode(message: StreamMessage[Any]) -> object:
        """Leave the records as they are: the handler decodes each by itself, so that a bad one fails alone."""
        return message.body

    async def _gather(self) -> Records:
        """Read what came during a pause.

        Kafka answered the pending request with the first record that came; until that was read, aiokafka requested no
        more. Without this second read, everything else that came during the pause would wait for the next batch.
        """
        consumer = self._subscriber.consumer
        if not self._paused or not self.joined or consumer is None:
            return ()
        # The first records must be handled while Kafka is away. The next read reports what is wrong with it; and
        # during a rebalance aiokafka would wait for its end.
        try:
            async with asyncio.timeout(10 * GATHER_MS / 1000):
                found = await consumer.getmany(timeout_ms=GATHER_MS, max_records=self._batch_size)
        except Exception as error:
            if is_unreadable(error):
                raise UnreadableRecord from error
            return ()
        return tuple(chain.from_iterable(found.values()))

    def _watch(self) -> None:
        for reading in self._subscriber.tasks:
            reading.add_done_callback(self._reading_ended)

    def _paused_of(self, partitions: Iterable[TopicPartition]) -> list[TopicPartition]:
        return [partition for partition in partitions if partition.topic in self._paused_topics]

    def _reading_ended(self, reading: "asyncio.Task[Any]") -> None:
        """Recover if the loop that reads has failed.

        The client has passed over the records in which it failed. FastStream starts another loop in place of the failed
        one; it has not run yet, and must not.
        """
        if not reading.cancelled() and (error := reading.exception()) is not None:
            self.recover(error)


class _FailedReads:
    """The logger of FastStream. By its log alone it reports that a read has failed."""

    def __init__(self, report: Callable[[KafkaError], None]) -> None:
        self._report = report

    def log(self, level: int, msg: object, /, *, exc_info: object = None, extra: object = None) -> None:
        """Part of FastStream's interface."""
        if isinstance(exc_info, KafkaError):
            self._report(exc_info)


def _static_member(settings: Settings, topics: Iterable[str]) -> str | None:
    """The id by which the group recognises a replica that restarts, so that it resumes its partitions at once.

    Two members of one id fence each other, so a process whose name was not set has none. It leaves the group when it
    stops; if it is killed, its partitions wait for the end of its session. A replica that restarts with other topics is
    another member, since Kafka would give the same one its former partitions, those of dropped topics included.
    """
    if settings.lasting_replica is None:
        return None
    digest = blake2b(",".join(sorted(topics)).encode(), digest_size=4).hexdigest()
    return f"{settings.service}-{settings.lasting_replica}-{digest}"


class BatchMetrics(BaseMiddleware[Any, Any]):
    """Counts the records that were handled and measures how long each batch took, from decoding to commit."""

    async def consume_scope(self, call_next: Callable[[Any], Awaitable[Any]], msg: StreamMessage[Any]) -> Any:
        """Part of FastStream's interface."""
        started = time.perf_counter()
        result = await call_next(msg)
        telemetry.MESSAGES.labels("kafka").inc(len(msg.raw_message))
        telemetry.BATCH_SECONDS.labels("kafka").observe(time.perf_counter() - started)
        return result


class _Supervision(BaseMiddleware[Any, Any]):
    """Pauses after each batch; stops the subscription after a failed one, which FastStream itself would skip."""

    def __init__(self, subscription: Subscription, msg: Any, /, *, context: ContextRepo) -> None:
        super().__init__(msg, context=context)
        self._subscription = subscription
        self._records = 0

    async def consume_scope(self, call_next: Callable[[Any], Awaitable[Any]], msg: StreamMessage[Any]) -> Any:
        """Part of FastStream's interface."""
        self._records = len(msg.raw_message)
        return await call_next(msg)

    async def after_processed(
        self, exc_type: type[BaseException] | None = None, exc_val: BaseException | None = None, exc_tb: Any = None
    ) -> bool:
        """Part of FastStream's interface."""
        if isinstance(exc_val, UnreadableRecord):
            self._subscription.recover(exc_val.__cause__ or exc_val)
        elif isinstance(exc_val, Exception) and not isinstance(exc_val, NotReading):
            self._subscription.fail(f"a batch of records cannot be handled: {type(exc_val).__name__}")
        elif exc_val is None:
            await self._subscription.handled(self._records)
        return False
