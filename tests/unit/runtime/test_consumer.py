"""The consumer on FastStream's test broker: each record is decoded by itself."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, cast

import pytest
from faststream.kafka import TestKafkaBroker

from contracts.codec import encode
from contracts.messages.alerts import AlertWithdrawn
from services.runtime.batch.message import WAITS, InboundMessage
from services.runtime.batch.pacing import BatchPacer
from services.runtime.batch.queue import BatchQueue, Unavailable
from services.runtime.failures import Failures
from services.runtime.kafka import consumer as consumer_module
from services.runtime.kafka.consumer import Consumer
from services.runtime.store.dead_letters import DeadLetter
from tests.support.runtime.toy import AT, TOPIC, case, instruction, settings

NOW = AT - timedelta(hours=13)


class Queue:
    """A fake batch queue: keeps the records, parks those whose reason begins with ``fail``, and is unavailable so many
    times."""

    def __init__(self) -> None:
        self.pacer = BatchPacer()
        self.received: list[InboundMessage] = []
        self.dead_letters: list[DeadLetter] = []
        self.unavailable = 0

    async def submit_records(
        self, received: Sequence[InboundMessage], dead_letters: Sequence[DeadLetter]
    ) -> Sequence[DeadLetter]:
        if self.unavailable:
            self.unavailable -= 1
            raise Unavailable
        self.received += received
        reasons = {"fail": "the core failed: RuntimeError", "late": WAITS}
        rejected = [
            one.dead_letter(reasons[data.reason], blocking=True)
            for one in received
            if isinstance(data := one.envelope.data, AlertWithdrawn) and data.reason in reasons
        ]
        self.dead_letters += [*dead_letters, *rejected]
        return [*dead_letters, *rejected]


@pytest.fixture
def queue() -> Queue:
    return Queue()


def consumer(queue: Queue, consumes: Sequence[Any] = (AlertWithdrawn,), **changes: Any) -> Consumer:
    of = settings("postgresql+asyncpg://127.0.0.1:1/none", topic_prefix="test-", **changes)
    return Consumer(of, [TOPIC], consumes, cast(BatchQueue, queue), StandingClock(), Failures())


class StandingClock:
    """A clock that stands still at noon of the day before the toy's messages."""

    def now(self) -> datetime:
        return NOW

    def machine_seconds(self, until: datetime) -> float:
        return float("inf")


async def publish(consumer: Consumer, *records: tuple[bytes, str]) -> None:
    """Publish records, each as a batch of its own: a value, and its key."""
    async with TestKafkaBroker(consumer.subscription.broker) as broker:
        for value, key in records:
            await broker.publish(value, f"test-{TOPIC}", key=key.encode())


async def test_a_bad_record_becomes_a_dead_letter_and_its_neighbours_are_handled(queue: Queue) -> None:
    first, second = (instruction("count", case(n)).replace(time=NOW) for n in (1, 2))
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


async def test_too_many_dead_letters_pause_their_topic(queue: Queue) -> None:
    reading = consumer(queue, dead_letters_a_minute=1)
    await publish(reading, (b"{", case(1)))
    assert not reading.paused
    await publish(reading, (b"{", case(2)))
    assert list(reading.paused) == [TOPIC] and "2 dead letters within a minute" in reading.paused[TOPIC].reason.en
    assert reading.stopped is None, "other topics are read on"
    assert await reading.resume(TOPIC) and not reading.paused
    await publish(reading, (b"{", case(3)))
    assert not reading.paused, "after it is resumed, a topic counts anew"
    assert not await reading.resume(TOPIC)


async def test_letters_of_a_failing_core_count_and_those_that_wait_for_them_do_not(queue: Queue) -> None:
    reading = consumer(queue, dead_letters_a_minute=1)
    of = [(encode(instruction(reason, case(1))), case(1)) for reason in ("fail", "late", "late", "late")]
    await publish(reading, *of)
    assert len(queue.dead_letters) == 4 and not reading.paused
    await publish(reading, (encode(instruction("fail", case(2))), case(2)))
    assert list(reading.paused) == [TOPIC]


async def test_a_message_from_ahead_of_the_clock_is_processed_as_of_now(queue: Queue) -> None:
    ahead, past = (instruction("count", case(n)) for n in (1, 2))
    past = past.replace(time=NOW - timedelta(days=1))
    await publish(consumer(queue), (encode(ahead), case(1)), (encode(past), case(2)))
    assert [one.envelope for one in queue.received] == [ahead.replace(time=NOW), past]
    assert queue.received[0].raw == encode(ahead), "the record stays as it was"


async def test_a_record_on_which_the_decoder_fails_becomes_a_dead_letter(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RecursionError

    monkeypatch.setattr(consumer_module, "decode", broken)
    await publish(consumer(queue), (b"{}", case(1)))
    (letter,) = queue.dead_letters
    assert letter.reason.startswith("decoding failed: RecursionError") and letter.value == b"{}"
