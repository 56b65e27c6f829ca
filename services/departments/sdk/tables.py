"""Connections to a department's tables on which each statement is a transaction of its own."""

from typing import Any

from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from services.runtime.store.database import SERVER_SETTINGS


def open_tables(address: str, name: str, connections: int, timeout_s: float | None = None) -> AsyncEngine:
    """A pool of at most ``connections`` in autocommit mode.

    So a statement costs one round trip instead of four. Statements that belong together are written as one, or run on
    ``execution_options(isolation_level="READ COMMITTED")``. ``name`` is the application name that the server shows.
    ``timeout_s``: seconds after which connecting, waiting for a connection or a statement fails. Errors hide
    parameters, which may be personal data.
    """
    limits: dict[str, Any] = {} if timeout_s is None else {"timeout": timeout_s, "command_timeout": timeout_s}
    engine = create_async_engine(
        address,
        isolation_level="AUTOCOMMIT",
        pool_size=connections,
        max_overflow=0,
        pool_timeout=timeout_s or 30.0,
        hide_parameters=True,
        connect_args={
            # The style of dates is a setting of the department's server. Times that are read as text are ISO 8601.
            "server_settings": {"application_name": name, "datestyle": "ISO", **SERVER_SETTINGS},
            **limits,
        },
    )
    event.listen(engine.sync_engine, "checkout", _still_open)
    return engine


def _still_open(connection: Any, _: ConnectionPoolEntry, __: Any) -> None:
    """Replace a connection that the server has closed. The driver knows without a query."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError
