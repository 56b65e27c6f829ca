"""Consuming from Kafka: each record is decoded by itself, and acknowledged after the commit of its batch."""

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import count

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from pydantic import ValidationError

from contracts.codec import InvalidRecord, decode
from contracts.core import backoff
from contracts.envelope import CASE_ID, Message
from services.runtime import telemetry
from services.runtime.batch.message import InboundMessage
from services.runtime.batch.queue import BatchQueue, Unavailable
from services.runtime.kafka.subscription import Handler, RecordBatch, Records, StopReading, Subscription
from services.runtime.settings import Settings
from services.runtime.store.dead_letters import DeadLetter, make_dead_letter

FIRST_BACKOFF_S, LONGEST_BACKOFF_S = 0.1, 2.0
"""Machine seconds before the first retry while the database is unavailable, and before any later one."""

log = telemetry.logger(__name__)


class DeadLetterLimit:
    """Counts dead letters over the last minute. Too many point to a fault of ours rather than of the records."""

    def __init__(self, a_minute: int) -> None:
        self._a_minute = a_minute
        self._times: deque[float] = deque()

    def exceeded(self, dead_letters: int, now: float) -> bool:
        """Add so many dead letters at machine time ``now``. Returns whether the last minute has too many."""
        self._times.extend([now] * dead_letters)
        while self._times and self._times[0] <= now - 60:
            self._times.popleft()
        return len(self._times) > self._a_minute


class Consumer:
    """Takes batches of records from Kafka to the batch queue.

    Records are acknowledged some time after their commit. After a crash some are therefore read again, and their cases
    drop them as duplicates. While the database is unavailable, the consumer keeps its batch and retries.
    """

    def __init__(
        self, settings: Settings, topics: Sequence[str], consumes: Iterable[type[Message]], queue: BatchQueue
    ) -> None:
        self.topics = tuple(topics)
        self.stopped: str | None = None
        """Why the consumer has stopped by itself, or None."""
        self._queue = queue
        self._consumes = frozenset(consumes)
        self._limit = DeadLetterLimit(settings.dead_letters_a_minute)
        self._prefix = settings.topic_prefix
        self._handled: dict[TopicPartition, int] = {}
        """Committed to the database, not yet acknowledged to Kafka: the next offset of each partition."""
        self._generation = 0
        """The generation of these offsets. In another one they may be of a former log of the partition, and to
        acknowledge them would skip records that have not been read."""
        self.subscription = Subscription(
            settings,
            [self._prefix + topic for topic in topics],
            Handler(handle=self._handle, pause=queue.pacer.wait_for_more, revoke=self.acknowledge, fail=self._stopped),
        )

    async def start(self) -> None:
        """Join the group. Raises `KafkaError` when the cluster is unavailable."""
        await self.subscription.start()

    async def stop(self) -> None:
        """Finish the batch in hand, acknowledge it and leave the group."""
        if self.ready:
            await self.acknowledge()
        await self.subscription.stop()

    @property
    def ready(self) -> bool:
        """Whether this process takes part in its group."""
        return self.stopped is None and self.subscription.joined

    async def lag(self) -> int | None:
        """Count the records of this process's partitions that are still to be read; None while that is not known."""
        return await self.subscription.lag() if self.ready else None

    async def acknowledge(self) -> None:
        """Acknowledge to Kafka all records that have been handled. Called about once a second, not after each batch:
        records that are read again after a crash are dropped as duplicates."""
        if not self._handled or self._generation != self.subscription.generation:
            return
        handled = dict(self._handled)
        try:
            await self.subscription.commit(handled)
        except (KafkaError, TimeoutError) as error:
            log.info("not acknowledged; the records will be read and dropped again", error=repr(error))
            return
        # Offsets that were noted meanwhile stay for the next time.
        self._handled = {p: offset for p, offset in self._handled.items() if handled.get(p) != offset}

    async def _handle(self, batch: RecordBatch) -> None:
        """Decode the records, have them handled, note their offsets. Raises `StopReading`."""
        received, dead_letters = self._decode(batch.records)
        if self._limit.exceeded(len(dead_letters), time.monotonic()):
            raise StopReading(f"too many dead letters within a minute, {len(dead_letters)} of them in the last batch")
        for attempt in count(1):
            try:
                await self._queue.submit_records(received, dead_letters)
                break
            except Unavailable:
                backoff_s = backoff(attempt, FIRST_BACKOFF_S, LONGEST_BACKOFF_S)
                log.warning("database unavailable; retrying", records=len(batch.records), backoff_s=backoff_s)
                await asyncio.sleep(backoff_s)
        self._note(batch)

    def _decode(self, records: Records) -> tuple[list[InboundMessage], list[DeadLetter]]:
        """Decode each record by itself. Messages that this service does not consume are left out."""
        received: list[InboundMessage] = []
        dead_letters: list[DeadLetter] = []
        for record in records:
            topic = record.topic[len(self._prefix) :]
            origin = f"partition {record.partition}, offset {record.offset}"
            try:
                envelope = decode(record.value, record.key, topic)
            except InvalidRecord as error:
                case_id = _case_of(record.key)
                dead_letters.append(make_dead_letter(str(error), topic, origin, record.key, record.value, case_id))
                continue
            if type(envelope.data) in self._consumes:
                received.append(InboundMessage(envelope, origin, topic, record.value))
        return received, dead_letters

    def _note(self, batch: RecordBatch) -> None:
        """Note the offsets of a batch that has been handled, for the next acknowledgement."""
        if batch.generation != self.subscription.generation:
            return  # the records are read again if the log still has them, and dropped as duplicates
        if batch.generation != self._generation:
            self._handled, self._generation = {}, batch.generation
        for record in batch.records:
            partition = TopicPartition(record.topic, record.partition)
            self._handled[partition] = max(self._handled.get(partition, 0), record.offset + 1)

    def _stopped(self, reason: str) -> None:
        """The subscription has stopped by itself: leave the records in Kafka and wait for a person."""
        self.stopped = reason
        telemetry.CONSUMER_STOPPED.set(1)
        log.critical("the consumer has stopped; remove the cause and restart the service", reason=reason)


def _case_of(key: bytes | None) -> str:
    """The case of a record that cannot be decoded, by its key; empty if the key is no case id."""
    try:
        return CASE_ID.validate_json(b'"%b"' % key) if key else ""
    except ValidationError:
        return ""
