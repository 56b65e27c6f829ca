"""Connections to PostgreSQL and their time limits."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, TypeAlias

import asyncpg
from sqlalchemy import event, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from services.runtime.error_text import is_about_data

Driver: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

SERVER_SETTINGS = {
    "jit": "off",
    # Statements are prepared once and their plan is kept. A plan made while a table was empty would scan the whole
    # table, for minutes while the table grows: until the next ANALYZE. All frequent statements go by key, so a
    # sequential scan is right only where there is no other way.
    "enable_seqscan": "off",
    # A frozen process or network must not keep other processes from the rows it has locked.
    "statement_timeout": "15s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "15s",
    "tcp_keepalives_idle": "10",
}

TRANSACTION_S = 20.0
"""Machine seconds after which a transaction is aborted and its connection closed. Without a limit a process would wait
for ever for a server that vanished without closing the connection."""

CONNECT_S = 5.0
"""Machine seconds to open a connection."""


class DatabaseUnreachable(ConnectionError):
    """No connection to the database could be opened. The message names the reason, never the password."""


DATABASE_ERRORS = (
    SQLAlchemyError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the connection was lost during an operation
    OSError,
)
"""Every exception that a database operation may raise."""


def is_unavailable(error: Exception) -> bool:
    """Whether the database is unavailable or has a problem of its own, so that a retry may succeed.

    False if the server refuses the data, and for exceptions that do not come from the database.
    """
    cause = driver_error(error)
    if isinstance(cause, ValueError):  # asyncpg cannot encode an argument
        return False
    if isinstance(cause, asyncpg.PostgresError):
        return not is_about_data(cause)
    return isinstance(error, DATABASE_ERRORS)


def driver_error(error: Exception) -> BaseException | None:
    """The error of asyncpg behind an error of SQLAlchemy; any other error itself."""
    return error.orig.__cause__ if isinstance(error, DBAPIError) and error.orig is not None else error


def refuses_data(error: Exception) -> bool:
    """Whether the server is available and refuses the data of a statement."""
    return isinstance(error, DBAPIError) and not is_unavailable(error)


def is_locked(error: Exception) -> bool:
    """Whether a row or table stayed locked for longer than a statement waits."""
    return isinstance(driver_error(error), asyncpg.LockNotAvailableError)


def open_database(address: str, name: str, connections: int) -> AsyncEngine:
    """A pool of at most so many connections, opened on demand. ``name`` is their application name on the server.

    Parameters never appear in errors or logs: they may be personal data.
    """
    engine = create_async_engine(
        address,
        pool_size=connections,
        max_overflow=0,
        # The connection used last has its server process in the CPU caches; the others stay idle.
        pool_use_lifo=True,
        pool_timeout=TRANSACTION_S,
        hide_parameters=True,
        connect_args={
            "async_creator_fn": connect,
            "timeout": CONNECT_S,
            "server_settings": {"application_name": name, **SERVER_SETTINGS},
        },
    )
    leave_former_primary(engine)
    return engine


def leave_former_primary(engine: AsyncEngine) -> None:
    """Replace the connections of a pool when the server answers that it is read-only.

    After a failover the former primary comes back as a standby, and connections to it stay open. New ones lead to the
    primary, where the address does.
    """

    def close(context: ExceptionContext) -> None:
        if _is_read_only(context.original_exception.__cause__):
            context.is_disconnect = True

    event.listen(engine.sync_engine, "handle_error", close)


def _is_read_only(error: BaseException | None) -> bool:
    return isinstance(error, asyncpg.ReadOnlySQLTransactionError)


async def connect(*args: Any, **kwargs: Any) -> Any:
    """Open a connection. Raises `DatabaseUnreachable`: other parts of a request raise `OSError` as well, such as a file
    that cannot be read, and must not pass for a fault of the database."""
    try:
        return await asyncpg.connect(*args, **kwargs)
    except asyncpg.ConnectionDoesNotExistError:
        # A server refuses in the encoding of its own locale, GBK on a Chinese Windows, and asyncpg reads UTF-8 only.
        raise DatabaseUnreachable(
            "no connection to the database: the server ended it at once, perhaps with a refusal that is not in UTF-8; "
            "check user, password and name of the database, and read the reason in the server's log"
        ) from None
    except OSError as error:
        raise DatabaseUnreachable(f"no connection to the database: {error!r}") from error


@asynccontextmanager
async def transaction(database: AsyncEngine, limit_s: float = TRANSACTION_S) -> AsyncIterator[AsyncConnection]:
    """A transaction whose connection is closed when the limit, in machine seconds, is over.

    Raises `DBAPIError` then. No rollback is sent, since a server that hangs would not answer it.
    """
    async with database.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        guard = asyncio.get_running_loop().call_later(limit_s, driver.terminate)
        try:
            async with connection.begin():
                yield connection
        finally:
            guard.cancel()


async def clock_of(connection: AsyncConnection) -> datetime:
    """The present moment by the clock of the database's server."""
    now: datetime = await connection.scalar(text("SELECT clock_timestamp()"))
    return now


async def try_lock(connection: AsyncConnection, lock: int) -> bool:
    """Take an advisory lock until the end of the transaction, if no other process holds it. Returns whether it did.

    The transaction may then be idle for longer than others may, for an operation outside of the database.
    """
    await connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
    return bool(await connection.scalar(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": lock}))


class DedicatedConnection:
    """One connection kept for the batch loop, which executes the same few statements all day.

    It is used without SQLAlchemy, whose work for each statement costs as much as asyncpg and the network together
    (decision 0013). It serves one user at a time.
    """

    def __init__(self, database: AsyncEngine) -> None:
        self._database = database
        self._open: tuple[AsyncConnection, Driver] | None = None

    @asynccontextmanager
    async def acquire(self, limit_s: float = TRANSACTION_S) -> AsyncIterator[Driver]:
        """The connection, opened if necessary, and closed when the limit, in machine seconds, is over.

        Outside a transaction each statement commits by itself. Raises what asyncpg raises.
        """
        driver = await self._opened()
        guard = asyncio.get_running_loop().call_later(limit_s, driver.terminate)
        sound = False
        try:
            yield driver
            sound = True
        except asyncpg.PostgresError as error:
            # The server has answered, so the connection is intact. One to a former primary is of no use.
            sound = not _is_read_only(error)
            raise
        finally:
            guard.cancel()
            if not sound or driver.is_closed() or driver.is_in_transaction():
                await self.close()

    async def close(self) -> None:
        """Close the connection. `acquire` opens a new one."""
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
            while driver.is_closed():  # the server was restarted while it was in the pool
                await connection.invalidate()
                driver = (await connection.get_raw_connection()).driver_connection
            self._open = connection, driver
            try:
                # Every statement goes by key, so one plan serves all arguments.
                await driver.execute("SET plan_cache_mode = force_generic_plan", timeout=CONNECT_S)
            except BaseException:
                await self.close()
                raise
        return self._open[1]
