"""Reads the table of platform issues."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection


async def newest(connection: AsyncConnection, *, unsettled: bool, limit: int) -> Sequence[Row[Any]]:
    """At most ``limit`` platform issues, newest first; only those that last if ``unsettled``."""
    condition = "settled_at IS NULL" if unsettled else "TRUE"
    query = text(f"SELECT * FROM platform_issues WHERE {condition} ORDER BY number DESC LIMIT :limit")
    return (await connection.execute(query, {"limit": limit})).all()
