"""Editions of a service's rules, against the real PostgreSQL: nothing is folded by old ones once new ones are in force,
and every open case follows."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from contracts.envelope import Core, Envelope, Message, Revised, Step
from services.runtime import editions, schema
from services.runtime.batch import Batches
from services.runtime.clock import SystemClock
from services.runtime.database import transaction
from services.runtime.editions import Edition, UnusableEdition
from services.runtime.fold import Received
from services.runtime.store import Said
from tests.integration.toy import Tally, case, from_kafka, handle, said, toy

CASES = 30
AT_ONCE = 7


def under(edition: Edition) -> Core[Tally]:
    """The toy notes by which edition it has heard something, and which it was told to follow."""
    if "format" in json.loads(edition.body):
        raise ValueError("a format that this program does not know")

    def core(state: Tally | None, envelope: Envelope[Message]) -> Step[Tally]:
        if isinstance(envelope.data, Revised):
            assert state is not None
            if "unmoved" in state.heard:
                return Step(state)
            return Step(state.replace(heard=(*state.heard, f"follows {edition.number}")))
        step = handle(state, envelope)
        *before, last = step.state.heard
        return step._replace(state=step.state.replace(heard=(*before, f"{last} by {edition.number}")))

    return core


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[AsyncEngine]:
    await asyncio.to_thread(schema.migrate, "toy", toy().migrations, database_url)
    engine = create_async_engine(database_url)
    async with transaction(engine) as connection:
        for statement in editions.TABLE:
            await connection.execute(text(statement))
    yield engine
    await engine.dispose()


Process = Callable[[], Batches[Tally]]


@pytest.fixture
async def process(database: AsyncEngine) -> AsyncIterator[Process]:
    made: list[Batches[Tally]] = []

    async def publish(messages: Sequence[Said]) -> Sequence[Said]:
        return messages

    def process() -> Batches[Tally]:
        made.append(Batches(toy(under=under), database, SystemClock(), publish))
        return made[-1]

    yield process
    for batches in made:
        await batches.drain()


async def put(database: AsyncEngine, **content: Any) -> int | None:
    async with transaction(database) as connection:
        return await editions.put(connection, content, "a test's")


async def heard(database: AsyncEngine) -> dict[str, tuple[str, ...]]:
    async with database.connect() as connection:
        rows = (await connection.execute(text("SELECT case_id, state FROM cases ORDER BY case_id"))).all()
    return {row.case_id: Tally.model_validate_json(row.state).heard for row in rows}


async def progress(database: AsyncEngine) -> editions.Progress:
    async with database.connect() as connection:
        return (await editions.progress(connection, 1))[0]


def letters(reason: str, numbers: Sequence[int]) -> list[Received]:
    return [from_kafka(said(reason, case(number))) for number in numbers]


async def test_without_an_edition_the_program_keeps_to_what_it_came_with(
    database: AsyncEngine, process: Process
) -> None:
    await process().run(letters("a", [1]))
    assert await heard(database) == {case(1): ("a",)}
    assert await process().revise(AT_ONCE) is False


async def test_the_first_edition_is_what_the_service_came_with(database: AsyncEngine) -> None:
    async def publish(messages: Sequence[Said]) -> Sequence[Said]:
        return messages

    for _ in range(2):  # two processes that start
        batches = Batches(toy(under=under, rules=lambda: {"came": "with it"}), database, SystemClock(), publish)
        while await batches.revise(AT_ONCE):
            pass
        await batches.drain()
    found = await progress(database)
    assert (found.number, found.summary) == (1, "what onedoor came with")


async def test_the_same_again_is_no_new_edition(database: AsyncEngine) -> None:
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


async def test_who_is_saving_is_waited_for_and_who_comes_after_sees_the_new_rules(
    database: AsyncEngine, process: Process
) -> None:
    """However the moments lie, no case is written by old rules once new ones are in force."""
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
                # Whatever is saved from now on is by this edition; what was before may be by an older one.
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
    while any(await asyncio.gather(one.revise(AT_ONCE), other.revise(AT_ONCE))):
        pass
    expected = {case(number): ("a", "follows 1") for number in range(CASES)}
    expected |= {case(3): ("a", "close"), case(4): ("a", "close"), case(5): ("a", "unmoved")}
    assert await heard(database) == expected
    found = await progress(database)
    assert (found.looked_at, found.moved) == (CASES, CASES - 3)
    assert found.began_at is not None and found.done_at is not None and found.done_at >= found.began_at
    async with database.connect() as connection:
        version = await connection.scalar(text("SELECT version FROM cases WHERE case_id = :id"), {"id": case(5)})
    assert version == 2, "a case in which nothing changes is not written"


async def test_another_process_goes_on_where_one_has_died(database: AsyncEngine, process: Process) -> None:
    one, other = process(), process()
    await one.run(letters("a", range(CASES)))
    await put(database, a=1)
    assert await one.revise(AT_ONCE)  # and is killed
    while await other.revise(AT_ONCE):
        pass
    assert set((await heard(database)).values()) == {("a", "follows 1")}
    assert (await progress(database)).looked_at == CASES


async def test_newer_rules_overtake_those_that_are_being_followed(database: AsyncEngine, process: Process) -> None:
    batches = process()
    await batches.run(letters("a", range(CASES)))
    await put(database, a=1)
    assert await batches.revise(AT_ONCE)
    await put(database, a=2)
    while await batches.revise(AT_ONCE):
        pass
    followed = [said[-1] for said in (await heard(database)).values()]
    assert followed == ["follows 2"] * CASES


async def test_a_blocked_case_is_passed_over_and_follows_later(database: AsyncEngine, process: Process) -> None:
    batches = process()
    await batches.run(letters("a", [1, 2]))
    await batches.run(letters("fail", [1]))
    await put(database, a=1)
    while await batches.revise(AT_ONCE):
        pass
    assert await heard(database) == {case(1): ("a",), case(2): ("a", "follows 1")}


async def test_rules_that_this_program_cannot_read_stop_it_and_lose_nothing(
    database: AsyncEngine, process: Process
) -> None:
    await put(database, format=2)
    with pytest.raises(UnusableEdition, match="edition 1 of the rules cannot be used"):
        await process().run(letters("a", [1]))
    assert await heard(database) == {}
    await put(database, a=1)
    await process().run(letters("a", [1]))
    assert await heard(database) == {case(1): ("a by 2",)}
