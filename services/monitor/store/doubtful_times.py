"""Reads the table of doubtful times."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

_UNSETTLED = text("""
    SELECT * FROM (
        SELECT *, row_number() OVER (place ORDER BY number) AS nth, count(*) OVER place AS of_place
        FROM doubtful_times WHERE settled_at IS NULL AND resolved_at IS NULL
        WINDOW place AS (PARTITION BY owner, region, matter)
    ) AS unsettled WHERE nth <= :limit ORDER BY number
""")


async def newest(connection: AsyncConnection, *, unresolved: bool, limit: int) -> Sequence[Row[Any]]:
    """At most ``limit`` doubtful times, newest first; only those that nobody has resolved if ``unresolved``."""
    condition = "resolved_at IS NULL" if unresolved else "TRUE"
    query = text(f"SELECT * FROM doubtful_times WHERE {condition} ORDER BY number DESC LIMIT :limit")
    return (await connection.execute(query, {"limit": limit})).all()


async def unsettled(connection: AsyncConnection, limit: int) -> Sequence[Row[Any]]:
    """The doubtful times that wait for a supervisor, oldest first: at most ``limit`` of an owner, region and matter.

    ``of_place`` counts all of this owner, region and matter.
    """
    return (await connection.execute(_UNSETTLED, {"limit": limit})).all()
