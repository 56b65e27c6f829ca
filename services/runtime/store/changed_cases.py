"""The cases that batches have changed, until a job of the service has followed: one row a batch, in its commit.

A row is claimed by being deleted, and never by its number: batches commit in another order than they are numbered in.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

TABLES = (
    """
    CREATE TABLE changed_cases (
        number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        case_ids text[] NOT NULL,
        changed_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "COMMENT ON TABLE changed_cases IS 'batches whose changed cases a job has yet to follow'",
    "COMMENT ON COLUMN changed_cases.changed_at IS 'machine time'",
)

_OLDEST = text("SELECT changed_at FROM changed_cases ORDER BY number LIMIT 1")

# Rows up to the one that reaches the limit; one row alone may exceed it.
_CLAIM = text("""
    DELETE FROM changed_cases WHERE number IN (
        SELECT number FROM (
            SELECT number, cardinality(case_ids) AS own, sum(cardinality(case_ids)) OVER (ORDER BY number) AS total
            FROM (SELECT number, case_ids FROM changed_cases ORDER BY number LIMIT :limit) AS first
        ) AS counted WHERE total - own < :limit
    ) RETURNING case_ids
""")

_STATES = text("SELECT case_id, state FROM cases WHERE case_id = ANY(:case_ids)")

_RECORD_ALL = text("""
    INSERT INTO changed_cases (case_ids)
    SELECT array_agg(case_id) FROM (SELECT case_id, row_number() OVER (ORDER BY case_id) / 1000 AS part FROM cases)
    GROUP BY part
""")


async def oldest(connection: AsyncConnection) -> datetime | None:
    """When the first of these batches was committed, in machine time; None if there is none."""
    found: datetime | None = await connection.scalar(_OLDEST)
    return found


async def claim(connection: AsyncConnection, limit: int) -> list[str]:
    """Take the next batches, as many as have about ``limit`` cases. Returns their cases, each once, in order.

    They are back if the transaction fails. Only one process may claim at a time.
    """
    found = await connection.scalars(_CLAIM, {"limit": limit})
    return sorted({case_id for case_ids in found for case_id in case_ids})


async def states(connection: AsyncConnection, case_ids: Sequence[str]) -> Sequence[Row[Any]]:
    """The present states of these cases, JSON, as far as they are stored: at least as new as the claimed batches."""
    return (await connection.execute(_STATES, {"case_ids": list(case_ids)})).all()


async def record_all(connection: AsyncConnection) -> None:
    """Record every stored case as changed, so that the job follows all of them anew."""
    await connection.execute(_RECORD_ALL)
