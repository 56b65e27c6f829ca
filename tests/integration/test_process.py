"""A whole service process against the real Kafka and PostgreSQL, and the outside world."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from sqlalchemy import text

from contracts.codec import decode, encode
from contracts.messages.cases import CaseStateRequested
from services.runtime.batch.queue import Overloaded
from services.runtime.external_system import InvalidNotification, Notification, UnparseableReply
from services.runtime.jobs.cleaner import Cleaner
from services.runtime.process import ServiceProcess
from services.runtime.settings import Settings
from services.runtime.store import dead_letters, tables
from tests.support.toy import TOPIC, Answer, Office, Tally, case, eventually, said, settings, toy

Start = Callable[..., Any]


@pytest.fixture
async def start(database_url: str, kafka_address: str) -> Start:
    """Starts toy processes that share one database and one set of topics."""
    await asyncio.to_thread(tables.migrate, "toy", toy().migrations, database_url)
    prefix = f"test-{uuid4().hex[:8]}-"

    @asynccontextmanager
    async def running(office: Office | None = None, **changes: Any) -> AsyncIterator[ServiceProcess[Tally]]:
        service = toy(external_system=(lambda host: office) if office else None)
        parts = {"kafka": kafka_address, "topic_prefix": prefix, "poll_interval_s": 0.05} | changes
        async with ServiceProcess(service, settings(database_url, **parts)) as host:

            async def ready() -> bool:
                return not await host.faults()

            await eventually(ready)
            yield host

    return running


async def send(settings: Settings, *records: tuple[bytes | None, bytes]) -> None:
    """Put raw records (key, value) on the toy's topic."""
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka) as producer:
        for key, value in records:
            await producer.send_and_wait(settings.topic_prefix + TOPIC, value, key=key)


def record(reason: str, case_id: str) -> tuple[bytes, bytes]:
    return case_id.encode(), encode(said(reason, case_id))


def holds(host: ServiceProcess[Tally], case_id: str, is_so: Callable[[Tally], bool]) -> Callable[[], Awaitable[bool]]:
    async def condition() -> bool:
        tally = await host.read(case_id)
        return tally is not None and is_so(tally)

    return condition


async def test_records_go_in_and_messages_come_out(start: Start) -> None:
    async with start() as host:
        await send(host.settings, *(record("say 2", case(n)) for n in range(50)))
        heard = AIOKafkaConsumer(
            host.settings.topic_prefix + "onedoor.requests",
            bootstrap_servers=host.settings.kafka,
            auto_offset_reset="earliest",
        )
        async with heard, asyncio.timeout(20):
            events = [await heard.getone() for _ in range(100)]
    assert {event.key.decode() for event in events} == {case(n) for n in range(50)}
    for event in events:
        assert isinstance(decode(event.value, event.key, "onedoor.requests").data, CaseStateRequested)
        assert dict(event.headers)["content-type"] == b"application/cloudevents+json"


async def test_bad_records_are_parked_each_with_its_reason_and_delay_nobody(start: Start) -> None:
    good, key = encode(said("count", case(1))), case(1).encode()
    bad = {
        "no JSON": (key, b"{"),
        "the record is no CloudEvent": (key, b"[1]"),
        "of a type and version known": (key, good.replace(b"withdrawn.v1", b"withdrawn.v9")),
        "key is not the case": (case(2).encode(), good),
        "bytes; at most": (key, good + b" " * 300_000),
        "does not belong": (
            key,
            encode(said("count", case(1))).replace(b"alert.withdrawn.v1", b"case.state-requested.v1"),
        ),
    }
    async with start() as host:
        await send(host.settings, *bad.values(), (key, good))
        await eventually(holds(host, case(1), lambda tally: tally.heard == ("count",)))

        async def all_parked() -> bool:
            return await dead_letters.parked(host.database) == len(bad)

        await eventually(all_parked)
        letters = await dead_letters.letters(host.database)
        for reason, (_, value) in bad.items():
            assert value in [letter.value for letter in letters if reason in letter.reason], reason


async def test_too_many_bad_records_stop_the_consumer_loudly_and_lose_nothing(start: Start) -> None:
    async with start(dead_letters_a_minute=20) as host:
        await send(host.settings, *[(b"?", b"not json %d" % n) for n in range(100)])

        async def stopped() -> bool:
            return any("too many dead letters" in fault for fault in await host.faults())

        await eventually(stopped)
        parked = await dead_letters.parked(host.database)
        assert parked <= 20
    async with start(dead_letters_a_minute=1000) as host:

        async def all_parked() -> bool:
            return await dead_letters.parked(host.database) == 100

        await eventually(all_parked)


async def test_a_stopped_process_leaves_its_work_to_the_next(start: Start) -> None:
    async with start() as first:
        await send(first.settings, record("one", case(1)))
        await eventually(holds(first, case(1), lambda tally: len(tally.heard) == 1))
    await send(first.settings, record("two", case(1)))
    async with start() as second:
        await eventually(holds(second, case(1), lambda tally: tally.heard == ("one", "two")))


async def test_two_replicas_share_the_work(start: Start) -> None:
    async with start(replica="1") as first, start(replica="2") as second:
        await send(first.settings, *(record("say 1", case(n)) for n in range(200)))
        for n in range(200):
            await eventually(holds(second, case(n), lambda tally: tally.heard == ("say 1",)))


async def test_concurrent_commands_are_committed_in_groups(start: Start) -> None:
    async with start() as host:
        before = await _rows_written(host)
        states = await asyncio.gather(
            *(host.command(case(n % 10), said(f"word{n}", case(n % 10)).data) for n in range(200))
        )
        assert await _rows_written(host) - before < 60
        assert all(isinstance(state, Tally) for state in states)
        words = [word for n in range(10) for word in (await host.read(case(n))).heard]
        assert sorted(words) == sorted(f"word{n}" for n in range(200))


async def _rows_written(host: ServiceProcess[Tally]) -> int:
    async with host.database.connect() as connection:
        return int(await connection.scalar(text("SELECT sum(version) FROM cases")) or 0)


async def test_more_than_can_be_handled_is_refused_at_once(start: Start) -> None:
    async with start(batch=5) as host:
        results = await asyncio.gather(
            *(host.command(case(n), said("count", case(n)).data) for n in range(200)), return_exceptions=True
        )
        refused = [result for result in results if isinstance(result, Overloaded)]
        taken = [result for result in results if isinstance(result, Tally)]
        assert len(refused) + len(taken) == 200
        assert len(taken) >= 50 and refused


async def test_an_alarm_rings_when_its_time_has_come(start: Start) -> None:
    async with start() as host:
        soon = host.clock.now() + timedelta(seconds=0.5)
        await host.command(case(1), said(f"wake {soon.isoformat()}", case(1)).data)
        assert (await host.read(case(1))).woken == 0
        await eventually(holds(host, case(1), lambda tally: tally.woken == 1))
        assert host.clock.now() >= soon


async def test_a_question_is_put_outside_and_its_answer_comes_back(start: Start) -> None:
    office = Office()
    async with start(office) as host:
        await host.command(case(1), said("ask now", case(1)).data)
        await eventually(holds(host, case(1), lambda tally: tally.answers == ("done",)))
    assert office.asked == {case(1): 1}


async def test_no_more_questions_are_out_than_allowed(start: Start) -> None:
    office = Office()
    office.gate.clear()
    async with start(office, calls=20) as host:
        await asyncio.gather(*(host.command(case(n), said("ask now", case(n)).data) for n in range(60)))

        async def full() -> bool:
            return office.at_once == 20

        await eventually(full)
        office.gate.set()
        for n in range(60):
            await eventually(holds(host, case(n), lambda tally: tally.answers == ("done",)))
    assert office.most_at_once == 20
    assert set(office.asked.values()) == {1}


async def test_an_outage_outside_opens_the_breaker_and_loses_nothing(start: Start) -> None:
    office = Office()
    office.fault = ConnectionError("away")
    async with start(office) as host:
        await asyncio.gather(*(host.command(case(n), said("ask now", case(n)).data) for n in range(20)))

        async def open_breaker() -> bool:
            return host.external_calls is not None and host.external_calls.breaker.open

        await eventually(open_breaker)
        office.fault = None
        for n in range(20):
            await eventually(holds(host, case(n), lambda tally: tally.answers[-1:] == ("done",)))
    assert office.done == {case(n) for n in range(20)}


async def test_a_question_whose_asker_died_is_put_again_when_the_lease_ends(start: Start) -> None:
    dead, alive = Office(), Office()
    dead.gate.clear()
    async with start(dead, call_timeout_s=0.5) as host:
        await host.command(case(1), said("ask now", case(1)).data)

        async def asked() -> bool:
            return dead.asked[case(1)] == 1

        await eventually(asked)
        host.external_calls.cancel()
    async with start(alive, call_timeout_s=0.5) as host:
        await eventually(holds(host, case(1), lambda tally: tally.answers[-1:] == ("done",)))


async def test_nonsense_from_outside_is_parked_and_the_question_stays_open(start: Start) -> None:
    office = Office()
    office.fault = UnparseableReply("neither yes nor no", b"<maybe/>")
    async with start(office) as host:
        await host.command(case(1), said("ask now", case(1)).data)

        async def parked() -> bool:
            return await dead_letters.parked(host.database) == 1

        await eventually(parked)
        office.fault = None
        await eventually(holds(host, case(1), lambda tally: tally.answers[-1:] == ("done",)))
        (letter,) = await dead_letters.letters(host.database)
        assert (letter.reason, letter.value, letter.case_id) == ("neither yes nor no", b"<maybe/>", case(1))


async def test_an_answer_that_cannot_be_true_is_parked_and_the_question_stays_open(start: Start) -> None:
    office = Office()
    office.says = "impossible"
    async with start(office) as host:
        await host.command(case(1), said("ask now", case(1)).data)

        async def parked() -> bool:
            return await dead_letters.parked(host.database) == 1

        await eventually(parked)
        office.says = "done"
        await eventually(holds(host, case(1), lambda tally: tally.answers[-1:] == ("done",)))


async def test_what_is_said_outside_is_heard_once_and_acknowledged(start: Start) -> None:
    office = Office()
    office.news = {
        1: Notification(case(1), Answer(says="news"), 1),
        2: InvalidNotification(UnparseableReply("garbled", b"\xff"), 2),
        3: Notification(case(3), said("impossible", case(3)).data, 3),
    }
    async with start(office) as host:
        await eventually(holds(host, case(1), lambda tally: tally.answers == ("news",)))

        async def all_acknowledged() -> bool:
            return not office.news

        await eventually(all_acknowledged)
        assert {letter.reason for letter in await dead_letters.letters(host.database)} == {
            "garbled",
            "the toy will not have it",
        }


async def test_closed_cases_are_forgotten_after_their_time_and_open_ones_never(start: Start) -> None:
    async with start() as host:
        await host.command(case(1), said("close", case(1)).data, time=host.clock.now() - timedelta(days=91))
        await host.command(case(2), said("close", case(2)).data, time=host.clock.now() - timedelta(days=89))
        await host.command(case(3), said("count", case(3)).data, time=host.clock.now() - timedelta(days=91))
        await Cleaner(host.database, host.clock, host.settings).run_once(100)
        assert [await host.read(case(n)) is None for n in (1, 2, 3)] == [True, False, False]


async def test_old_messages_are_forgotten_when_published_and_never_before(start: Start) -> None:
    async with start() as host:
        await host.command(case(1), said("say 2", case(1)).data)
        await host.command(case(2), said("say 1", case(2)).data)
        await host.processor.drain()
        async with host.database.begin() as connection:
            old = "created_at = created_at - interval '31 days'"
            await connection.execute(text(f"UPDATE outbox SET {old}"))
            (waiting,) = (
                await connection.execute(text("SELECT * FROM outbox WHERE case_id = :id"), {"id": case(2)})
            ).all()
            # This one is still to be published, and is young enough not to be relayed while we look.
            mark = text("INSERT INTO unpublished VALUES (gen_random_uuid(), :created_at, ARRAY[:id], :messages)")
            await connection.execute(
                mark, {"created_at": waiting.created_at, "id": case(2), "messages": [waiting.message_id]}
            )
        await Cleaner(host.database, host.clock, host.settings).run_once(100)
        async with host.database.connect() as connection:
            kept = (await connection.execute(text("SELECT case_id FROM outbox"))).scalars().all()
        assert kept == [case(2)]
