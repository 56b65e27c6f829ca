"""The subscription, and the parts of FastStream that it relies on: a change of those fails here.

Kafka's client is replaced by one with scripted reads, beneath the real FastStream.
"""

import asyncio
import importlib.metadata
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import aiokafka
import pytest
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import ConsumerStoppedError, KafkaConnectionError

from services.runtime.kafka.subscription import Handler, RecordBatch, StopReading, Subscription
from tests.support.runtime.toy import settings

UNREADABLE = UnicodeDecodeError("utf-8", b"\xff", 0, 1, "the name of a header")
PARTITION = TopicPartition("onedoor.cases", 0)
BATCH_SIZE = 2

Read = str | Exception
"""One read of the scripted client returns records with these characters as values, or raises this exception."""


class Client:
    """A fake `AIOKafkaConsumer`: joins at once, answers with the scripted reads, then waits as if none came."""

    def __init__(self, reads: tuple[Read, ...]) -> None:
        self._reads = list(reads)
        self.exhausted = asyncio.Event()
        self.stopped = False

    def subscribe(self, *, listener: Any, **_: object) -> None:
        self._listener = listener

    async def start(self) -> None:
        await self._listener.on_partitions_assigned([PARTITION])

    async def stop(self) -> None:
        self.stopped = True

    async def getmany(self, **_: object) -> dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]]:
        if not self._reads:
            self.exhausted.set()
            await asyncio.Event().wait()
        read = self._reads.pop(0)
        if isinstance(read, Exception):
            raise read
        return {PARTITION: [record(value) for value in read]}


def record(value: str) -> ConsumerRecord[bytes, bytes]:
    """A record whose header would fail FastStream's own parser."""
    headers = [("content-type", b"\xff")]
    return ConsumerRecord(*PARTITION, 0, 0, 0, b"key", value.encode(), None, 3, len(value), headers)


class Service:
    """The handler of a subscription: notes what it is given."""

    def __init__(self) -> None:
        self.batches: list[str] = []
        self.generations: list[int] = []
        self.pauses = 0
        self.failures: list[str] = []
        self.failed = asyncio.Event()
        self.fault: Exception | None = None

    async def handle(self, batch: RecordBatch) -> None:
        if self.fault is not None:
            raise self.fault
        self.batches.append("".join(record.value.decode() for record in batch.records))
        self.generations.append(batch.generation)

    async def pause(self) -> None:
        self.pauses += 1

    async def revoke(self) -> None: ...

    def fail(self, reason: str) -> None:
        self.failures.append(reason)
        self.failed.set()

    @property
    def handler(self) -> Handler:
        return Handler(self.handle, self.pause, self.revoke, self.fail)


Start = Callable[..., AbstractAsyncContextManager[Client]]


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def start(service: Service, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Start a subscription whose client has these reads."""

    @asynccontextmanager
    async def started(*reads: Read) -> AsyncIterator[Client]:
        client = Client(reads)
        monkeypatch.setattr(aiokafka, "AIOKafkaConsumer", lambda **_: client)
        of = settings("postgresql+asyncpg://nowhere/none", batch=BATCH_SIZE)
        subscription = Subscription(of, [PARTITION.topic], service.handler)
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


async def test_a_record_that_the_client_cannot_read_stops_the_subscription_instead_of_being_passed_over(
    start: Start, service: Service
) -> None:
    async with start("ab", UNREADABLE, "cd") as client:
        await service.failed.wait()
        assert not client.exhausted.is_set()
    assert service.batches == ["ab"]
    (reason,) = service.failures
    assert "cannot read a record" in reason


async def test_a_record_that_the_client_cannot_read_while_gathering_stops_it_too(
    start: Start, service: Service
) -> None:
    async with start("a", "b", UNREADABLE, "cd"):
        await service.failed.wait()
    assert service.batches == ["a"] and len(service.failures) == 1


@pytest.mark.parametrize("fault", [StopReading("too many"), RuntimeError("a fault of ours")])
async def test_no_batch_is_handled_after_one_that_failed(start: Start, service: Service, fault: Exception) -> None:
    service.fault = fault
    async with start("ab", "cd"):
        await service.failed.wait()
        service.fault = None
    assert service.batches == []
    (reason,) = service.failures
    assert reason == "too many" or "RuntimeError" in reason


async def test_while_kafka_is_away_the_subscription_goes_on(start: Start, service: Service) -> None:
    async with start("ab", KafkaConnectionError()):
        ...
    assert not service.failures
