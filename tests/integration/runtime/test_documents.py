"""Versions of a service's rules: no batch is reduced by superseded rules once new ones are in force."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.runtime.store import documents
from services.runtime.store.documents import UnusableVersion
from tests.support.runtime.processes import MakeProcessor, instructions, record
from tests.support.runtime.rules import (
    RULES,
    Rules,
    follow,
    progress,
    put,
    roll_out,
    with_rules,
)
from tests.support.runtime.toy import case


async def test_without_a_version_the_program_applies_what_it_ships_with(
    database: AsyncEngine, process: MakeProcessor
) -> None:
    await with_rules(process).run([record("a")])
    assert await instructions(database) == {case(1): ("a",)}
    assert await roll_out(with_rules(process)) is False


async def test_the_first_version_is_what_the_service_ships_with(database: AsyncEngine, process: MakeProcessor) -> None:
    shipping = replace(RULES, shipped=lambda: Rules.model_validate({"came": "with it"}))
    for _ in range(2):  # two processes that start
        await follow(process(documents=(shipping,)))
    found = await progress(database)
    assert (found.number, found.summary) == (1, documents.SHIPPED)


async def test_the_same_content_again_is_no_new_version(database: AsyncEngine) -> None:
    assert [await put(database, a=1, b=2), await put(database, b=2, a=1), await put(database, a=2)] == [1, None, 2]


async def test_a_batch_by_rules_no_longer_in_force_is_done_again_by_those_that_are(
    database: AsyncEngine, process: MakeProcessor
) -> None:
    one, other = with_rules(process), with_rules(process)
    await one.run([record("a")])
    await other.run([record("b", 2)])
    await put(database, a=1)
    await one.run([record("c"), record("c", 3)])  # one case is remembered, the other one new
    await other.run([record("d", 2)])
    assert await instructions(database) == {
        case(1): ("a", "c by 1"),
        case(2): ("b", "d by 1"),
        case(3): ("c by 1",),
    }


async def test_a_batch_being_saved_is_waited_for_and_later_ones_see_the_new_rules(
    database: AsyncEngine, process: MakeProcessor
) -> None:
    """However the transactions interleave, no case is written by old rules once new ones are in force."""
    batches = [with_rules(process) for _ in range(4)]
    stop = asyncio.Event()

    async def work(place: int) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            await batches[place].run([record("x", 1000 * place + number)])

    async def change_rules() -> None:
        for content in range(1, 9):
            number = await put(database, content=content)
            assert number == content
            async with database.connect() as connection:
                # Batches saved from now on are reduced by this version; earlier ones may be by an older one.
                before = set((await connection.scalars(text("SELECT case_id FROM cases"))).all())
            await asyncio.sleep(0)
            later = [found for case_id, found in (await instructions(database)).items() if case_id not in before]
            assert {first for first, *_ in later} <= {f"x by {number}"}
        stop.set()

    async with asyncio.TaskGroup() as tasks:
        for place in range(4):
            tasks.create_task(work(place))
        tasks.create_task(change_rules())


async def test_rules_that_this_program_cannot_read_stop_it_and_lose_nothing(
    database: AsyncEngine, process: MakeProcessor
) -> None:
    await put(database, format=2)
    with pytest.raises(UnusableVersion, match="version 1 of the rules cannot be used"):
        await with_rules(process).run([record("a")])
    assert await instructions(database) == {}
    await put(database, a=1)
    await with_rules(process).run([record("a")])
    assert await instructions(database) == {case(1): ("a by 2",)}
