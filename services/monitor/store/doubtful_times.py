"""Reads the table of doubtful times."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection


async def newest(connection: AsyncConnection, *, unresolved: bool, limit: int) -> Sequence[Row[Any]]:
    """At most ``limit`` doubtful times, newest first; only those that nobody has resolved if ``unresolved``."""
    condition = "resolved_at IS NULL" if unresolved else "TRUE"
    query = text(f"SELECT * FROM doubtful_times WHERE {condition} ORDER BY number DESC LIMIT :limit")
    return (await connection.execute(query, {"limit": limit})).all()
