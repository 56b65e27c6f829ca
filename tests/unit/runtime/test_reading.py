"""How the consumer reads: what it does when aiokafka fails in the middle."""

from collections.abc import Sequence
from typing import Any, cast

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import ConsumerStoppedError, KafkaConnectionError
from pydantic import SecretStr

from services.runtime.batch.queue import BatchQueue
from services.runtime.kafka.consumer import Consumer
from services.runtime.settings import Settings

UNREADABLE = UnicodeDecodeError("utf-8", b"\xff", 0, 1, "the name of a header")
HERE = TopicPartition("onedoor.cases", 0)


class Client:
    """Gives these answers to readings, one after another; raises those that are exceptions."""

    def __init__(self, *answers: Sequence[str] | Exception) -> None:
        self._answers = list(answers)

    async def getmany(self, **_: object) -> dict[TopicPartition, Sequence[str]]:
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return {HERE: answer} if answer else {}


@pytest.fixture
def consumer() -> Consumer:
    settings = Settings(
        service="toy",
        systems=("toy",),
        database=SecretStr("postgresql+asyncpg://nobody"),
        secret_key=SecretStr("k" * 32),
    )
    consumer = Consumer(settings, ["onedoor.cases"], (), cast(BatchQueue, None))
    consumer._group.joined = True
    return consumer


async def read(consumer: Consumer, client: Client) -> Any:
    return await consumer._read(cast(AIOKafkaConsumer, client))


async def test_after_a_rest_what_came_meanwhile_is_gathered(consumer: Consumer) -> None:
    assert await read(consumer, Client(["a"], ["b"])) == ("a",)
    consumer._rested = True
    assert await read(consumer, Client(["a"], ["b"])) == ("a", "b")
    assert await read(consumer, Client([])) == ()


@pytest.mark.parametrize("fault", [KafkaConnectionError(), ConsumerStoppedError(), TimeoutError(), UNREADABLE])
async def test_what_has_been_read_is_handled_whatever_befalls_the_gathering(
    consumer: Consumer, fault: Exception
) -> None:
    consumer._rested = True
    assert await read(consumer, Client(["a"], fault)) == ("a",)
    assert (consumer.stopped is not None) == (fault is UNREADABLE)


async def test_a_record_that_the_client_cannot_read_stops_the_consumer_rather_than_being_passed_over(
    consumer: Consumer,
) -> None:
    assert await read(consumer, Client(UNREADABLE)) == ()
    assert "cannot read a record" in (consumer.stopped or "") and not consumer.ready


async def test_a_kafka_that_is_away_is_left_to_the_loop(consumer: Consumer) -> None:
    with pytest.raises(KafkaConnectionError):
        await read(consumer, Client(KafkaConnectionError()))
    assert consumer.stopped is None
