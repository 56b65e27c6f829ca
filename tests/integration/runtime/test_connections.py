"""Connections that hang or are left in a transaction are replaced."""

from collections.abc import Callable

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.departments.sdk.tables import open_tables
from services.runtime.store.database import DedicatedConnection, is_unavailable, open_database, transaction


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


async def set_read_only(database: AsyncEngine, *, on: bool) -> None:
    """Make new sessions read-only or not. Those that are open stay as they are, as after a failover."""
    setting = f'ALTER DATABASE "{database.url.database}" SET default_transaction_read_only = {on}'
    async with database.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        await connection.execute(text("SET default_transaction_read_only = off"))
        await connection.execute(text(setting))


WRITE = "CREATE TABLE IF NOT EXISTS written (at timestamptz)"


@pytest.mark.parametrize("opened", [open_database, open_tables])
async def test_connections_to_a_former_primary_are_replaced(
    database: AsyncEngine, toy_database: str, opened: Callable[[str, str, int], AsyncEngine]
) -> None:
    await set_read_only(database, on=True)
    pool = opened(toy_database, "test", 2)
    dedicated = DedicatedConnection(pool)
    async with dedicated.acquire() as driver:
        await driver.fetchval("SELECT 1")
    async with pool.connect() as connection:  # another one, which the pool keeps
        await connection.execute(text("SELECT 1"))
    await set_read_only(database, on=False)
    with pytest.raises(DBAPIError) as refused:
        async with pool.begin() as connection:
            await connection.execute(text(WRITE))
    assert is_unavailable(refused.value)
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        async with dedicated.acquire() as driver:
            await driver.execute(WRITE)
    async with pool.begin() as connection:
        await connection.execute(text(WRITE))
    async with dedicated.acquire() as driver:
        await driver.execute(WRITE)
    await dedicated.close()
    await pool.dispose()
