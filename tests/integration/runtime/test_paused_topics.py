"""A topic with too many dead letters, or with a record that cannot be read, is paused alone: on the real Kafka."""

from aiokafka import AIOKafkaProducer

from contracts.messages.alerts import AlertWithdrawn
from contracts.messages.tasks import TaskDone
from services.runtime.process import ServiceProcess
from services.runtime.store import dead_letters
from tests.support.runtime.processes import Start, raw, send, until, until_parked
from tests.support.runtime.toy import TOPIC, Tally, case
from tests.support.runtime.unreadable_records import publish_unreadable
from tests.support.waiting import eventually

TOPICS = ("onedoor.answers.toy", TOPIC)
"""The topics of a toy that also consumes the answers of a department."""

TWO_TOPICS = {"consumes": (AlertWithdrawn, TaskDone)}


async def until_paused(host: ServiceProcess[Tally], topic: str) -> None:
    async def paused() -> bool:
        return topic in host.consumer.paused

    await eventually(paused)


async def test_too_many_bad_records_pause_their_topic_and_lose_nothing(start: Start) -> None:
    async with start(service=TWO_TOPICS, dead_letters_a_minute=20, batch=10) as host:
        answers, own = (host.settings.topic_prefix + topic for topic in TOPICS)
        async with AIOKafkaProducer(bootstrap_servers=host.settings.kafka) as producer:
            for n in range(100):
                await producer.send_and_wait(answers, b"not json %d" % n, key=b"?")
            await until_paused(host, TOPICS[0])
            assert await dead_letters.parked(host.database) <= 30, "the limit, and a batch"
            (reason,) = host.impairments()
            for part in (TOPICS[0], "too many dead letters", "/resume"):
                assert part in reason.en
            assert TOPICS[0] in reason.zh and "死信过多" in reason.zh
            assert not await host.faults(), "the process does the rest of its work"
            key, value = raw("one", case(1))
            await producer.send_and_wait(own, value, key=key)
            await until(host, lambda tally: tally.instructions == ("one",))
        assert await dead_letters.parked(host.database) <= 30
    async with start(service=TWO_TOPICS, dead_letters_a_minute=1000, dead_letter_share=1) as host:
        await until_parked(host, 100)


async def test_a_core_that_fails_pauses_its_topic_instead_of_blocking_case_after_case(start: Start) -> None:
    async with start(dead_letters_a_minute=20, batch=10) as host:
        await send(host.settings, *(raw("fail", case(n)) for n in range(100)))
        await until_paused(host, TOPIC)
        parked = await dead_letters.parked(host.database)
        assert 20 < parked <= 30
        assert await host.consumer.resume(TOPIC)
        await until_paused(host, TOPIC)
        assert parked < await dead_letters.parked(host.database) <= 60, "after it is resumed, it counts anew"


async def test_a_record_that_cannot_be_read_pauses_its_topic_alone_and_is_passed_over_by_an_operator(
    start: Start,
) -> None:
    async with start(service=TWO_TOPICS, partitions=1) as host:
        answers, own = (host.settings.topic_prefix + topic for topic in TOPICS)
        async with AIOKafkaProducer(bootstrap_servers=host.settings.kafka) as producer:

            async def send_own(reason: str) -> None:
                key, value = raw(reason, case(1))
                await producer.send_and_wait(own, value, key=key)

            await send_own("before")
            await producer.send_and_wait(answers, b"parked before", key=b"?")
            await publish_unreadable(host.settings.kafka, answers, 0, b"?", b"unreadable")
            await producer.send_and_wait(answers, b"parked after", key=b"?")
            await until_paused(host, TOPICS[0])
            await send_own("after")
            await until(host, lambda tally: tally.instructions == ("before", "after"))
        assert "offset 1 cannot be read: UnicodeDecodeError" in host.consumer.paused[TOPICS[0]].reason.en
        assert [one.value for one in await dead_letters.letters(host.database)] == [b"parked before"]
    async with start(service=TWO_TOPICS, partitions=1) as host:
        await until_paused(host, TOPICS[0])  # a restart passes over nothing
        assert await host.consumer.resume(TOPICS[0])
        await until_parked(host, 3)
        letters = await dead_letters.letters(host.database)
        assert [one.value for one in letters] == [b"parked before", None, b"parked after"]
        assert letters[1].origin == "partition 0, offset 1" and not host.consumer.paused
        assert not host.impairments()
    async with start(service=TWO_TOPICS, partitions=1) as host:
        await send(host.settings, raw("restarted", case(2)))
        await until(host, lambda tally: tally.instructions == ("restarted",), [2])
        assert not host.consumer.paused, "the record stays passed over"
