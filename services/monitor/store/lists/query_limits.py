"""Limits for queries that read many rows: how many run at a time, and for how long."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.runtime.store.database import transaction

QUERIES, EXPORTS = 2, 1
"""At a time in one process: monitor's own work needs the database more."""

WAIT_S = 3.0
"""Machine seconds that a query waits before it is refused."""

STATEMENT_S = 30.0
"""Machine seconds that a statement may take. Reading a million open cases takes less."""

EXPORT_S = 300.0
"""Machine seconds that a file may take, including the time in which the client reads it."""

MARGIN_S = 5.0
"""Machine seconds of a transaction beyond its statement."""

QUERY_CANCELED = "57014"
"""The SQLSTATE of a statement that exceeded its time."""

_LIMIT_TRANSACTION = text("""
    SELECT set_config('transaction_read_only', 'on', true), set_config('statement_timeout', :limit, true),
        set_config('max_parallel_workers_per_gather', '0', true), set_config('work_mem', '32MB', true)
""")


class TooManyQueries(Exception):
    """Other queries are running, and none of them ended in time."""


class QueryTooLarge(Exception):
    """The statement exceeded its time."""


class LimitedQueries:
    """Runs queries and exports: a few at a time, each in one process of the database, each with a time limit."""

    def __init__(self, database: AsyncEngine) -> None:
        self._database = database
        self._queries = asyncio.Semaphore(QUERIES)
        self._exports = asyncio.Semaphore(EXPORTS)

    @asynccontextmanager
    async def query(self) -> AsyncIterator[AsyncConnection]:
        """A read-only transaction for a query. Raises `TooManyQueries` and `QueryTooLarge`."""
        async with _slot(self._queries), self._transaction(STATEMENT_S + MARGIN_S) as connection:
            yield connection

    @asynccontextmanager
    async def export(self) -> AsyncIterator[AsyncConnection]:
        """A read-only transaction for a file, which may take longer. Raises the same."""
        async with _slot(self._exports), self._transaction(EXPORT_S) as connection:
            yield connection

    @asynccontextmanager
    async def _transaction(self, limit_s: float) -> AsyncIterator[AsyncConnection]:
        try:
            async with transaction(self._database, limit_s) as connection:
                await connection.execute(_LIMIT_TRANSACTION, {"limit": f"{1000 * STATEMENT_S:.0f}ms"})
                yield connection
        except DBAPIError as error:
            if _sqlstate(error) != QUERY_CANCELED:
                raise
            raise QueryTooLarge from error


@asynccontextmanager
async def _slot(free: asyncio.Semaphore) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(WAIT_S):
            await free.acquire()
    except TimeoutError:
        raise TooManyQueries from None
    try:
        yield
    finally:
        free.release()


def _sqlstate(error: DBAPIError) -> Any:
    return getattr(error.orig, "sqlstate", None)
