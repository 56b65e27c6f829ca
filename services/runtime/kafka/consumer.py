"""Consuming from Kafka: each record is decoded by itself, and acknowledged after the commit of its batch.

A topic with too many dead letters, or with a record that cannot be read, is paused; the others are read on.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from pydantic import ValidationError

from contracts.bilingual import Bilingual, both
from contracts.codec import InvalidRecord, decode
from contracts.core import backoff
from contracts.envelope import CASE_ID, Envelope, Message
from services.runtime import telemetry
from services.runtime.batch.message import WAITS, InboundMessage
from services.runtime.batch.queue import BatchQueue, Unavailable
from services.runtime.clock import Clock, machine_now
from services.runtime.failures import Failures
from services.runtime.kafka.limits import DeadLetterLimits
from services.runtime.kafka.subscription import Handler, RecordBatch, Subscription
from services.runtime.kafka.unreadable import Records
from services.runtime.settings import Settings
from services.runtime.store.dead_letters import DeadLetter, make_dead_letter

FIRST_BACKOFF_S, LONGEST_BACKOFF_S = 0.1, 2.0
"""Machine seconds before the first retry while the database is unavailable, and before any later one."""

ACKNOWLEDGING = "acknowledging"
"""The name of this work among the failures of the process."""

ACKNOWLEDGING_ADVICE = Bilingual(
    "Kafka does not take offsets; nothing is lost, records may be read again and dropped as duplicates",
    "Kafka 不接收位移；数据不会丢失，记录可能重读，重复的会被丢弃",
)

ADVICE = Bilingual(
    "remove the cause, then resume the topic (POST /topics/{topic}/resume on the port of operators), "
    "or restart the service",
    "请排除原因后恢复该主题（运行维护端口 POST /topics/{topic}/resume），或重启服务",
)

log = telemetry.logger(__name__)


@dataclass(slots=True)
class PausedTopic:
    """A topic that this process does not read, by itself: since when, and why."""

    reason: Bilingual
    since: datetime = field(default_factory=machine_now)
    unreadable: dict[TopicPartition, int] = field(default_factory=dict)
    """The offset of the record that cannot be read, in each partition that has one."""


class Consumer:
    """Takes batches of records from Kafka to the batch queue.

    Records are acknowledged some time after their commit. After a crash some are therefore read again, and their cases
    drop them as duplicates. While the database is unavailable, the consumer keeps its batch and retries.
    """

    def __init__(
        self,
        settings: Settings,
        topics: Sequence[str],
        consumes: Iterable[type[Message]],
        queue: BatchQueue,
        clock: Clock,
        failures: Failures,
    ) -> None:
        self.topics = tuple(topics)
        self.stopped: str | None = None
        """Why the consumer has stopped by itself, or None."""
        self.paused: dict[str, PausedTopic] = {}
        """The topics that are not read until they are resumed. All records after the pause stay in Kafka."""
        self._queue = queue
        self._clock = clock
        self._failures = failures
        self._consumes = frozenset(consumes)
        self._limits = DeadLetterLimits(settings.dead_letters_a_minute, settings.dead_letter_share)
        self._prefix = settings.topic_prefix
        self._handled: dict[TopicPartition, int] = {}
        """Committed to the database, not yet acknowledged to Kafka: the next offset of each partition."""
        self._generation = 0
        """The generation of these offsets. In another one they may be of a former log of the partition, and to
        acknowledge them would skip records that have not been read."""
        self.subscription = Subscription(
            settings,
            [self._prefix + topic for topic in topics],
            Handler(
                handle=self._handle,
                pause=queue.pacer.wait_for_more,
                revoke=self.acknowledge,
                unreadable=self._unreadable,
                fail=self._stopped,
            ),
            failures,
        )

    async def start(self) -> None:
        """Join the group. Raises `KafkaError` when the cluster is unavailable."""
        await self.subscription.start()

    async def stop(self) -> None:
        """Finish the batch in hand, acknowledge it and leave the group."""
        try:
            if self.ready:
                await self.acknowledge()
        finally:
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
            self._failures.failed(ACKNOWLEDGING, error, ACKNOWLEDGING_ADVICE)
            return
        self._failures.succeeded(ACKNOWLEDGING)
        # Offsets that were noted meanwhile stay for the next time.
        self._handled = {p: offset for p, offset in self._handled.items() if handled.get(p) != offset}

    def impairments(self) -> list[Bilingual]:
        """The topics that are paused, each with the reason and what to do."""
        return [
            Bilingual(
                f"topic {topic}: paused since {paused.since:%Y-%m-%d %H:%M:%S} UTC; {paused.reason.en}; "
                + ADVICE.en.format(topic=topic),
                f"主题 {topic}：自 {paused.since:%Y-%m-%d %H:%M:%S} UTC 起暂停；{paused.reason.zh}；"
                + ADVICE.zh.format(topic=topic),
            )
            for topic, paused in self.paused.items()
        ]

    async def resume(self, topic: str) -> bool:
        """Read a paused topic on. Returns False if it is not paused.

        A record that cannot be read is passed over: a dead letter says where it was. Raises `Unavailable` if that
        letter cannot be stored; the topic stays paused then.
        """
        if (paused := self.paused.get(topic)) is None:
            return False
        if paused.unreadable:
            await self._queue.submit_records([], [_unread(topic, *record) for record in paused.unreadable.items()])
        for partition, offset in paused.unreadable.items():
            if await self.subscription.pass_over(partition, offset):
                self._begin(self.subscription.generation)
                self._handled[partition] = offset + 1
        self.paused.pop(topic, None)
        self._limits.forget(topic)
        self.subscription.resume(self._prefix + topic)
        telemetry.TOPIC_PAUSED.labels(topic).set(0)
        log.warning("topic resumed", topic=topic, passed_over=len(paused.unreadable))
        return True

    async def _handle(self, batch: RecordBatch) -> None:
        """Decode the records, have them handled, note their offsets, and pause topics with too many dead letters."""
        received, dead_letters = self._decode(batch.records)
        for attempt in count(1):
            try:
                parked = await self._queue.submit_records(received, dead_letters)
                break
            except Unavailable:
                await asyncio.sleep(backoff(attempt, FIRST_BACKOFF_S, LONGEST_BACKOFF_S))
        self._note(batch)
        if parked or self._limits.suspects:
            self._check_limits(batch.records, parked)

    def _decode(self, records: Records) -> tuple[list[InboundMessage], list[DeadLetter]]:
        """Decode each record by itself. Messages that this service does not consume are left out."""
        received: list[InboundMessage] = []
        dead_letters: list[DeadLetter] = []
        now = self._clock.now()
        for record in records:
            topic = record.topic[len(self._prefix) :]
            origin = f"partition {record.partition}, offset {record.offset}"
            try:
                envelope = decode(record.value, record.key, topic)
            except Exception as error:
                if not isinstance(error, InvalidRecord):
                    log.exception("a record cannot be decoded", topic=topic, origin=origin)
                kind = type(error).__name__
                failed = both(f"decoding failed: {kind}. Update the service", f"解码失败（{kind}）。请更新服务")
                reason = str(error) if isinstance(error, InvalidRecord) else failed
                case_id = _case_of(record.key)
                dead_letters.append(make_dead_letter(reason, topic, origin, record.key, record.value, case_id))
                continue
            if type(envelope.data) in self._consumes:
                received.append(InboundMessage(_not_ahead(envelope, now), origin, topic, record.value))
        return received, dead_letters

    def _note(self, batch: RecordBatch) -> None:
        """Note the offsets of a batch that has been handled, for the next acknowledgement."""
        if batch.generation != self.subscription.generation:
            return  # the records are read again if the log still has them, and dropped as duplicates
        self._begin(batch.generation)
        for record in batch.records:
            partition = TopicPartition(record.topic, record.partition)
            self._handled[partition] = max(self._handled.get(partition, 0), record.offset + 1)

    def _begin(self, generation: int) -> None:
        """Forget the offsets of another generation than this one."""
        if generation != self._generation:
            self._handled, self._generation = {}, generation

    def _check_limits(self, records: Records, parked: Iterable[DeadLetter]) -> None:
        """Pause the topics whose dead letters exceed a limit. Letters that only wait for another do not count: one bad
        message makes one of each later message of its case."""
        letters = Counter(letter.topic for letter in parked if letter.reason != WAITS)
        read = Counter(record.topic[len(self._prefix) :] for record in records)
        now = time.monotonic()
        for topic in read.keys() | letters.keys():
            if not letters[topic] and not self._limits.counts(topic):
                continue
            exceeded = self._limits.exceeded(topic, read[topic], letters[topic], now)
            if exceeded is not None:
                why = Bilingual(f"too many dead letters: {exceeded.en}", f"死信过多：{exceeded.zh}")
                self._pause(topic, PausedTopic(why))

    def _unreadable(self, partition: TopicPartition, offset: int, error: BaseException) -> None:
        """The client cannot read this record: pause its topic."""
        topic = partition.topic[len(self._prefix) :]
        kind = type(error).__name__
        reason = Bilingual(
            f"the record at partition {partition.partition}, offset {offset} cannot be read: {kind}",
            f"分区 {partition.partition}、位移 {offset} 的记录无法读取：{kind}",
        )
        paused = self.paused.get(topic) or PausedTopic(reason)
        paused.unreadable[partition] = offset
        self._pause(topic, paused)

    def _pause(self, topic: str, paused: PausedTopic) -> None:
        if topic not in self.topics:
            return  # the letter of a topic that this service does not consume cannot come from Kafka
        self.paused[topic] = paused
        self.subscription.pause(self._prefix + topic)
        telemetry.TOPIC_PAUSED.labels(topic).set(1)
        log.critical("topic paused", topic=topic, reason=paused.reason.en, advice=ADVICE.en.format(topic=topic))

    def _stopped(self, reason: str) -> None:
        """The subscription has stopped by itself: leave the records in Kafka and wait for a person."""
        self.stopped = reason
        telemetry.CONSUMER_STOPPED.set(1)
        log.critical("the consumer has stopped; remove the cause and restart the service", reason=reason)


def _not_ahead(envelope: Envelope[Message], now: datetime) -> Envelope[Message]:
    """The envelope as of now if its time is ahead of this process's clock.

    A service may run on a machine whose clock is wrong, and no core may act at a moment that has not come.
    """
    return envelope if envelope.time <= now else envelope.replace(time=now)


def _unread(topic: str, partition: TopicPartition, offset: int) -> DeadLetter:
    """The dead letter of a record that the client cannot read. Its content is in Kafka only, for the retention time.

    The place of the record stands in its key, so that each has a letter of its own.
    """
    place = f"partition {partition.partition}, offset {offset}"
    reason = both("Kafka's client cannot read the record", "Kafka 客户端无法读取该记录")
    return make_dead_letter(reason, topic, place, place.encode(), None)


def _case_of(key: bytes | None) -> str:
    """The case of a record that cannot be decoded, by its key; empty if the key is no case id."""
    try:
        return CASE_ID.validate_json(b'"%b"' % key) if key else ""
    except ValidationError:
        return ""
