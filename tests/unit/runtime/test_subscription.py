"""The subscription, and the parts of FastStream that it relies on: a change of those fails here.

Kafka's client is replaced by one with scripted reads, beneath the real FastStream.
"""

import asyncio
import importlib.metadata
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import aiokafka
import pytest
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import (
    ConsumerStoppedError,
    CorruptRecordException,
    IllegalStateError,
    KafkaConnectionError,
    UnsupportedCodecError,
)
from structlog.testing import capture_logs

from services.runtime.failures import SHOWN_AFTER, Failures
from services.runtime.kafka import subscription as subscription_module
from services.runtime.kafka.subscription import Handler, RecordBatch, Subscription
from tests.support.runtime.toy import settings

UNREADABLE = UnicodeDecodeError("utf-8", b"\xff", 0, 1, "the name of a header")
PARTITION = TopicPartition("onedoor.cases", 0)
BATCH_SIZE = 2

Read = str | Exception | tuple[str, Exception]
"""One read of the scripted client returns records with these characters as values, or raises this exception, or fails
in the record after these. An exception that is none of Kafka's own stands for a record that cannot be read."""


class ClientFault(Exception):
    """A fault of the client, and of no record."""


class Coordinator:
    """FastStream logs the name of the member."""

    member_id = "one"


class Client:
    """A fake `AIOKafkaConsumer`: joins at once, answers with the scripted reads, then waits as if none came.

    As the real one, it loses the records that it has decoded together with one in which it fails.
    """

    _coordinator = Coordinator()

    def __init__(self, reads: tuple[Read, ...], service: "Service") -> None:
        self._service = service
        self._log: list[tuple[int, str | Exception]] = []
        """The records, each with the number of its read; a record that cannot be read is an exception."""
        for number, read in enumerate(reads):
            parts = read if isinstance(read, tuple) else (read,)
            self._log += [(number, one) for part in parts for one in (part if isinstance(part, str) else (part,))]
        self._position = 0
        self._paused = False
        self._resumed = asyncio.Event()
        self.exhausted = asyncio.Event()
        self.idle = asyncio.Event()
        """The partition is paused, and a read waits."""
        self.stopped = False
        self.arguments: dict[str, Any] = {}
        self.fault: Exception | None = None
        """Raised when the position or the end of the partition is asked."""

    def subscribe(self, *, listener: Any, **_: object) -> None:
        self._listener = listener

    async def start(self) -> None:
        self.stopped, self._paused, self._position = False, False, self._service.acknowledged
        await self._listener.on_partitions_assigned([PARTITION])

    async def stop(self) -> None:
        self.stopped = True

    async def getmany(
        self, *only: TopicPartition, max_records: int, **_: object
    ) -> dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]]:
        while self._paused:
            self.idle.set()
            await self._resumed.wait()
        if self._position == len(self._log):
            self.exhausted.set()
            await asyncio.Event().wait()
        number, first = self._log[self._position]
        if isinstance(first, KafkaConnectionError | ConsumerStoppedError | TimeoutError):
            del self._log[self._position]
            raise first
        values = [value for of, value in self._log[self._position :] if of == number][: max_records if only else None]
        for value in values:
            if isinstance(value, Exception):
                self._position = next(n for n, entry in enumerate(self._log) if entry[1] is value)
                if isinstance(value, ClientFault):
                    del self._log[self._position]
                raise value
        found = [record(str(value), self._position + n) for n, value in enumerate(values)]
        self._position += len(values)
        return {PARTITION: found}

    def assignment(self) -> set[TopicPartition]:
        return {PARTITION}

    def pause(self, *partitions: TopicPartition) -> None:
        self._paused = self._paused or PARTITION in partitions

    def resume(self, *partitions: TopicPartition) -> None:
        if PARTITION in partitions:
            self._paused = False
            self._resumed.set()

    def highwater(self, _: TopicPartition) -> int:
        if self.fault is not None:
            raise self.fault
        return len(self._log)

    async def position(self, _: TopicPartition) -> int:
        return self._position

    async def committed(self, _: TopicPartition) -> int | None:
        return self._service.acknowledged or None

    def seek(self, _: TopicPartition, offset: int) -> None:
        self._position = offset

    async def seek_to_beginning(self, *_: TopicPartition) -> None:
        self._position = 0


def record(value: str, offset: int) -> ConsumerRecord[bytes, bytes]:
    """A record whose header would fail FastStream's own parser."""
    headers = [("content-type", b"\xff")]
    return ConsumerRecord(*PARTITION, offset, 0, 0, b"key", value.encode(), None, 3, len(value), headers)


class Service:
    """The handler of a subscription: notes what it is given, and pauses the topic of a record that cannot be read."""

    def __init__(self) -> None:
        self.batches: list[str] = []
        self.generations: list[int] = []
        self.pauses = 0
        self.handled = self.acknowledged = 0
        self.unreadable: list[tuple[int, BaseException]] = []
        self.failures: list[str] = []
        self.failed = asyncio.Event()
        self.fault: Exception | None = None
        self.subscription: Subscription
        self.passes_over_at_once = False
        self.passing_over: list[asyncio.Task[None]] = []

    async def handle(self, batch: RecordBatch) -> None:
        if self.fault is not None:
            raise self.fault
        self.batches.append("".join(record.value.decode() for record in batch.records))
        self.generations.append(batch.generation)
        self.handled = max(record.offset for record in batch.records) + 1

    async def pause(self) -> None:
        self.pauses += 1

    async def revoke(self) -> None:
        self.acknowledged = self.handled
        await asyncio.sleep(0)  # others run meanwhile, as while Kafka commits

    def cannot_read(self, partition: TopicPartition, offset: int, error: BaseException) -> None:
        self.unreadable.append((offset, error))
        self.subscription.pause(partition.topic)
        if self.passes_over_at_once:
            self.passing_over.append(asyncio.create_task(self._pass_over(partition, offset)))

    async def _pass_over(self, partition: TopicPartition, offset: int) -> None:
        assert await self.subscription.pass_over(partition, offset)
        self.subscription.resume(partition.topic)

    def fail(self, reason: str) -> None:
        self.failures.append(reason)
        self.failed.set()

    @property
    def handler(self) -> Handler:
        return Handler(self.handle, self.pause, self.revoke, self.cannot_read, self.fail)


Start = Callable[..., AbstractAsyncContextManager[Client]]


@pytest.fixture(autouse=True)
def unrendered_logs() -> Iterator[None]:
    """Structlog takes seconds to render an exception for a terminal."""
    with capture_logs():
        yield


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def work() -> Failures:
    return Failures()


@pytest.fixture
def start(service: Service, work: Failures, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Start a subscription whose client has these reads."""
    monkeypatch.setattr(subscription_module, "FIRST_RESTART_S", 0.0)

    @asynccontextmanager
    async def started(*reads: Read, **changes: Any) -> AsyncIterator[Client]:
        client = Client(reads, service)

        def built(**arguments: Any) -> Client:
            client.arguments = arguments
            return client

        monkeypatch.setattr(aiokafka, "AIOKafkaConsumer", built)
        of = settings("postgresql+asyncpg://127.0.0.1:1/none", batch=BATCH_SIZE, **changes)
        subscription = service.subscription = Subscription(of, [PARTITION.topic], service.handler, work)
        await subscription.start()
        try:
            async with asyncio.timeout(5):
                yield client
        finally:
            await subscription.stop()
        assert client.stopped

    return started


def test_faststream_is_the_version_whose_inside_was_read() -> None:
    """With another version, compare FastStream's source with docs/decisions/0017, and measure again."""
    assert importlib.metadata.version("faststream").split(".")[:2] == ["0", "7"]


async def test_a_batch_arrives_as_raw_records_with_the_generation_of_its_read(start: Start, service: Service) -> None:
    async with start("ab") as client:
        await client.exhausted.wait()
    assert service.batches == ["ab"] and service.generations == [1]
    assert service.pauses == 0, "a full batch is followed by the next one at once"


async def test_records_that_came_during_a_pause_are_gathered(start: Start, service: Service) -> None:
    async with start("a", "b", "c", "d") as client:
        await client.exhausted.wait()
    assert service.batches == ["a", "bc", "d"], "nothing is gathered after a full batch, as no pause follows it"
    assert service.pauses == 2


@pytest.mark.parametrize("fault", [KafkaConnectionError(), ConsumerStoppedError(), TimeoutError()])
async def test_records_that_were_read_are_handled_if_gathering_fails(
    start: Start, service: Service, fault: Exception
) -> None:
    async with start("a", "b", fault) as client:
        await client.exhausted.wait()
    assert service.batches == ["a", "b"] and not service.failures


@pytest.mark.parametrize("fault", [UNREADABLE, CorruptRecordException(), UnsupportedCodecError()])
@pytest.mark.parametrize(
    ("before", "batches"),
    [
        ((), []),
        (("ab",), ["ab"]),
        (("ab", "cd"), ["ab", "cd"]),
        (("a",), ["a"]),
    ],
)
@pytest.mark.parametrize("lost", ["", "x", "xy"])
async def test_a_record_that_the_client_cannot_read_pauses_its_topic_and_none_before_it_is_passed_over(
    start: Start, service: Service, before: tuple[str, ...], batches: list[str], lost: str, fault: Exception
) -> None:
    async with start(*before, (lost, fault), "ef") as client:
        await client.idle.wait()
        read = "".join(before) + lost
        assert "".join(service.batches) == read and not service.failures
        assert service.unreadable == [(len(read), fault)]
        assert service.subscription.joined, "other topics are read on"
        assert await service.subscription.pass_over(PARTITION, len(read))
        assert not await service.subscription.pass_over(PARTITION, len(read)), "it is passed over once"
        service.subscription.resume(PARTITION.topic)
        await client.exhausted.wait()
    assert "".join(service.batches) == read + "ef"


async def test_a_record_is_passed_over_as_soon_as_its_topic_is_paused(start: Start, service: Service) -> None:
    service.passes_over_at_once = True
    async with start("ab", UNREADABLE, "cd") as client:
        await client.exhausted.wait()
    assert service.batches == ["ab", "cd"]
    assert [offset for offset, _ in service.unreadable] == [2], "it is not read again"
    assert service.generations == [1, 2]


async def test_records_of_other_generations_are_not_mixed_after_a_restart(start: Start, service: Service) -> None:
    async with start("ab", UNREADABLE, "cd") as client:
        await client.idle.wait()
        assert service.subscription.generation == 2, "the client has joined again"
        await service.subscription.pass_over(PARTITION, 2)
        service.subscription.resume(PARTITION.topic)
        await client.exhausted.wait()
    assert service.generations == [1, 2]


async def test_a_fault_of_the_client_in_no_record_begins_anew_without_loss(start: Start, service: Service) -> None:
    async with start("ab", ClientFault(), "cd") as client:
        await client.exhausted.wait()
    assert service.batches == ["ab", "cd"] and not service.unreadable and not service.failures


async def test_failed_reads_show_until_records_are_read_again(start: Start, service: Service, work: Failures) -> None:
    async with start("ab") as client:
        await client.exhausted.wait()
        for _ in range(SHOWN_AFTER):
            service.subscription.read_failed(KafkaConnectionError())
        (shown,) = work.shown()
        assert "reading from Kafka: failed 3 times in a row" in shown.en and "KafkaConnectionError" in shown.en
        await service.subscription.handled(1)
        assert not work.shown()


@pytest.mark.parametrize("fault", [AssertionError("not assigned"), IllegalStateError("not assigned")])
async def test_the_lag_is_unknown_during_a_rebalance(start: Start, service: Service, fault: Exception) -> None:
    async with start("ab") as client:
        await client.exhausted.wait()
        assert await service.subscription.lag() == 0
        client.fault = fault
        assert await service.subscription.lag() is None


async def test_only_a_process_whose_name_was_set_is_a_static_member(start: Start) -> None:
    async with start("ab") as client:
        assert client.arguments["group_instance_id"] is None
    async with start("ab", replica="2") as client:
        assert client.arguments["group_instance_id"].startswith("toy-2-")


async def test_no_batch_is_handled_after_one_that_failed(start: Start, service: Service) -> None:
    service.fault = RuntimeError("a fault of ours")
    async with start("ab", "cd"):
        await service.failed.wait()
        service.fault = None
    assert service.batches == []
    (reason,) = service.failures
    assert "RuntimeError" in reason


async def test_while_kafka_is_away_the_subscription_goes_on(start: Start, service: Service) -> None:
    async with start("ab", KafkaConnectionError()):
        ...
    assert not service.failures
