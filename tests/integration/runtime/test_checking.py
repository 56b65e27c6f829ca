"""The check of one day in the database: any change of the day is found, and what cannot be checked is said."""

from datetime import date, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.runtime.journal import checking
from services.runtime.journal.blocks import day_of
from services.runtime.journal.checking import CheckedDay, check_day
from services.runtime.journal.reader import ACCESS
from services.runtime.store import access_record
from services.runtime.store.database import clock_of
from tests.support.journal import PUBLIC_KEY, write_record
from tests.support.runtime.access import add, entry


@pytest.fixture
async def today(database: AsyncEngine) -> date:
    """The present day, with entries of this day and of the two before it in the chain."""
    for days in (2, 1, 0):
        await add(database, *(entry(number) for number in range(3)), ago=timedelta(days=days))
    await write_record(database, "toy")
    async with database.connect() as connection:
        return day_of(await clock_of(connection))


async def check(database: AsyncEngine, day: date, key: str = PUBLIC_KEY) -> CheckedDay:
    return await check_day(database, ACCESS, "toy", day, key)


async def tamper(database: AsyncEngine, statement: str, *, day: date) -> None:
    """Execute a statement as somebody who has disabled the triggers."""
    async with database.begin() as connection:
        for table in ("access_record", "access_chain", "access_chain_roots"):
            await connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER append_only"))
        await connection.execute(text(statement), {"day": day} if ":day" in statement else {})


async def test_a_day_that_is_over_and_the_present_one_are_sound(database: AsyncEngine, today: date) -> None:
    for days in (1, 0):
        found = await check(database, today - timedelta(days=days))
        assert (found.entries, found.faults, found.obstacle) == (3, (), None)
        assert (found.root is None) == (days == 0)


TAMPERED = {
    "changed": "UPDATE access_record SET person = 'other' WHERE number = 5",
    "deleted": "DELETE FROM access_record WHERE number = 5",
    "added": """
        INSERT INTO access_record (created_at, at, act, outcome, roles, times)
        SELECT created_at, at, act, outcome, roles, times FROM access_record WHERE number = 5
    """,
    "a day without its blocks": "DELETE FROM access_chain WHERE day = :day",
    "a root before it that is another one": """
        UPDATE access_chain_roots SET hash = '\\x00' WHERE day = CAST(:day AS date) - 1
    """,
    "moved to another day": "UPDATE access_chain SET day = CAST(:day AS date) WHERE day = CAST(:day AS date) - 1",
}


@pytest.mark.parametrize("fault", TAMPERED)
async def test_a_day_that_was_changed_is_found(database: AsyncEngine, today: date, fault: str) -> None:
    yesterday = today - timedelta(days=1)
    await tamper(database, TAMPERED[fault], day=yesterday)
    found = await check(database, yesterday)
    assert found.faults and all(en and zh for en, zh in found.faults)


async def test_another_day_stays_sound(database: AsyncEngine, today: date) -> None:
    await tamper(database, TAMPERED["changed"], day=today)
    assert (await check(database, today)).faults == ()


async def test_what_cannot_be_checked_is_said(
    database: AsyncEngine, today: date, monkeypatch: pytest.MonkeyPatch
) -> None:
    never = await check(database, today - timedelta(days=9))
    assert never.obstacle is not None and "no block" in never.obstacle[0]
    assert (await check(database, today, key="0" * 64)).faults, "signed with another key than the installation's"
    monkeypatch.setattr(checking, "MOST_ENTRIES", 2)
    large = await check(database, today)
    assert large.obstacle is not None and "the command" in large.obstacle[0]
    async with database.connect() as connection:
        assert await access_record.counts(connection, access_record.RecordFilter()) == {"given": 9}
