"""Messages that cannot be processed are parked as dead letters; a blocked case parks those that follow."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.codec import decode
from contracts.envelope import Envelope, Message
from services.runtime.batch.processor import BatchProcessor
from services.runtime.batch.queue import BatchQueue
from services.runtime.clock import machine_now
from services.runtime.failures import Failures
from services.runtime.jobs.outbox_relay import OutboxRelay
from services.runtime.service import Statement
from services.runtime.store import dead_letters
from services.runtime.store.dead_letters import make_dead_letter
from tests.support.runtime.fakes import MemoryPublisher
from tests.support.runtime.processes import MakeProcessor, record, rows, tally
from tests.support.runtime.toy import Tally, case, from_kafka


async def test_a_blocked_case_parks_its_later_messages_and_replays_them_in_order(
    batches: BatchProcessor[Tally], database: AsyncEngine, kafka: MemoryPublisher
) -> None:
    await batches.run([record("fail"), record("one")])
    await batches.run([record("two"), record("other", 2)])
    assert (await tally(database, 2)).instructions == ("other",)
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
    assert (await tally(database, 1)).instructions == ("one", "two")
    assert await dead_letters.parked(database) == 0


async def test_an_early_request_is_dropped_and_taken_when_it_is_repeated(
    batches: BatchProcessor[Tally], database: AsyncEngine
) -> None:
    early = record("early")
    await batches.run([early, record("count", 2)])
    assert await dead_letters.letters(database) == []
    assert await rows(database, "SELECT case_id FROM cases") == [(case(2),)]
    await batches.run([record("count"), early])
    assert (await tally(database, 1)).instructions == ("count", "early")


async def test_a_letter_that_fails_again_is_parked_again(batches: BatchProcessor[Tally], database: AsyncEngine) -> None:
    message = record("impossible")
    await batches.run([message])
    (letter,) = await dead_letters.letters(database)
    await dead_letters.replay(database, [letter.number])
    assert await dead_letters.parked(database) == 0
    await batches.run([message])
    assert await dead_letters.parked(database) == 1


async def test_a_message_that_cannot_be_stored_is_parked_and_the_others_are_processed(
    process: MakeProcessor, database: AsyncEngine
) -> None:
    def project(messages: Sequence[Envelope[Message]]) -> list[Statement]:
        fails = case(2) in [envelope.subject for envelope in messages]
        return [("SELECT CAST($1::text AS int)", ("no number",))] if fails else []

    batches = process(projection=project)
    queue = BatchQueue(batches, 100, Failures())
    running = asyncio.create_task(queue.run())
    await queue.submit_records([record("publish 1", n) for n in (1, 2, 3)], [])
    running.cancel()
    assert [(await tally(database, n)).instructions for n in (1, 3)] == [("publish 1",), ("publish 1",)]
    (letter,) = await dead_letters.letters(database)
    assert (letter.case_id, letter.blocking) == (case(2), True)
    assert "cannot be stored" in letter.reason


async def test_a_message_whose_topic_does_not_exist_is_impossible(
    process: MakeProcessor, database: AsyncEngine
) -> None:
    batches = process(frozenset({"onedoor.alerts"}))
    await batches.run([record("publish 1"), record("count", 2)])
    (letter,) = await dead_letters.letters(database)
    assert letter.case_id == case(1)
    assert letter.reason.startswith("onedoor.requests is no topic of this installation / ")
    assert (await tally(database, 2)).instructions == ("count",)


async def test_an_undecodable_record_is_parked_with_the_batch(
    batches: BatchProcessor[Tally], database: AsyncEngine
) -> None:
    letter = make_dead_letter("the record is no JSON", "onedoor.alerts", "partition 1, offset 7", b"k", b"\x00\xff{")
    await batches.run([record("count")], [letter])
    (parked,) = await dead_letters.letters(database)
    assert (parked.value, parked.origin, parked.key) == (b"\x00\xff{", "partition 1, offset 7", b"k")
    assert await dead_letters.replay(database, [parked.number]) == 0, "its case is unknown"


async def test_a_blocked_case_stays_blocked_when_its_call_is_made(
    batches: BatchProcessor[Tally], database: AsyncEngine
) -> None:
    await batches.run([record("call tax")])
    await batches.run([record("fail")])
    (call,) = await batches.claim_calls(machine_now() + timedelta(minutes=1), 10)
    assert call.case_id == case(1)
    await batches.run([record("count")])
    assert (await tally(database, 1)).instructions == ("call tax",)
    assert [letter.blocking for letter in await dead_letters.letters(database)] == [True, True]
