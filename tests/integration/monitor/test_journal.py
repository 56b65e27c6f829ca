"""The journal in a real PostgreSQL: it has every decision once, with any number of writers, and is never rewritten."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from contracts.messages.alerts import AlertRaised
from contracts.messages.cases import CaseStateRequested
from services.runtime.clock_check import ClockCheck, ClockInDoubt
from services.runtime.journal.blocks import Block
from services.runtime.journal.writer import MIN_AGE_S, JournalAhead
from services.runtime.store import outbox
from services.runtime.store.chains import JOURNAL, ChainTables
from services.runtime.store.database import TRANSACTION_S
from tests.support.journal import KEY, journal_writer, publish, write_journal
from tests.support.monitor_process import Killed, alert_raised, kill


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(database_url)
    yield engine
    await engine.dispose()


def alert(region: str = "450103") -> AlertRaised:
    return alert_raised(datetime.now(UTC), region=region)


async def rows(database: AsyncEngine, query: str) -> list[tuple[Any, ...]]:
    async with database.connect() as connection:
        return [tuple(row) for row in await connection.execute(text(query))]


async def entries(database: AsyncEngine) -> Counter[str]:
    return Counter(entry for (one,) in await rows(database, "SELECT entries FROM journal") for entry in one)


async def test_every_decision_is_journaled_once_by_several_writers(database: AsyncEngine) -> None:
    writers = [journal_writer(database, 0.0) for _ in range(3)]
    for number in range(20):
        await publish(database, alert(), alert("450200"), CaseStateRequested())
        if number % 3 == 0:
            await asyncio.gather(*(writer.run_once() for writer in writers))
    await write_journal(database)
    decided = await rows(database, "SELECT event FROM outbox WHERE topic = 'onedoor.alerts'")
    assert await entries(database) == Counter(event for (event,) in decided)
    assert len(decided) == 40
    by_region = await rows(database, "SELECT chain, sum(cardinality(entries)) FROM journal GROUP BY 1 ORDER BY 1")
    assert by_region == [("450103", 20), ("450200", 20)]


async def test_messages_younger_than_the_minimum_age_wait(database: AsyncEngine) -> None:
    assert MIN_AGE_S > 2 * TRANSACTION_S
    await publish(database, alert(), ago=timedelta(seconds=MIN_AGE_S + 5))
    await publish(database, alert(), ago=timedelta(seconds=MIN_AGE_S - 10))
    await write_journal(database, MIN_AGE_S)
    assert sum((await entries(database)).values()) == 1


async def test_days_that_are_over_are_signed_in_each_region_also_without_a_decision(database: AsyncEngine) -> None:
    for days in (4, 1, 0):
        await publish(database, alert(), ago=timedelta(days=days))
    await publish(database, alert("450200"), ago=timedelta(days=2))
    await write_journal(database)
    signed = "SELECT chain, first, last, entries FROM journal_roots ORDER BY chain, day"
    assert await rows(database, signed) == [
        ("450103", 1, 1, 1),
        ("450103", 2, 1, 0),
        ("450103", 2, 1, 0),
        ("450103", 2, 2, 1),
        ("450200", 1, 1, 1),
        ("450200", 2, 1, 0),
    ]
    hashes = "SELECT count(*) FROM journal_roots AS root JOIN journal USING (chain, hash) WHERE number = root.last"
    assert await rows(database, hashes) == [(6,)]


async def test_each_block_is_signed_as_it_is_written(database: AsyncEngine) -> None:
    await publish(database, alert())
    await write_journal(database)
    ((number, day, previous, entries, four_eyes, signature),) = await rows(
        database, "SELECT number, day, previous, entries, four_eyes, signature FROM journal"
    )
    block = Block("450103", number, day, previous, tuple(entries), four_eyes)
    KEY.public_key().verify(signature, block.signed)


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        ((), False),  # without a directory one person is enough
        (((120, True),), True),
        (((120, False),), False),
        (((120, False), (90, True)), True),  # settled before the decision
        (((120, True), (25, False)), False),  # in the same stretch of time as the decision
        (((120, False), (25, True)), False),
    ],
)
async def test_each_block_says_whether_one_person_could_change_rules_and_directory(
    database: AsyncEngine, versions: tuple[tuple[int, bool], ...], expected: bool
) -> None:
    """``versions``: how many minutes ago each version of the directory came into force, and its four_eyes."""
    put = """
        INSERT INTO documents (kind, number, body, summary, made_at)
        VALUES ('directory', :number, :body, '', now() - make_interval(mins => :ago))
    """
    async with database.begin() as connection:
        for number, (ago, four_eyes) in enumerate(versions, 1):
            body = json.dumps({"four_eyes": four_eyes})
            await connection.execute(text(put), {"number": number, "body": body, "ago": ago})
    await publish(database, alert(), ago=timedelta(minutes=60))
    await publish(database, alert(), ago=timedelta(minutes=29))
    await write_journal(database)
    found = await rows(database, "SELECT four_eyes FROM journal ORDER BY number")
    assert found[-1] == (expected,)


async def test_nothing_in_it_can_be_changed_or_deleted(database: AsyncEngine) -> None:
    await publish(database, alert(), ago=timedelta(days=1))
    await write_journal(database)
    for statement in (
        "UPDATE journal SET entries = '{}'",
        "DELETE FROM journal",
        "TRUNCATE journal, journal_roots",
        "DELETE FROM journal_roots",
        "DELETE FROM journal_reached",
        "UPDATE journal_reached SET created_at = created_at - interval '1 hour'",
    ):
        with pytest.raises(DBAPIError, match="append-only"):
            async with database.begin() as connection:
                await connection.execute(text(statement))


async def test_the_outbox_keeps_messages_until_they_are_journaled(database: AsyncEngine) -> None:
    await publish(database, alert(), ago=timedelta(hours=30))

    async def forget() -> int:
        async with database.begin() as connection:
            return await outbox.delete_published(connection, timedelta(days=1), 100, JOURNAL.reached_query)

    assert await forget() == 0
    await write_journal(database)
    assert await forget() == 1


async def test_a_killed_writer_leaves_no_partial_block(database: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    await publish(database, alert(), ago=timedelta(days=1))

    with monkeypatch.context() as patch:
        patch.setattr(ChainTables, "set_reached", kill)
        with pytest.raises(Killed):
            await journal_writer(database, 0.0).run_once()
    assert await rows(database, "SELECT * FROM journal") == []
    await write_journal(database)
    assert sum((await entries(database)).values()) == 1


async def test_a_clock_that_may_be_wrong_signs_no_days(database: AsyncEngine) -> None:
    await publish(database, alert())
    wrong_by = timedelta()
    clocks = ClockCheck(lambda: datetime.now(UTC) + wrong_by, time.monotonic)
    writer = journal_writer(database, 0.0, clocks=clocks)
    wrong_by = timedelta(days=400, hours=1)
    with pytest.raises(ClockInDoubt, match="jumped ahead by 400 days"):
        await writer.run_once()
    with pytest.raises(ClockInDoubt, match="differ by more than a day"):
        await journal_writer(database, 0.0, clocks=ClockCheck(lambda: datetime.now(UTC) + wrong_by)).run_once()
    assert not await entries(database)


async def test_a_journal_that_is_ahead_of_the_clock_is_no_silence(database: AsyncEngine) -> None:
    await publish(database, alert())
    await write_journal(database)
    async with database.begin() as connection:
        await connection.execute(text("UPDATE journal_reached SET created_at = now() + interval '1 year'"))
    with pytest.raises(JournalAhead, match="the clock of the database's server was ahead"):
        await journal_writer(database).run_once()
