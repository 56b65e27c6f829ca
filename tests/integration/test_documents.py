"""Versions of a service's rules, against the real PostgreSQL: no batch is reduced by superseded rules once new ones are
in force, and every open case follows."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Protocol

import pytest
from pydantic import BaseModel, ConfigDict
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from contracts.core import Core, Transition
from contracts.envelope import Envelope, Message, RulesChanged
from contracts.messages.cases import CaseStateRequested
from services.runtime.batch.message import InboundMessage
from services.runtime.batch.processor import BatchProcessor
from services.runtime.clock import SystemClock
from services.runtime.jobs.rollout import Rollout
from services.runtime.store import documents, rollouts, tables
from services.runtime.store.database import DATABASE_ERRORS, transaction
from services.runtime.store.documents import UnusableVersion, VersionedDocument
from services.runtime.store.outbox import OutboxMessage
from tests.support.toy import Tally, case, from_kafka, handle, instruction, toy
from tests.support.waiting import eventually

CASES = 30
AT_ONCE = 7
EVERYWHERE = [f"{first}{second}00-0000-0000-0" for first in "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ" for second in "05Z"]
"""Numbers of more cases than there are lanes."""
LAST = 6
"""The number of the last of several versions."""


class Rules(BaseModel):
    """A document with any content."""

    model_config = ConfigDict(extra="allow")


def core_for(number: int, content: Rules) -> Core[Tally]:
    """The toy notes by which version it has processed a message, and which it was told to follow."""
    if "format" in content.model_dump():
        raise ValueError("a format that this program does not know")

    def core(state: Tally | None, envelope: Envelope[Message]) -> Transition[Tally]:
        if isinstance(envelope.data, RulesChanged):
            assert state is not None
            if "unmoved" in state.instructions:
                return Transition(state)
            return Transition(
                state.replace(instructions=(*state.instructions, f"follows {number}")), (CaseStateRequested(),)
            )
        step = handle(state, envelope)
        *before, last = step.state.instructions
        return step._replace(state=step.state.replace(instructions=(*before, f"{last} by {number}")))

    return core


RULES = VersionedDocument("rules", Rules, core_for=core_for)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[AsyncEngine]:
    await asyncio.to_thread(tables.migrate, "toy", toy().migrations, database_url)
    engine = create_async_engine(database_url)
    async with transaction(engine) as connection:
        for statement in (*documents.TABLES, *rollouts.TABLES):
            await connection.execute(text(statement))
    yield engine
    await engine.dispose()


class Process(Protocol):
    """Makes a process. ``held``: it stops between saving a batch with messages and committing it, for as long as the
    advisory lock `HELD` is taken."""

    def __call__(self, *, held: bool = False) -> BatchProcessor[Tally]: ...


HELD = 0xED17


@pytest.fixture
async def process(database: AsyncEngine) -> AsyncIterator[Process]:
    made: list[BatchProcessor[Tally]] = []

    async def publish(messages: Sequence[OutboxMessage]) -> Sequence[OutboxMessage]:
        return messages

    def process(*, held: bool = False) -> BatchProcessor[Tally]:
        project = (lambda said: [("SELECT pg_advisory_xact_lock($1)", (HELD,))]) if held else None
        made.append(BatchProcessor(toy(documents=(RULES,), projection=project), database, SystemClock(), publish))
        return made[-1]

    yield process
    for batches in made:
        await batches.drain()


async def put(database: AsyncEngine, **content: Any) -> int | None:
    async with transaction(database) as connection:
        return await documents.put(connection, RULES, Rules.model_validate(content), "a test's")


async def heard(database: AsyncEngine) -> dict[str, tuple[str, ...]]:
    async with database.connect() as connection:
        rows = (await connection.execute(text("SELECT case_id, state FROM cases ORDER BY case_id"))).all()
    return {row.case_id: Tally.model_validate_json(row.state).instructions for row in rows}


async def progress(database: AsyncEngine) -> rollouts.Progress:
    async with database.connect() as connection:
        return (await rollouts.history(connection, RULES.kind, 1))[0]


def letters(reason: str, numbers: Sequence[int]) -> list[InboundMessage]:
    return [from_kafka(instruction(reason, case(number))) for number in numbers]


def everywhere() -> list[InboundMessage]:
    return [from_kafka(instruction("a", case_id)) for case_id in EVERYWHERE]


async def roll_out(processor: BatchProcessor[Tally]) -> bool:
    return await Rollout(processor, stretch=AT_ONCE).run_once()


async def follow(*processes: BatchProcessor[Tally]) -> None:
    """Run the roll-outs of these processes until none of them finds anything to do."""
    while any(await asyncio.gather(*(roll_out(one) for one in processes))):
        pass


WAITS = """
    SELECT pid FROM pg_locks JOIN pg_database ON pg_database.oid = database
    WHERE datname = current_database() AND NOT granted AND {lock}
"""


async def until_waiting_for(database: AsyncEngine, lock: str) -> None:
    async with database.connect() as connection:

        async def waits() -> bool:
            return bool((await connection.execute(text(WAITS.format(lock=lock)))).all())

        await eventually(waits)


@asynccontextmanager
async def stopped_before_commit(
    database: AsyncEngine, batches: BatchProcessor[Tally]
) -> AsyncIterator["asyncio.Task[bool]"]:
    """This process with everything written and nothing committed, until the context ends."""
    async with database.connect() as connection:
        await connection.execute(text("SELECT pg_advisory_lock(:held)"), {"held": HELD})
        working = asyncio.create_task(roll_out(batches))
        await until_waiting_for(database, "locktype = 'advisory'")
        try:
            yield working
        finally:
            await connection.execute(text("SELECT pg_advisory_unlock(:held)"), {"held": HELD})


async def test_without_a_version_the_program_applies_what_it_ships_with(
    database: AsyncEngine, process: Process
) -> None:
    await process().run(letters("a", [1]))
    assert await heard(database) == {case(1): ("a",)}
    assert await roll_out(process()) is False


async def test_the_first_version_is_what_the_service_ships_with(database: AsyncEngine) -> None:
    async def publish(messages: Sequence[OutboxMessage]) -> Sequence[OutboxMessage]:
        return messages

    for _ in range(2):  # two processes that start
        service = toy(documents=(replace(RULES, shipped=lambda: Rules.model_validate({"came": "with it"})),))
        batches = BatchProcessor(service, database, SystemClock(), publish)
        await follow(batches)
        await batches.drain()
    found = await progress(database)
    assert (found.number, found.summary) == (1, documents.SHIPPED)


async def test_the_same_content_again_is_no_new_version(database: AsyncEngine) -> None:
    assert [await put(database, a=1, b=2), await put(database, b=2, a=1), await put(database, a=2)] == [1, None, 2]


async def test_a_batch_by_rules_no_longer_in_force_is_done_again_by_those_that_are(
    database: AsyncEngine, process: Process
) -> None:
    one, other = process(), process()
    await one.run(letters("a", [1]))
    await other.run(letters("b", [2]))
    await put(database, a=1)
    await one.run(letters("c", [1, 3]))  # one case is remembered, the other one new
    await other.run(letters("d", [2]))
    assert await heard(database) == {
        case(1): ("a", "c by 1"),
        case(2): ("b", "d by 1"),
        case(3): ("c by 1",),
    }


async def test_a_batch_being_saved_is_waited_for_and_later_ones_see_the_new_rules(
    database: AsyncEngine, process: Process
) -> None:
    """However the transactions interleave, no case is written by old rules once new ones are in force."""
    batches = [process() for _ in range(4)]
    stop = asyncio.Event()

    async def work(place: int) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            await batches[place].run(letters("x", [1000 * place + number]))

    async def reckon() -> None:
        for content in range(1, 9):
            number = await put(database, content=content)
            assert number == content
            async with database.connect() as connection:
                # Batches saved from now on are reduced by this version; earlier ones may be by an older one.
                before = set((await connection.scalars(text("SELECT case_id FROM cases"))).all())
            await asyncio.sleep(0)
            later = {case_id: said for case_id, said in (await heard(database)).items() if case_id not in before}
            assert {said[0] for said in later.values()} <= {f"x by {number}"}
        stop.set()

    async with asyncio.TaskGroup() as tasks:
        for place in range(4):
            tasks.create_task(work(place))
        tasks.create_task(reckon())


async def test_every_open_case_follows_once_whichever_process_takes_it(database: AsyncEngine, process: Process) -> None:
    one, other = process(), process()
    await one.run(letters("a", range(CASES)))
    await one.run(letters("close", [3, 4]))
    await one.run(letters("unmoved", [5]))
    await put(database, a=1)
    await follow(one, other)
    expected = {case(number): ("a", "follows 1") for number in range(CASES)}
    expected |= {case(3): ("a", "close"), case(4): ("a", "close"), case(5): ("a", "unmoved")}
    assert await heard(database) == expected
    found = await progress(database)
    assert (found.visited, found.changed) == (CASES - 2, CASES - 3), "closed cases are not visited"
    assert found.began_at is not None and found.done_at is not None and found.done_at >= found.began_at
    async with database.connect() as connection:
        version = await connection.scalar(text("SELECT version FROM cases WHERE case_id = :id"), {"id": case(5)})
    assert version == 2, "a case in which nothing changes is not written"


async def test_another_process_continues_where_one_died(database: AsyncEngine, process: Process) -> None:
    one, other = process(), process()
    await one.run(letters("a", range(CASES)))
    await put(database, a=1)
    assert await roll_out(one)  # and is killed
    await follow(other)
    assert set((await heard(database)).values()) == {("a", "follows 1")}
    assert (await progress(database)).visited == CASES


async def test_processes_share_in_one_rollout(database: AsyncEngine, process: Process) -> None:
    slow, other = process(held=True), process()
    await other.run(everywhere())
    await put(database, a=1)
    async with stopped_before_commit(database, slow) as working:
        await follow(other)
        found = await progress(database)
        followed = set((await heard(database)).values())
        assert followed == {("a",), ("a", "follows 1")}, "all but what the slow one has in hand"
        assert found.done_at is None and 0 < found.visited < len(EVERYWHERE)
    assert await working
    await follow(slow, other)
    found = await progress(database)
    assert (found.visited, found.changed) == (len(EVERYWHERE), len(EVERYWHERE))
    assert found.done_at is not None
    assert await heard(database) == dict.fromkeys(EVERYWHERE, ("a", "follows 1"))


async def test_another_process_repeats_the_transaction_of_one_that_died(
    database: AsyncEngine, process: Process
) -> None:
    victim, other = process(held=True), process()
    await other.run(everywhere())
    await put(database, a=1)
    async with stopped_before_commit(database, victim) as working:
        await follow(other)
        async with database.connect() as connection:
            waiting = WAITS.format(lock="locktype = 'advisory'")
            await connection.execute(text(f"SELECT pg_terminate_backend(pid) FROM ({waiting}) AS victim"))
        with pytest.raises(DATABASE_ERRORS):
            await working
        await follow(other)
    found = await progress(database)
    assert (found.visited, found.changed) == (len(EVERYWHERE), len(EVERYWHERE))
    assert found.done_at is not None
    assert await heard(database) == dict.fromkeys(EVERYWHERE, ("a", "follows 1"))
    async with database.connect() as connection:
        said = (await connection.execute(text("SELECT count(*), count(DISTINCT case_id) FROM outbox"))).one()
    assert tuple(said) == (len(EVERYWHERE), len(EVERYWHERE))


async def test_a_version_put_during_a_rollout_waits_for_the_transaction_under_way_and_every_case_follows_it(
    database: AsyncEngine, process: Process
) -> None:
    slow, other = process(held=True), process()
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
    found = await heard(database)
    assert list(found) == EVERYWHERE
    assert set(found.values()) == {("a", "follows 2"), ("a", "follows 1", "follows 2")}
    assert (await progress(database)).done_at is not None


async def test_after_several_versions_in_a_row_each_case_follows_the_last_one_once(
    database: AsyncEngine, process: Process
) -> None:
    processes = [process() for _ in range(3)]
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
    for case_id, (first, *followed) in (await heard(database)).items():
        numbers = [int(one.removeprefix("follows ")) for one in followed]
        assert first == "a" and numbers[-1] == LAST, case_id
        assert numbers == sorted(set(numbers)), case_id


@pytest.mark.parametrize("open_cases", [0, 1, rollouts.LANES - 1, rollouts.LANES, rollouts.LANES + 1])
async def test_no_open_case_lies_between_the_lanes(database: AsyncEngine, process: Process, open_cases: int) -> None:
    """However many there are, and however unevenly they lie between closed ones."""
    await process().run(letters("a", range(100)))
    async with transaction(database) as connection:
        await connection.execute(
            text(
                "UPDATE cases SET closed_at = now() WHERE ordinal NOT IN (SELECT ordinal FROM cases"
                " ORDER BY abs(ordinal - 20), ordinal LIMIT :count)"
            ),
            {"count": open_cases},
        )
    await put(database, a=1)
    await follow(process(), process())
    done = await progress(database)
    assert (done.visited, done.done_at is None) == (open_cases, False)


async def test_newer_rules_overtake_those_that_are_being_followed(database: AsyncEngine, process: Process) -> None:
    batches = process()
    await batches.run(letters("a", range(CASES)))
    await put(database, a=1)
    assert await roll_out(batches)
    await put(database, a=2)
    await follow(batches)
    followed = [said[-1] for said in (await heard(database)).values()]
    assert followed == ["follows 2"] * CASES


async def test_a_blocked_case_is_passed_over_and_follows_later(database: AsyncEngine, process: Process) -> None:
    batches = process()
    await batches.run(letters("a", [1, 2]))
    await batches.run(letters("fail", [1]))
    await put(database, a=1)
    await follow(batches)
    assert await heard(database) == {case(1): ("a",), case(2): ("a", "follows 1")}


async def test_rules_that_this_program_cannot_read_stop_it_and_lose_nothing(
    database: AsyncEngine, process: Process
) -> None:
    await put(database, format=2)
    with pytest.raises(UnusableVersion, match="version 1 of the rules cannot be used"):
        await process().run(letters("a", [1]))
    assert await heard(database) == {}
    await put(database, a=1)
    await process().run(letters("a", [1]))
    assert await heard(database) == {case(1): ("a by 2",)}


async def test_a_rollout_yields_to_the_load_and_ends_all_the_same(database: AsyncEngine, process: Process) -> None:
    processor = process()
    await processor.run(letters("a", range(CASES)))
    await put(database, a=1)
    rollout = Rollout(processor, busy=lambda: True, stretch=AT_ONCE)
    assert await rollout.run_once() is False
    assert rollout.pause() > 0 and (await progress(database)).visited <= AT_ONCE, "one stretch, then a pause"
    while (await progress(database)).done_at is None:
        assert await rollout.run_once() is False
    assert set((await heard(database)).values()) == {("a", "follows 1")}


async def test_open_cases_are_found_by_their_index(database: AsyncEngine) -> None:
    async with database.connect() as connection:
        await connection.execute(text("SET enable_seqscan = off"))
        query = "SELECT case_id FROM cases WHERE ordinal > 7 AND closed_at IS NULL ORDER BY ordinal LIMIT 10"
        plan = "\n".join((await connection.scalars(text(f"EXPLAIN {query}"))).all())
    assert "cases_open" in plan
