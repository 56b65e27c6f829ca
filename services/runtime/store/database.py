"""Connections to PostgreSQL, and how long anybody waits for one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import asyncpg
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

Driver: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

SERVER_SETTINGS = {
    "jit": "off",
    # Statements are prepared once and their plan is kept. Made while a table was still empty, it would read the
    # whole table, and go on doing so for minutes while the table grows: until the next ANALYZE. Everything that is
    # done often is done by key, so whole tables are read only where there is no other way.
    "enable_seqscan": "off",
    # A process that is frozen, or whose network is, must not keep others from the cases it has locked.
    "statement_timeout": "15s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "15s",
    "tcp_keepalives_idle": "10",
}

TRANSACTION_S = 20.0
"""Machine seconds after which a transaction is given up with its connection: a server that is gone without a word
would be waited for as long as the process lives."""

CONNECT_S = 5.0


_CONTENT = ("21", "22", "23", "54")
"""Classes of SQLSTATE that speak of what was sent: cardinality, data, constraint, program limit."""


ERRORS = (
    SQLAlchemyError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection was lost in the middle of something
    OSError,
)
"""All that goes wrong between us and the database."""


def is_away(error: Exception) -> bool:
    """Whether the database is away or in trouble of its own, so that the same may succeed later.

    It is not when the server will not take what it was sent, and not for what is no error of the database.
    """
    cause = error.orig.__cause__ if isinstance(error, DBAPIError) and error.orig is not None else error
    if isinstance(cause, ValueError):  # asyncpg's word for what it cannot even send
        return False
    if isinstance(cause, asyncpg.PostgresError):
        return not (cause.sqlstate or "").startswith(_CONTENT)
    return isinstance(error, ERRORS)


def open_database(address: str, name: str, connections: int) -> AsyncEngine:
    """A pool of at most so many connections, opened as they are needed; ``name`` is what the server calls them.

    Parameters never appear in errors or logs: they may be somebody's personal data.
    """
    return create_async_engine(
        address,
        pool_size=connections,
        max_overflow=0,
        # The connection used last is the one whose server process is at hand; the others rest.
        pool_use_lifo=True,
        pool_timeout=TRANSACTION_S,
        hide_parameters=True,
        connect_args={"timeout": CONNECT_S, "server_settings": {"application_name": name, **SERVER_SETTINGS}},
    )


@asynccontextmanager
async def transaction(database: AsyncEngine, limit_s: float = TRANSACTION_S) -> AsyncIterator[AsyncConnection]:
    """A transaction whose connection is cut when the limit, in machine seconds, is over.

    Raises `DBAPIError` then, whatever it was waiting for. Nothing is said to the server any more, not even that the
    transaction is over: there would be no answer.
    """
    async with database.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        guard = asyncio.get_running_loop().call_later(limit_s, driver.terminate)
        try:
            async with connection.begin():
                yield connection
        finally:
            guard.cancel()


class DedicatedConnection:
    """One connection kept for the batch loop, which makes the same few statements all day, and spoken to without
    SQLAlchemy: what that does for each statement costs as much as asyncpg and the network together (decision 0013).

    For one user at a time.
    """

    def __init__(self, database: AsyncEngine) -> None:
        self._database = database
        self._open: tuple[AsyncConnection, Driver] | None = None

    @asynccontextmanager
    async def acquire(self, limit_s: float = TRANSACTION_S) -> AsyncIterator[Driver]:
        """The connection, opened if there is none; cut when the limit, in machine seconds, is over.

        Outside a transaction each statement is committed by itself. Raises what asyncpg raises.
        """
        driver = await self._opened()
        guard = asyncio.get_running_loop().call_later(limit_s, driver.terminate)
        sound = False
        try:
            yield driver
            sound = True
        except asyncpg.PostgresError:
            sound = True  # the server has answered
            raise
        finally:
            guard.cancel()
            if not sound or driver.is_closed() or driver.is_in_transaction():
                await self.close()

    async def close(self) -> None:
        """Give the connection up. It is opened anew when it is wanted."""
        if self._open is not None:
            (connection, driver), self._open = self._open, None
            driver.terminate()
            await connection.invalidate()
            await connection.close()

    async def _opened(self) -> Driver:
        if self._open is not None and self._open[1].is_closed():
            await self.close()
        if self._open is None:
            connection = await self._database.connect()
            driver: Any = (await connection.get_raw_connection()).driver_connection
            while driver.is_closed():  # it lay in the pool while the server went away
                await connection.invalidate()
                driver = (await connection.get_raw_connection()).driver_connection
            self._open = connection, driver
            try:
                # Every statement goes by key, so that one plan serves all its arguments.
                await driver.execute("SET plan_cache_mode = force_generic_plan", timeout=CONNECT_S)
            except BaseException:
                await self.close()
                raise
        return self._open[1]
