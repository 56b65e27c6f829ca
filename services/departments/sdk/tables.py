"""Tables on which each statement stands for itself: no transaction around it, no question before it."""

from typing import Any

from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from services.runtime.store.database import SERVER_SETTINGS


def open_tables(address: str, name: str, connections: int, timeout_s: float | None = None) -> AsyncEngine:
    """A pool of at most so many connections on which each statement is committed by itself.

    So a statement costs one round trip and not four. Several that belong together are written as one, or run on
    ``execution_options(isolation_level="READ COMMITTED")``. ``name`` is what the server calls the connections.
    ``timeout_s``: seconds after which connecting, waiting for a connection or a statement has failed. Parameters
    never appear in errors: they may be somebody's personal data.
    """
    limits: dict[str, Any] = {} if timeout_s is None else {"timeout": timeout_s, "command_timeout": timeout_s}
    engine = create_async_engine(
        address,
        isolation_level="AUTOCOMMIT",
        pool_size=connections,
        max_overflow=0,
        pool_timeout=timeout_s or 30.0,
        hide_parameters=True,
        connect_args={"server_settings": {"application_name": name, **SERVER_SETTINGS}, **limits},
    )
    event.listen(engine.sync_engine, "checkout", _still_open)
    return engine


def _still_open(connection: Any, _: ConnectionPoolEntry, __: Any) -> None:
    """Have a connection that the server has closed replaced. It says so when it stops; nobody need ask it."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError
