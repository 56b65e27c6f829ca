"""One transaction a batch, against the real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from contracts.codec import decode
from contracts.core import InvalidMessage
from contracts.envelope import Envelope, Message
from services.runtime.batch.message import InboundMessage
from services.runtime.batch.processor import BatchProcessor
from services.runtime.batch.queue import BatchQueue
from services.runtime.batch.timer_schedule import SUPPRESS_S, RetrySuppression
from services.runtime.clock import SystemClock, machine_now
from services.runtime.jobs.outbox_relay import OutboxRelay
from services.runtime.service import Statement
from services.runtime.store import dead_letters, tables
from services.runtime.store.cases import MAX_PROCESSED_IDS
from services.runtime.store.database import DedicatedConnection, is_unavailable, transaction
from services.runtime.store.dead_letters import make_dead_letter
from services.runtime.store.outbox import OutboxMessage
from tests.support.toy import Tally, case, from_kafka, instruction, toy
from tests.support.waiting import eventually


class Kafka:
    """A fake publisher: collects messages, or is unavailable."""

    def __init__(self) -> None:
        self.published: list[OutboxMessage] = []
        self.unavailable = False

    async def publish(self, messages: Sequence[OutboxMessage]) -> Sequence[OutboxMessage]:
        if self.unavailable:
            return ()
        self.published += messages
        return messages


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[AsyncEngine]:
    await asyncio.to_thread(tables.migrate, "toy", toy().migrations, database_url)
    engine = create_async_engine(database_url)
    yield engine
    await engine.dispose()


@pytest.fixture
def kafka() -> Kafka:
    return Kafka()


Process = Callable[..., BatchProcessor[Tally]]
"""Makes the batch processor of one more process, drained at the end: with a changed toy, or with these topics only."""


@pytest.fixture
async def process(database: AsyncEngine, kafka: Kafka) -> AsyncIterator[Process]:
    made: list[BatchProcessor[Tally]] = []

    def process(topics: frozenset[str] | None = None, **changes: Any) -> BatchProcessor[Tally]:
        made.append(BatchProcessor(toy(**changes), database, SystemClock(), kafka.publish, topics))
        return made[-1]

    yield process
    for batches in made:
        await batches.drain()


@pytest.fixture
def batches(process: Process) -> BatchProcessor[Tally]:
    return process()


async def rows(database: AsyncEngine, sql: str) -> list[Any]:
    async with database.connect() as connection:
        return list(await connection.execute(text(sql)))


async def tally(database: AsyncEngine, case_id: str) -> Tally:
    ((state,),) = await rows(database, f"SELECT state FROM cases WHERE case_id = '{case_id}'")
    return Tally.model_validate_json(state)


async def test_statements_do_not_grow_with_the_batch(batches: BatchProcessor[Tally], kafka: Kafka) -> None:
    statements: list[str] = []
    async with batches.connection.acquire() as driver:
        driver.add_query_logger(lambda query: statements.append(query.query))

    async def count(messages: int, first: int) -> int:
        await batches.publications.wait()  # so that this batch marks the one before as published
        statements.clear()
        batch = [from_kafka(instruction("publish 2", case(first + n))) for n in range(messages)]
        await batches.run([*batch, from_kafka(instruction("impossible", case(first)))])
        await asyncio.sleep(0)  # asyncpg reports a statement in the next iteration of the event loop
        return len(statements)

    await count(1, first=0)
    parked = 3  # begin, park, commit
    assert await count(1, first=1000) == await count(500, first=2000) == 2 + parked
    statements.clear()
    await batches.run([from_kafka(instruction("count", case(2000 + n))) for n in range(500)])
    await asyncio.sleep(0)
    assert len(statements) == 1, "cached cases are not loaded, and a single statement needs no transaction"
    await batches.drain()
    assert len(kafka.published) == 2 * (1 + 1 + 500)


async def test_a_message_that_arrives_twice_counts_once(
    batches: BatchProcessor[Tally], database: AsyncEngine, kafka: Kafka
) -> None:
    message = from_kafka(instruction("publish 1", case(1)))
    await batches.run([message, message])
    await batches.run([message])
    await batches.drain()
    assert (await tally(database, case(1))).instructions == ("publish 1",)
    assert len(kafka.published) == 1


async def test_a_batch_run_again_after_a_crash_publishes_the_same_ids(
    batches: BatchProcessor[Tally], database: AsyncEngine, kafka: Kafka
) -> None:
    message = from_kafka(instruction("publish 3", case(1)))
    await batches.run([message])
    await batches.drain()
    first = {one.message_id for one in kafka.published}
    async with database.begin() as connection:
        await connection.execute(text("DELETE FROM cases"))
    await batches.run([message])
    await batches.drain()
    assert {one.message_id for one in kafka.published} == first and len(first) == 3


async def test_one_bad_message_does_not_fail_its_batch(batches: BatchProcessor[Tally], database: AsyncEngine) -> None:
    batch = [
        from_kafka(instruction(reason, case(n))) for n, reason in enumerate(["count", "impossible", "fail", "count"])
    ]
    await batches.run(batch)
    assert (await tally(database, case(0))).instructions == (await tally(database, case(3))).instructions == ("count",)
    parked = await dead_letters.letters(database)
    assert [(letter.case_id, letter.blocking) for letter in parked] == [(case(1), False), (case(2), True)]
    assert "impossible for the toy" in parked[0].reason
    assert "RuntimeError" in parked[1].reason


async def test_a_blocked_case_parks_its_later_messages_and_replays_them_in_order(
    batches: BatchProcessor[Tally], database: AsyncEngine, kafka: Kafka
) -> None:
    await batches.run([from_kafka(instruction("fail", case(1))), from_kafka(instruction("one", case(1)))])
    await batches.run([from_kafka(instruction("two", case(1))), from_kafka(instruction("other", case(2)))])
    assert (await tally(database, case(2))).instructions == ("other",)
    assert not await rows(database, f"SELECT 1 FROM cases WHERE case_id = '{case(1)}'")

    parked = await dead_letters.letters(database, case_id=case(1))
    assert [letter.reason.split()[0] for letter in parked] == ["the", "waits", "waits"]
    assert await dead_letters.drop(database, [parked[0].number]) == 1
    assert await dead_letters.replay(database, [letter.number for letter in parked]) == 2
    await OutboxRelay(database, kafka.publish, timedelta()).run_once()
    assert [b'"one"' in one.event for one in kafka.published] == [True, False]
    for one in kafka.published:
        envelope = decode(one.event, one.case_id.encode(), one.topic)
        await batches.run([from_kafka(envelope)])
    assert (await tally(database, case(1))).instructions == ("one", "two")
    assert await dead_letters.parked(database) == 0


async def test_a_letter_that_fails_again_is_parked_again(batches: BatchProcessor[Tally], database: AsyncEngine) -> None:
    message = from_kafka(instruction("impossible", case(1)))
    await batches.run([message])
    (letter,) = await dead_letters.letters(database)
    await dead_letters.replay(database, [letter.number])
    assert await dead_letters.parked(database) == 0
    await batches.run([message])
    assert await dead_letters.parked(database) == 1


async def test_messages_that_kafka_did_not_acknowledge_are_relayed_by_any_replica(
    batches: BatchProcessor[Tally], database: AsyncEngine, kafka: Kafka
) -> None:
    kafka.unavailable = True
    await batches.run([from_kafka(instruction("publish 5", case(1)))])
    await batches.drain()
    relay = OutboxRelay(database, kafka.publish, timedelta())
    await relay.run_once()
    assert await rows(database, "SELECT cardinality(message_ids) FROM unpublished") == [(5,)]
    assert not relay.busy
    kafka.unavailable = False
    other = OutboxRelay(database, kafka.publish, timedelta())
    await asyncio.gather(relay.run_once(), other.run_once())
    assert relay.busy != other.busy, "one of them has published it"
    assert len(kafka.published) == 5
    assert not await rows(database, "SELECT 1 FROM unpublished")
    assert len({one.message_id for one in kafka.published}) == 5


async def test_when_kafkas_log_is_lost_the_same_messages_are_published_again(
    batches: BatchProcessor[Tally], database: AsyncEngine, kafka: Kafka
) -> None:
    for n in range(3):
        await batches.run([from_kafka(instruction("publish 2", case(n)))])
    await batches.drain()
    first, kafka.published = kafka.published, []
    relay = OutboxRelay(database, kafka.publish, timedelta())
    await relay.republish()
    await relay.run_once()
    assert sorted(kafka.published, key=repr) == sorted(first, key=repr)
    assert not await rows(database, "SELECT 1 FROM unpublished")


async def test_when_all_replicas_notice_the_lost_log_messages_are_published_again_once(
    batches: BatchProcessor[Tally], database: AsyncEngine, kafka: Kafka
) -> None:
    for n in range(3):
        await batches.run([from_kafka(instruction("publish 400", case(n)))])
    await batches.drain()
    kafka.published = []
    replicas = [OutboxRelay(database, kafka.publish, timedelta()) for _ in range(3)]
    await asyncio.gather(*(replica.republish() for replica in replicas))
    while await replicas[0].run_once():
        pass
    assert len(kafka.published) == len({one.message_id for one in kafka.published}) == 1200


async def test_a_message_that_cannot_be_stored_is_parked_and_the_others_are_processed(
    process: Process, database: AsyncEngine
) -> None:
    def project(messages: Sequence[Envelope[Message]]) -> list[Statement]:
        fails = case(2) in [envelope.subject for envelope in messages]
        return [("SELECT CAST($1::text AS int)", ("no number",))] if fails else []

    batches = process(projection=project)
    queue = BatchQueue(batches, 100)
    running = asyncio.create_task(queue.run())
    await queue.submit_records([from_kafka(instruction("publish 1", case(n))) for n in (1, 2, 3)], [])
    running.cancel()
    assert [(await tally(database, case(n))).instructions for n in (1, 3)] == [("publish 1",), ("publish 1",)]
    (letter,) = await dead_letters.letters(database)
    assert (letter.case_id, letter.blocking) == (case(2), True)
    assert "cannot be stored" in letter.reason


async def test_a_message_whose_topic_does_not_exist_is_impossible(process: Process, database: AsyncEngine) -> None:
    batches = process(frozenset({"onedoor.alerts"}))
    await batches.run([from_kafka(instruction("publish 1", case(1))), from_kafka(instruction("count", case(2)))])
    (letter,) = await dead_letters.letters(database)
    assert (letter.case_id, letter.reason) == (case(1), "onedoor.requests is no topic of this installation")
    assert (await tally(database, case(2))).instructions == ("count",)


async def test_a_transaction_that_hangs_is_aborted_with_its_connection(database: AsyncEngine) -> None:
    with pytest.raises(DBAPIError):
        async with transaction(database, limit_s=0.2) as connection:
            await connection.execute(text("SELECT pg_sleep(30)"))
    async with transaction(database) as connection:
        assert await connection.scalar(text("SELECT 1")) == 1


async def test_a_connection_that_hangs_or_is_left_in_a_transaction_is_replaced(database: AsyncEngine) -> None:
    connection = DedicatedConnection(database)
    with pytest.raises(asyncpg.PostgresError) as cut:
        async with connection.acquire(limit_s=0.2) as driver:
            await driver.execute("SELECT pg_sleep(30)")
    assert is_unavailable(cut.value)
    async with connection.acquire() as driver:
        await driver.execute("BEGIN")
    async with connection.acquire() as another:
        assert another is not driver and not another.is_in_transaction()
        with pytest.raises(asyncpg.PostgresError) as refused:
            await another.execute("SELECT CAST('no number' AS int)")
    assert not is_unavailable(refused.value)
    async with connection.acquire() as same:
        assert same is another, "a refused statement leaves the connection intact"
        with pytest.raises(asyncpg.DataError) as unsendable:
            await same.execute("SELECT $1::int", "no number")
    assert not is_unavailable(unsendable.value)
    assert is_unavailable(asyncpg.InternalClientError("cannot switch to state 12; another operation is in progress"))
    await connection.close()


async def test_the_next_batch_marks_messages_as_published(
    batches: BatchProcessor[Tally], database: AsyncEngine
) -> None:
    await batches.run([from_kafka(instruction("publish 4", case(1)))])
    await batches.publications.wait()
    assert await rows(database, "SELECT cardinality(message_ids) FROM unpublished") == [(4,)]
    await batches.run([from_kafka(instruction("count", case(2)))])
    assert not await rows(database, "SELECT 1 FROM unpublished")
    assert len(await rows(database, "SELECT 1 FROM outbox")) == 4


async def test_processes_with_the_same_new_case_lose_no_message(process: Process, database: AsyncEngine) -> None:
    processes = [process() for _ in range(4)]
    instructions = [f"n{n}" for n in range(20)]
    await asyncio.gather(
        *(processes[n % 4].run([from_kafka(instruction(one, case(1)))]) for n, one in enumerate(instructions))
    )
    assert sorted((await tally(database, case(1))).instructions) == sorted(instructions)


async def test_batches_with_the_same_cases_in_other_orders_do_not_deadlock(
    process: Process, database: AsyncEngine
) -> None:
    processes = [process() for _ in range(4)]
    there = [case(n) for n in range(50)]
    await asyncio.gather(
        *(
            one_of_them.run([from_kafka(instruction(f"{n}", one)) for one in (there if n % 2 else reversed(there))])
            for n in range(5)
            for one_of_them in processes
        )
    )
    assert {len((await tally(database, one)).instructions) for one in there} == {20}


async def test_duplicates_are_recognised_as_far_back_as_documented(
    batches: BatchProcessor[Tally], database: AsyncEngine
) -> None:
    first = from_kafka(instruction("first", case(1)))
    await batches.run([first])
    await batches.run([from_kafka(instruction("more", case(1))) for _ in range(MAX_PROCESSED_IDS - 1)])
    await batches.run([first])
    assert (await tally(database, case(1))).instructions.count("first") == 1


async def test_an_undecodable_record_is_parked_with_the_batch(
    batches: BatchProcessor[Tally], database: AsyncEngine
) -> None:
    letter = make_dead_letter("the record is no JSON", "onedoor.alerts", "partition 1, offset 7", b"k", b"\x00\xff{")
    await batches.run([from_kafka(instruction("count", case(1)))], [letter])
    (parked,) = await dead_letters.letters(database)
    assert (parked.value, parked.origin, parked.key) == (b"\x00\xff{", "partition 1, offset 7", b"k")
    assert await dead_letters.replay(database, [parked.number]) == 0, "its case is unknown"


async def test_each_due_timer_fires_once_in_one_of_the_processes(process: Process, database: AsyncEngine) -> None:
    processes = [process() for _ in range(3)]
    await processes[0].run([from_kafka(instruction("timer 2026-03-02T09:00:00+08:00", case(n))) for n in range(100)])
    fired = await asyncio.gather(*(one.fire_timers(20) for one in processes for _ in range(4)))
    assert sum(fired) == 100
    assert {(await tally(database, case(n))).fired for n in range(100)} == {1}
    assert await processes[0].fire_timers(20) == 0


async def test_a_timer_that_fails_does_not_hold_up_others(
    batches: BatchProcessor[Tally], database: AsyncEngine
) -> None:
    past = "timer 2026-03-02T09:00:00+08:00"
    await batches.run([from_kafka(instruction(past, case(1))), from_kafka(instruction(past, case(2)))])
    await batches.run([from_kafka(instruction("fail", case(1)))])
    assert await batches.fire_timers(10) == 2
    assert (await tally(database, case(2))).fired == 1
    assert (await tally(database, case(1))).fired == 0
    assert await batches.fire_timers(10) == 0, "it is retried later"


async def test_a_blocked_case_stays_blocked_when_its_call_is_made(
    batches: BatchProcessor[Tally], database: AsyncEngine
) -> None:
    await batches.run([from_kafka(instruction("call tax", case(1)))])
    await batches.run([from_kafka(instruction("fail", case(1)))])
    (call,) = await batches.claim_calls(machine_now() + timedelta(minutes=1), 10)
    assert call.case_id == case(1)
    await batches.run([from_kafka(instruction("count", case(1)))])
    assert (await tally(database, case(1))).instructions == ("call tax",)
    assert [letter.blocking for letter in await dead_letters.letters(database)] == [True, True]


async def test_while_messages_are_held_up_timers_fire_and_retries_do_not(
    batches: BatchProcessor[Tally], database: AsyncEngine
) -> None:
    await batches.run([from_kafka(instruction("count", case(1)))])
    await batches.run([from_kafka(instruction("timer 2026-03-02T09:00:00+08:00", case(2)))])
    async with database.begin() as connection:
        await connection.execute(text(f"UPDATE cases SET retry_at = now() WHERE case_id = '{case(1)}'"))
    now = [1_000_000.0]
    batches.retry_suppression = RetrySuppression(now=lambda: now[0])
    batches.retry_suppression.extend()
    assert await batches.load_next_timers(), "a deadline has come"
    assert await batches.fire_timers(10) == 1
    assert [(await tally(database, case(n))).fired for n in (1, 2)] == [0, 1]
    assert not await batches.load_next_timers()
    now[0] += SUPPRESS_S
    assert await batches.load_next_timers()
    assert await batches.fire_timers(10) == 1
    assert (await tally(database, case(1))).fired == 1


async def test_commands_receive_their_results(batches: BatchProcessor[Tally]) -> None:
    loop = asyncio.get_running_loop()
    good = InboundMessage(instruction("count", case(1)), reply=loop.create_future())
    bad = InboundMessage(instruction("impossible", case(2)), reply=loop.create_future())
    await batches.run([good, bad])
    assert good.reply is not None and bad.reply is not None
    assert isinstance(await good.reply, Tally)
    with pytest.raises(InvalidMessage):
        await bad.reply


async def unpublished(database: AsyncEngine) -> int:
    ((waiting,),) = await rows(database, "SELECT count(*) FROM unpublished")
    return int(waiting)


async def waits_for_a_lock(database: AsyncEngine) -> bool:
    return bool(await rows(database, "SELECT pid FROM pg_locks WHERE NOT granted"))


async def publish_one(batches: BatchProcessor[Tally]) -> None:
    """Publish a message that is not marked as published yet."""
    await batches.run([from_kafka(instruction("publish 1", case(1)))])
    await batches.publications.wait()


async def test_published_messages_are_marked_although_marking_was_cancelled(
    batches: BatchProcessor[Tally], database: AsyncEngine
) -> None:
    await publish_one(batches)
    async with database.begin() as other:
        await other.execute(text("LOCK TABLE unpublished IN ACCESS EXCLUSIVE MODE"))
        marking = asyncio.create_task(batches.flush())
        await eventually(partial(waits_for_a_lock, database))
        marking.cancel()
        await asyncio.wait([marking])
    await batches.drain()
    assert await unpublished(database) == 0


async def test_published_messages_are_marked_although_the_next_batch_failed(
    batches: BatchProcessor[Tally], database: AsyncEngine
) -> None:
    await publish_one(batches)
    async with database.begin() as other:
        await other.execute(text("ALTER TABLE outbox RENAME TO elsewhere"))
    with pytest.raises(asyncpg.UndefinedTableError):
        await batches.run([from_kafka(instruction("publish 1", case(2)))])
    async with database.begin() as other:
        await other.execute(text("ALTER TABLE elsewhere RENAME TO outbox"))
    await batches.drain()
    assert await unpublished(database) == 0


async def test_at_the_stop_the_present_batch_is_committed_and_published_and_no_other_begins(
    batches: BatchProcessor[Tally], database: AsyncEngine, kafka: Kafka
) -> None:
    async with database.begin() as other:
        await other.execute(text("LOCK TABLE cases IN ACCESS EXCLUSIVE MODE"))
        running = asyncio.create_task(batches.run([from_kafka(instruction("publish 1", case(1)))]))
        await eventually(partial(waits_for_a_lock, database))
        finished = asyncio.create_task(batches.finish_batch(60))
    await finished
    late = asyncio.create_task(batches.run([from_kafka(instruction("publish 1", case(2)))]))
    assert running.done()
    await batches.drain()
    assert (len(kafka.published), await unpublished(database), late.done()) == (1, 0, False)
    late.cancel()


async def test_the_stop_does_not_wait_for_a_batch_that_takes_too_long(
    batches: BatchProcessor[Tally], database: AsyncEngine
) -> None:
    async with database.begin() as other:
        await other.execute(text("LOCK TABLE cases IN ACCESS EXCLUSIVE MODE"))
        running = asyncio.create_task(batches.run([from_kafka(instruction("publish 1", case(1)))]))
        await eventually(partial(waits_for_a_lock, database))
        await batches.finish_batch(0.01)
        assert not running.done()
    await running
