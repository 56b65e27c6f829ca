"""The consumer on FastStream's test broker: each record is decoded by itself."""

from collections.abc import Sequence
from typing import Any, cast

import pytest
from faststream.kafka import TestKafkaBroker

from contracts.codec import encode
from contracts.messages.alerts import AlertWithdrawn
from services.runtime.batch.message import InboundMessage
from services.runtime.batch.pacing import BatchPacer
from services.runtime.batch.queue import BatchQueue, Unavailable
from services.runtime.kafka.consumer import Consumer
from services.runtime.store.dead_letters import DeadLetter
from tests.support.runtime.toy import TOPIC, case, instruction, settings


class Queue:
    """A fake batch queue: keeps the records, and is unavailable so many times."""

    def __init__(self) -> None:
        self.pacer = BatchPacer()
        self.received: list[InboundMessage] = []
        self.dead_letters: list[DeadLetter] = []
        self.unavailable = 0

    async def submit_records(self, received: Sequence[InboundMessage], dead_letters: Sequence[DeadLetter]) -> None:
        if self.unavailable:
            self.unavailable -= 1
            raise Unavailable
        self.received += received
        self.dead_letters += dead_letters


@pytest.fixture
def queue() -> Queue:
    return Queue()


def consumer(queue: Queue, consumes: Sequence[Any] = (AlertWithdrawn,), **changes: Any) -> Consumer:
    of = settings("postgresql+asyncpg://nowhere/none", topic_prefix="test-", **changes)
    return Consumer(of, [TOPIC], consumes, cast(BatchQueue, queue))


async def publish(consumer: Consumer, *records: tuple[bytes, str]) -> None:
    """Publish records, each as a batch of its own: a value, and its key."""
    async with TestKafkaBroker(consumer.subscription.broker) as broker:
        for value, key in records:
            await broker.publish(value, f"test-{TOPIC}", key=key.encode())


async def test_a_bad_record_becomes_a_dead_letter_and_its_neighbours_are_handled(queue: Queue) -> None:
    first, second = instruction("count", case(1)), instruction("count", case(2))
    await publish(consumer(queue), (encode(first), case(1)), (b"{", case(3)), (encode(second), case(2)))
    assert [one.envelope for one in queue.received] == [first, second]
    (dead_letter,) = queue.dead_letters
    assert (dead_letter.case_id, dead_letter.topic, dead_letter.value) == (case(3), TOPIC, b"{")


async def test_messages_that_the_service_does_not_consume_are_left_out(queue: Queue) -> None:
    await publish(consumer(queue, consumes=()), (encode(instruction("count", case(1))), case(1)))
    assert not queue.received and not queue.dead_letters


async def test_a_batch_is_kept_while_the_database_is_away(queue: Queue) -> None:
    queue.unavailable = 1
    await publish(consumer(queue), (encode(instruction("count", case(1))), case(1)))
    assert len(queue.received) == 1


async def test_too_many_dead_letters_stop_the_consumer(queue: Queue) -> None:
    stopping = consumer(queue, dead_letters_a_minute=1)
    await publish(stopping, (b"{", case(1)))
    assert stopping.stopped is None
    with pytest.raises(Exception, match="too many dead letters within a minute"):
        await publish(stopping, (b"{", case(2)))
    assert "too many dead letters" in (stopping.stopped or "") and not stopping.ready
    assert len(queue.dead_letters) == 1, "the record that was too much stays in Kafka"
