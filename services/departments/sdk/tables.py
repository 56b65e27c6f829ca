"""Connections to a department's tables on which each statement is a transaction of its own."""

from typing import Any

from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from services.runtime.store.database import SERVER_SETTINGS, connect, leave_former_primary


def open_tables(address: str, name: str, connections: int, timeout_s: float | None = None) -> AsyncEngine:
    """A pool of at most ``connections`` in autocommit mode.

    So a statement costs one round trip instead of four. Statements that belong together are written as one, or run on
    ``execution_options(isolation_level="READ COMMITTED")``. ``name`` is the application name that the server shows.
    ``timeout_s``: seconds after which connecting, waiting for a connection or a statement fails. A statement waits a
    quarter of it for a row that another session has locked. Errors hide parameters, which may be personal data.
    """
    limits: dict[str, Any] = {}
    waits: dict[str, str] = {}
    if timeout_s is not None:
        limits = {"timeout": timeout_s, "command_timeout": timeout_s}
        waits = {"lock_timeout": f"{max(1, round(timeout_s * 250))}ms"}
    engine = create_async_engine(
        address,
        isolation_level="AUTOCOMMIT",
        pool_size=connections,
        max_overflow=0,
        pool_timeout=timeout_s or 30.0,
        hide_parameters=True,
        connect_args={
            "async_creator_fn": connect,
            "server_settings": {
                "application_name": name,
                # The style of dates and the zone are settings of the department's server. Times that are read as text
                # are ISO 8601, and a time without a zone is China's, also in a column with one.
                "datestyle": "ISO",
                "timezone": "Asia/Shanghai",
                **SERVER_SETTINGS,
                **waits,
            },
            **limits,
        },
    )
    event.listen(engine.sync_engine, "checkout", _still_open)
    leave_former_primary(engine)
    return engine


def _still_open(connection: Any, _: ConnectionPoolEntry, __: Any) -> None:
    """Replace a connection that the server has closed. The driver knows without a query."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError
