"""Connections to PostgreSQL."""

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

SERVER_SETTINGS = {
    "jit": "off",
    # Statements are prepared once and their plan is kept. Made while a table was still empty, it would read the
    # whole table, and go on doing so for minutes while the table grows: until the next ANALYZE. Everything that is
    # done often is done by key, so whole tables are read only where there is no other way.
    "enable_seqscan": "off",
}


_CONTENT = ("22", "23", "54")
"""Classes of SQLSTATE that speak of what was sent: data exception, constraint violation, program limit exceeded."""


def refused(error: Exception) -> bool:
    """Whether the server will not take what it was sent, now or later; else it is away or in trouble of its own."""
    if not isinstance(error, DBAPIError) or error.orig is None:
        return False
    state = getattr(error.orig, "sqlstate", None) or ""
    return state.startswith(_CONTENT) or isinstance(error.orig.__cause__, ValueError)


def open_database(address: str, name: str, connections: int, *, check: bool = False) -> AsyncEngine:
    """A pool of at most so many connections, opened as they are needed; ``name`` is what the server calls them.

    ``check``: see that a connection still works before it is used. Parameters never appear in errors or logs: they
    may be somebody's personal data.
    """
    return create_async_engine(
        address,
        pool_size=connections,
        max_overflow=0,
        pool_pre_ping=check,
        hide_parameters=True,
        connect_args={"server_settings": {"application_name": name, **SERVER_SETTINGS}},
    )
