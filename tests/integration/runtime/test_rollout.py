"""The roll-out of new rules: every open case follows them once, whichever process takes it."""

import asyncio
import time
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.runtime.batch.processor import BatchProcessor
from services.runtime.clock import machine_now
from services.runtime.clock_check import ClockCheck, ClockInDoubt
from services.runtime.jobs.rollout import Rollout
from services.runtime.store import rollouts
from services.runtime.store.database import DATABASE_ERRORS, transaction
from tests.support.runtime.processes import MakeProcessor, break_state, instructions, record, rows
from tests.support.runtime.rules import (
    AT_ONCE,
    CASES,
    EVERYWHERE,
    WAITING,
    everywhere,
    follow,
    progress,
    put,
    records,
    roll_out,
    stopped_before_commit,
    until_waiting_for,
    with_rules,
)
from tests.support.runtime.toy import Tally, case

LAST = 6
"""The number of the last of several versions."""


async def test_every_open_case_follows_once_whichever_process_takes_it(
    database: AsyncEngine, process: MakeProcessor
) -> None:
    one, other = with_rules(process), with_rules(process)
    await one.run(records())
    await one.run([record("close", 3), record("close", 4)])
    await one.run([record("unmoved", 5)])
    await put(database, a=1)
    await follow(one, other)
    expected = {case(number): ("a", "follows 1") for number in range(CASES)}
    expected |= {case(3): ("a", "close"), case(4): ("a", "close"), case(5): ("a", "unmoved")}
    assert await instructions(database) == expected
    found = await progress(database)
    assert (found.visited, found.changed) == (CASES - 2, CASES - 3), "closed cases are not visited"
    assert found.began_at is not None and found.done_at is not None and found.done_at >= found.began_at
    async with database.connect() as connection:
        version = await connection.scalar(text("SELECT version FROM cases WHERE case_id = :id"), {"id": case(5)})
    assert version == 2, "a case in which nothing changes is not written"


async def test_a_case_that_cannot_be_read_holds_up_no_other(database: AsyncEngine, process: MakeProcessor) -> None:
    one = with_rules(process)
    await one.run(records())
    await break_state(database, 1)
    await put(database, a=1)
    other = with_rules(process)
    await follow(other)
    followed = await rows(database, "SELECT count(*) FROM cases WHERE state LIKE '%follows 1%'")
    assert followed == [(CASES - 1,)]
    assert (await progress(database)).done_at is not None


async def test_another_process_continues_where_one_died(database: AsyncEngine, process: MakeProcessor) -> None:
    one, other = with_rules(process), with_rules(process)
    await one.run(records())
    await put(database, a=1)
    assert await roll_out(one)  # and is killed
    await follow(other)
    assert set((await instructions(database)).values()) == {("a", "follows 1")}
    assert (await progress(database)).visited == CASES


async def test_no_case_is_recalculated_by_a_clock_that_has_jumped(
    database: AsyncEngine, process: MakeProcessor
) -> None:
    one = with_rules(process)
    await one.run(records())
    await put(database, a=1)
    wrong_by = timedelta()
    rollout = Rollout(one, clocks=ClockCheck(lambda: machine_now() + wrong_by, time.monotonic))
    wrong_by = timedelta(days=3, hours=1)
    with pytest.raises(ClockInDoubt, match="jumped ahead by 3 days"):
        await rollout.run_once()
    assert (await progress(database)).visited == 0
    wrong_by = timedelta()
    await rollout.run_once()
    assert (await progress(database)).visited > 0


async def assert_followed_once(database: AsyncEngine) -> None:
    found = await progress(database)
    assert (found.visited, found.changed) == (len(EVERYWHERE), len(EVERYWHERE))
    assert found.done_at is not None
    assert await instructions(database) == dict.fromkeys(EVERYWHERE, ("a", "follows 1"))


async def test_processes_share_in_one_rollout(database: AsyncEngine, process: MakeProcessor) -> None:
    slow, other = with_rules(process, held=True), with_rules(process)
    await other.run(everywhere())
    await put(database, a=1)
    async with stopped_before_commit(database, slow) as working:
        await follow(other)
        found = await progress(database)
        followed = set((await instructions(database)).values())
        assert followed == {("a",), ("a", "follows 1")}, "all but what the slow one has in hand"
        assert found.done_at is None and 0 < found.visited < len(EVERYWHERE)
    assert await working
    await follow(slow, other)
    await assert_followed_once(database)


async def test_another_process_repeats_the_transaction_of_one_that_died(
    database: AsyncEngine, process: MakeProcessor
) -> None:
    victim, other = with_rules(process, held=True), with_rules(process)
    await other.run(everywhere())
    await put(database, a=1)
    async with stopped_before_commit(database, victim) as working:
        await follow(other)
        async with database.connect() as connection:
            waiting = WAITING.format(lock="locktype = 'advisory'")
            await connection.execute(text(f"SELECT pg_terminate_backend(pid) FROM ({waiting}) AS victim"))
        with pytest.raises(DATABASE_ERRORS):
            await working
        await follow(other)
    await assert_followed_once(database)
    async with database.connect() as connection:
        published = (await connection.execute(text("SELECT count(*), count(DISTINCT case_id) FROM outbox"))).one()
    assert tuple(published) == (len(EVERYWHERE), len(EVERYWHERE))


async def test_a_version_put_during_a_rollout_waits_for_the_transaction_under_way_and_every_case_follows_it(
    database: AsyncEngine, process: MakeProcessor
) -> None:
    slow, other = with_rules(process, held=True), with_rules(process)
    await other.run(everywhere())
    await put(database, a=1)
    async with stopped_before_commit(database, slow) as working:
        for _ in range(5):
            await roll_out(other)
        newer = asyncio.create_task(put(database, a=2))
        await until_waiting_for(database, "relation = 'cases'::regclass")
        assert (await progress(database)).number == 1
    await working
    assert await newer == 2
    await follow(slow, other)
    found = await instructions(database)
    assert list(found) == EVERYWHERE
    assert set(found.values()) == {("a", "follows 2"), ("a", "follows 1", "follows 2")}
    assert (await progress(database)).done_at is not None


async def test_after_several_versions_in_a_row_each_case_follows_the_last_one_once(
    database: AsyncEngine, process: MakeProcessor
) -> None:
    processes = [with_rules(process) for _ in range(3)]
    await processes[0].run(everywhere())
    await put(database, content=1)

    async def work(batches: BatchProcessor[Tally]) -> None:
        while (latest := await progress(database)).number < LAST or latest.done_at is None:
            await roll_out(batches)

    async with asyncio.TaskGroup() as tasks:
        for one in processes:
            tasks.create_task(work(one))
        for content in range(2, LAST + 1):
            await put(database, content=content)
    for case_id, (first, *followed) in (await instructions(database)).items():
        numbers = [int(one.removeprefix("follows ")) for one in followed]
        assert first == "a" and numbers[-1] == LAST, case_id
        assert numbers == sorted(set(numbers)), case_id


@pytest.mark.parametrize("open_cases", [0, 1, rollouts.LANES - 1, rollouts.LANES, rollouts.LANES + 1])
async def test_no_open_case_lies_between_the_lanes(
    database: AsyncEngine, process: MakeProcessor, open_cases: int
) -> None:
    """However many there are, and however unevenly they lie between closed ones."""
    await with_rules(process).run([record("a", number) for number in range(100)])
    async with transaction(database) as connection:
        await connection.execute(
            text(
                "UPDATE cases SET closed_at = now() WHERE ordinal NOT IN (SELECT ordinal FROM cases"
                " ORDER BY abs(ordinal - 20), ordinal LIMIT :count)"
            ),
            {"count": open_cases},
        )
    await put(database, a=1)
    await follow(with_rules(process), with_rules(process))
    done = await progress(database)
    assert (done.visited, done.done_at is None) == (open_cases, False)


async def test_newer_rules_overtake_those_that_are_being_followed(
    database: AsyncEngine, process: MakeProcessor
) -> None:
    batches = with_rules(process)
    await batches.run(records())
    await put(database, a=1)
    assert await roll_out(batches)
    await put(database, a=2)
    await follow(batches)
    followed = [received[-1] for received in (await instructions(database)).values()]
    assert followed == ["follows 2"] * CASES


async def test_a_blocked_case_is_passed_over_and_follows_later(database: AsyncEngine, process: MakeProcessor) -> None:
    batches = with_rules(process)
    await batches.run([record("a", 1), record("a", 2)])
    await batches.run([record("fail")])
    await put(database, a=1)
    await follow(batches)
    assert await instructions(database) == {case(1): ("a",), case(2): ("a", "follows 1")}


async def test_a_rollout_yields_to_the_load_and_ends_all_the_same(
    database: AsyncEngine, process: MakeProcessor
) -> None:
    processor = with_rules(process)
    await processor.run(records())
    await put(database, a=1)
    rollout = Rollout(processor, busy=lambda: True, cases_per_transaction=AT_ONCE)
    assert await rollout.run_once() is False
    assert rollout.pause() > 0 and (await progress(database)).visited <= AT_ONCE, "one transaction, then a pause"
    while (await progress(database)).done_at is None:
        assert await rollout.run_once() is False
    assert set((await instructions(database)).values()) == {("a", "follows 1")}


async def test_open_cases_are_found_by_their_index(database: AsyncEngine) -> None:
    async with database.connect() as connection:
        await connection.execute(text("SET enable_seqscan = off"))
        query = "SELECT case_id FROM cases WHERE ordinal > 7 AND closed_at IS NULL ORDER BY ordinal LIMIT 10"
        plan = "\n".join((await connection.scalars(text(f"EXPLAIN {query}"))).all())
    assert "cases_open" in plan
