"""Connections that hang or are left in a transaction are replaced."""

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.runtime.store.database import DedicatedConnection, is_unavailable, transaction


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
