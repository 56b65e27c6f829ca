"""The durable books of a stand-in office: one number a task, whatever happens.

They are what a run is checked against afterwards: how often each task came in, and that it has one number.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.messages.plans import Outcome
from services.departments.sandbox.behaviour import Mistake, SimulatedOutcome

_TABLES = (
    "SELECT pg_advisory_xact_lock(794116)",  # offices that share a database may open their books at once
    "CREATE SEQUENCE IF NOT EXISTS books_serial",
    """
    CREATE TABLE IF NOT EXISTS books (
        office text NOT NULL,
        task_id text NOT NULL,
        number text NOT NULL UNIQUE,
        received_at timestamptz NOT NULL,
        decide_at timestamptz NOT NULL,
        outcome text NOT NULL,
        mistake text,
        told_at timestamptz,
        submissions integer NOT NULL DEFAULT 1,
        PRIMARY KEY (office, task_id)
    ) WITH (fillfactor = 80)
    """,
    "CREATE INDEX IF NOT EXISTS books_untold ON books (office, decide_at) WHERE told_at IS NULL",
)

_TAKE = text("""
    INSERT INTO books (office, task_id, number, received_at, decide_at, outcome, mistake, told_at)
    SELECT :office, task_id, :mark || CASE WHEN n < 1000000 THEN lpad(n::text, 6, '0') ELSE n::text END,
        :now, decide_at, outcome, mistake, told_at
    FROM (
        SELECT *, nextval('books_serial') AS n
        FROM unnest(CAST(:task_ids AS text[]), CAST(:decide_ats AS timestamptz[]), CAST(:outcomes AS text[]),
            CAST(:mistakes AS text[]), CAST(:told_ats AS timestamptz[]))
            AS t (task_id, decide_at, outcome, mistake, told_at)
    ) AS applications
    ON CONFLICT (office, task_id) DO UPDATE SET submissions = books.submissions + 1, told_at = coalesce(
        books.told_at, CASE WHEN books.decide_at <= excluded.received_at THEN excluded.received_at END)
    RETURNING task_id, number, received_at, decide_at, outcome, mistake, submissions
""")

_UNTOLD = text("""
    SELECT task_id, number, received_at, decide_at, outcome, mistake, submissions FROM books
    WHERE office = :office AND told_at IS NULL AND decide_at <= :now ORDER BY decide_at LIMIT :limit
""")

_TOLD = text("""
    WITH mine AS MATERIALIZED (
        SELECT task_id FROM books WHERE office = :office AND task_id = ANY(:task_ids) ORDER BY task_id FOR UPDATE
    )
    UPDATE books SET told_at = :now FROM mine
    WHERE books.office = :office AND books.task_id = mine.task_id AND books.told_at IS NULL
""")

_ALL = text("""
    SELECT task_id, number, received_at, decide_at, outcome, mistake, submissions FROM books
    WHERE office = :office ORDER BY task_id
""")


AT_FIRST = Mistake.SILENT, Mistake.GARBLED_RECEIPT
"""Mistakes of the first answer."""


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One application in the books."""

    task_id: str
    number: str
    received_at: datetime
    decide_at: datetime
    outcome: Outcome
    mistake: Mistake | None
    submissions: int

    def decided(self, now: datetime) -> bool:
        return self.decide_at <= now

    def errs(self, mistake: Mistake) -> bool:
        """Whether this mistake is being made now: those of the first answer are made once."""
        return self.mistake is mistake and (self.submissions == 1 or mistake not in AT_FIRST)

    @property
    def certificate(self) -> str | None:
        """The number of the document that an approval comes with."""
        return f"证{self.number}" if self.outcome is Outcome.APPROVED else None

    @property
    def opinion(self) -> str:
        return "同意" if self.outcome is Outcome.APPROVED else "不符合条件"


class Ledger:
    """The books of one office, in a PostgreSQL database that several offices may share."""

    def __init__(self, database: AsyncEngine, office: str, prefix: str) -> None:
        self._database = database
        self._office = office
        self._prefix = prefix

    async def open(self) -> None:
        """Make the tables, unless they are there."""
        database = self._database.execution_options(isolation_level="READ COMMITTED")  # all in one transaction
        async with database.begin() as connection:
            for statement in _TABLES:
                await connection.execute(text(statement))

    async def take(self, fates: Mapping[str, SimulatedOutcome], now: datetime) -> dict[str, LedgerEntry]:
        """Enter new tasks with these fates; count one more submission of those already there.

        What is decided by now counts as told: it is in the answer. Should that be lost, whoever wants to know asks
        again.
        """
        task_ids = sorted(fates)  # in one order, so that two of these never wait for each other
        chosen = [fates[task_id] for task_id in task_ids]
        values = {
            "office": self._office,
            "mark": f"{self._prefix}〔{now.year}〕",
            "now": now,
            "task_ids": task_ids,
            "decide_ats": [fate.decide_at for fate in chosen],
            "outcomes": [fate.outcome.value for fate in chosen],
            "mistakes": [fate.mistake.value if fate.mistake else None for fate in chosen],
            "told_ats": [now if _told(fate, now) else None for fate in chosen],
        }
        async with self._database.begin() as connection:
            rows = await connection.execute(_TAKE, values)
        return {row.task_id: _entry(*row) for row in rows}

    async def unreported(self, now: datetime, limit: int) -> list[LedgerEntry]:
        """Decided by now, and not yet told."""
        async with self._database.connect() as connection:
            rows = await connection.execute(_UNTOLD, {"office": self._office, "now": now, "limit": limit})
            return [_entry(*row) for row in rows]

    async def mark_reported(self, task_ids: Sequence[str], now: datetime) -> None:
        """These decisions have been told and need not be told again."""
        async with self._database.begin() as connection:
            await connection.execute(_TOLD, {"office": self._office, "now": now, "task_ids": list(task_ids)})

    async def entries(self) -> dict[str, LedgerEntry]:
        """All of them, by task."""
        async with self._database.connect() as connection:
            rows = await connection.execute(_ALL, {"office": self._office})
            return {row.task_id: _entry(*row) for row in rows}


def _told(fate: SimulatedOutcome, now: datetime) -> bool:
    """Whether there is nothing left to tell about an application that has just been taken."""
    return fate.mistake is Mistake.LOST or (fate.decide_at <= now and fate.mistake not in AT_FIRST)


def _entry(
    task_id: str,
    number: str,
    received_at: datetime,
    decide_at: datetime,
    outcome: str,
    mistake: str | None,
    submissions: int,
) -> LedgerEntry:
    return LedgerEntry(
        task_id, number, received_at, decide_at, Outcome(outcome), Mistake(mistake) if mistake else None, submissions
    )
