"""One transaction a batch: each message counts once, whatever else is in the batch."""

import asyncio
from datetime import timedelta
from functools import partial

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.core import InvalidMessage
from contracts.values import Value
from services.runtime.batch.message import InboundMessage
from services.runtime.batch.processor import BatchProcessor
from services.runtime.clock import machine_now
from services.runtime.store import cases, dead_letters
from services.runtime.store.cases import MAX_PROCESSED_IDS, CaseRow, VersionConflict
from tests.support.runtime.fakes import MemoryPublisher
from tests.support.runtime.processes import MakeProcessor, break_state, record, tally, unpublished, waits_for_a_lock
from tests.support.runtime.toy import Tally, case, instruction
from tests.support.waiting import eventually


async def test_statements_do_not_grow_with_the_batch(batches: BatchProcessor[Tally], kafka: MemoryPublisher) -> None:
    statements: list[str] = []
    async with batches.connection.acquire() as driver:
        driver.add_query_logger(lambda query: statements.append(query.query))

    async def count(messages: int, first: int) -> int:
        await batches.publications.wait()  # so that this batch marks the one before as published
        statements.clear()
        batch = [record("publish 2", first + n) for n in range(messages)]
        await batches.run([*batch, record("impossible", first)])
        await asyncio.sleep(0)  # asyncpg reports a statement in the next iteration of the event loop
        return len(statements)

    await count(1, first=0)
    parked = 3  # begin, park, commit
    assert await count(1, first=1000) == await count(500, first=2000) == 2 + parked
    statements.clear()
    await batches.run([record("count", 2000 + n) for n in range(500)])
    await asyncio.sleep(0)
    assert len(statements) == 1, "cached cases are not loaded, and a single statement needs no transaction"
    await batches.drain()
    assert len(kafka.published) == 2 * (1 + 1 + 500)


async def test_a_message_that_arrives_twice_counts_once(
    batches: BatchProcessor[Tally], database: AsyncEngine, kafka: MemoryPublisher
) -> None:
    message = record("publish 1")
    await batches.run([message, message])
    await batches.run([message])
    await batches.drain()
    assert (await tally(database, 1)).instructions == ("publish 1",)
    assert len(kafka.published) == 1


async def test_a_batch_run_again_after_a_crash_publishes_the_same_ids(
    batches: BatchProcessor[Tally], database: AsyncEngine, kafka: MemoryPublisher
) -> None:
    message = record("publish 3")
    await batches.run([message])
    await batches.drain()
    first = {one.message_id for one in kafka.published}
    async with database.begin() as connection:
        await connection.execute(text("DELETE FROM cases"))
    await batches.run([message])
    await batches.drain()
    assert {one.message_id for one in kafka.published} == first and len(first) == 3


async def test_one_bad_message_does_not_fail_its_batch(batches: BatchProcessor[Tally], database: AsyncEngine) -> None:
    batch = [record(reason, n) for n, reason in enumerate(["count", "impossible", "fail", "count"])]
    await batches.run(batch)
    assert (await tally(database, 0)).instructions == (await tally(database, 3)).instructions == ("count",)
    parked = await dead_letters.letters(database)
    assert [(letter.case_id, letter.blocking) for letter in parked] == [(case(1), False), (case(2), True)]
    assert "impossible for the toy" in parked[0].reason
    assert "RuntimeError" in parked[1].reason


async def test_a_case_that_cannot_be_read_is_blocked_and_fails_no_batch(
    process: MakeProcessor, batches: BatchProcessor[Tally], database: AsyncEngine
) -> None:
    await batches.run([record("count", n) for n in range(3)])
    await break_state(database, 1)
    await process().run([record("again", n) for n in range(3)])
    assert [(await tally(database, n)).instructions for n in (0, 2)] == [("count", "again")] * 2
    (letter,) = await dead_letters.letters(database)
    assert (letter.case_id, letter.blocking) == (case(1), True)
    assert letter.reason.startswith("its state cannot be read: ValidationError")
    reply: asyncio.Future[Value] = asyncio.get_running_loop().create_future()
    await process().run([InboundMessage(instruction("count", case(1)), reply=reply), record("third", 2)])
    assert isinstance(reply.exception(), ValueError)
    assert (await tally(database, 2)).instructions[-1] == "third"


async def test_calls_of_other_cases_are_made_if_one_cannot_be_read(
    process: MakeProcessor, batches: BatchProcessor[Tally], database: AsyncEngine
) -> None:
    await batches.run([record("call it", n) for n in range(3)])
    await break_state(database, 1)
    calls = await process().claim_calls(machine_now() + timedelta(minutes=1), 10)
    assert sorted(call.case_id for call in calls) == [case(0), case(2)]


async def test_processes_with_the_same_new_case_lose_no_message(process: MakeProcessor, database: AsyncEngine) -> None:
    processes = [process() for _ in range(4)]
    instructions = [f"n{n}" for n in range(20)]
    await asyncio.gather(*(processes[n % 4].run([record(one)]) for n, one in enumerate(instructions)))
    assert sorted((await tally(database, 1)).instructions) == sorted(instructions)


async def test_batches_with_the_same_cases_in_other_orders_do_not_deadlock(
    process: MakeProcessor, database: AsyncEngine
) -> None:
    processes = [process() for _ in range(4)]
    await asyncio.gather(
        *(
            one.run([record(f"{n}", number) for number in (range(50) if n % 2 else reversed(range(50)))])
            for n in range(5)
            for one in processes
        )
    )
    assert {len((await tally(database, number)).instructions) for number in range(50)} == {20}


async def test_duplicates_are_recognised_as_far_back_as_documented(
    batches: BatchProcessor[Tally], database: AsyncEngine
) -> None:
    first = record("first")
    await batches.run([first])
    await batches.run([record("more") for _ in range(MAX_PROCESSED_IDS - 1)])
    await batches.run([first])
    assert (await tally(database, 1)).instructions.count("first") == 1


async def test_commands_receive_their_results(batches: BatchProcessor[Tally]) -> None:
    loop = asyncio.get_running_loop()
    good = InboundMessage(instruction("count", case(1)), reply=loop.create_future())
    bad = InboundMessage(instruction("impossible", case(2)), reply=loop.create_future())
    await batches.run([good, bad])
    assert good.reply is not None and bad.reply is not None
    assert isinstance(await good.reply, Tally)
    with pytest.raises(InvalidMessage):
        await bad.reply


async def test_at_the_stop_the_present_batch_is_committed_and_published_and_no_other_begins(
    batches: BatchProcessor[Tally], database: AsyncEngine, kafka: MemoryPublisher
) -> None:
    async with database.begin() as other:
        await other.execute(text("LOCK TABLE cases IN ACCESS EXCLUSIVE MODE"))
        running = asyncio.create_task(batches.run([record("publish 1")]))
        await eventually(partial(waits_for_a_lock, database))
        finished = asyncio.create_task(batches.finish_batch(60))
    await finished
    late = asyncio.create_task(batches.run([record("publish 1", 2)]))
    assert running.done()
    await batches.drain()
    assert (len(kafka.published), await unpublished(database), late.done()) == (1, 0, False)
    late.cancel()


async def test_the_stop_does_not_wait_for_a_batch_that_takes_too_long(
    batches: BatchProcessor[Tally], database: AsyncEngine
) -> None:
    async with database.begin() as other:
        await other.execute(text("LOCK TABLE cases IN ACCESS EXCLUSIVE MODE"))
        running = asyncio.create_task(batches.run([record("publish 1")]))
        await eventually(partial(waits_for_a_lock, database))
        await batches.finish_batch(0.01)
        assert not running.done()
    await running


async def test_an_overtaken_batch_is_refused_without_its_rows(batches: BatchProcessor[Tally]) -> None:
    """PostgreSQL sends the message and the detail of an error to its client, and writes both into its log."""
    row = CaseRow(case(1), 1, "王小明", b"")
    async with batches.exclusive() as driver:
        await cases.save(driver, [row], [], [])
        with pytest.raises(VersionConflict) as overtaken:
            await cases.save(driver, [row], [], [])
    error = overtaken.value.__cause__
    assert isinstance(error, asyncpg.PostgresError)
    assert "王小明" not in str(error.as_dict())
