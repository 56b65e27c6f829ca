"""The recorded answers to the cases of another system, and their times.

A case has the reference of that system, which is the name of the requested item.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

AUDITED = """
    SELECT task_id, reference AS number, 'approved' AS outcome, delivered_at AS received_at, decided_at
    FROM recorded WHERE task_id IS NOT NULL
"""
"""The query by which the audit reads the ledger."""

_TABLE = """
    CREATE TABLE IF NOT EXISTS recorded (
        reference text PRIMARY KEY,
        decided_at timestamptz,
        task_id text UNIQUE,
        delivered_at timestamptz,
        reported boolean NOT NULL DEFAULT false
    )
"""

_WRITE = text("""
    INSERT INTO recorded (reference, decided_at)
    SELECT * FROM unnest(CAST(:references AS text[]), CAST(:decided AS timestamptz[]))
    ON CONFLICT DO NOTHING
""")

_DELIVER = text("""
    UPDATE recorded SET task_id = requested.task_id, delivered_at = coalesce(recorded.delivered_at, :now)
    FROM unnest(CAST(:references AS text[]), CAST(:tasks AS text[])) AS requested (reference, task_id)
    WHERE recorded.reference = requested.reference
    RETURNING recorded.reference, recorded.task_id, recorded.decided_at, recorded.delivered_at
""")

_DUE = text("""
    SELECT reference, task_id, decided_at, delivered_at FROM recorded
    WHERE NOT reported AND task_id IS NOT NULL AND decided_at <= :now ORDER BY decided_at LIMIT :limit
""")

_MARK_REPORTED = text("UPDATE recorded SET reported = true WHERE reference = ANY(:references)")

_UNREPORTED = text("SELECT count(*) FROM recorded WHERE NOT reported AND decided_at <= :now")


class RecordedEntry(NamedTuple):
    """One recorded answer. ``decided_at`` is None for a case that was still open when the recording ended."""

    reference: str
    task_id: str
    decided_at: datetime | None
    delivered_at: datetime


class RecordedLedger:
    """The table of recorded answers."""

    def __init__(self, database: AsyncEngine) -> None:
        self._database = database

    async def create(self) -> None:
        """Make the table unless it exists."""
        async with self._database.begin() as connection:
            await connection.execute(text(_TABLE))

    async def write(self, answers: Iterable[tuple[str, datetime | None]]) -> None:
        """Record answers: the reference of a case, and when it was decided."""
        pairs = list(answers)
        decided = [at for _, at in pairs]
        async with self._database.begin() as connection:
            await connection.execute(_WRITE, {"references": [name for name, _ in pairs], "decided": decided})

    async def deliver(self, tasks: Sequence[tuple[str, str]], now: datetime) -> dict[str, RecordedEntry]:
        """Note that these cases (reference, task id) have been requested. Returns their entries by reference."""
        references, ids = [name for name, _ in tasks], [task_id for _, task_id in tasks]
        async with self._database.begin() as connection:
            rows = await connection.execute(_DELIVER, {"references": references, "tasks": ids, "now": now})
            return {row.reference: _entry(row) for row in rows}

    async def due(self, now: datetime, limit: int) -> list[RecordedEntry]:
        """Answers decided by now to requested cases that have not been reported."""
        async with self._database.connect() as connection:
            return [_entry(row) for row in await connection.execute(_DUE, {"now": now, "limit": limit})]

    async def mark_reported(self, references: Sequence[str]) -> None:
        """Note that these answers have been reported."""
        async with self._database.begin() as connection:
            await connection.execute(_MARK_REPORTED, {"references": list(references)})

    async def unreported(self, now: datetime) -> int:
        """The number of answers decided by now that have not been reported."""
        async with self._database.connect() as connection:
            return int(await connection.scalar(_UNREPORTED, {"now": now}) or 0)


def _entry(row: Row[Any]) -> RecordedEntry:
    return RecordedEntry(row.reference, row.task_id, row.decided_at, row.delivered_at)
