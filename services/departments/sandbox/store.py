"""The durable ledger of a sandbox: one number for each task, however often it is submitted.

Tests and the audit compare it with the services: how often each task was submitted, and under which number.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.messages.plans import Outcome
from services.departments.sandbox.behaviour import Mistake, SimulatedOutcome
from services.departments.sandbox.ledger import IN_FIRST_ANSWER, LedgerEntry

AUDITED = "SELECT task_id, number, outcome, received_at, decide_at AS decided_at FROM ledger"
"""The query by which the audit reads the ledger."""

_TABLES = (
    "SELECT pg_advisory_xact_lock(794116)",  # sandboxes that share a database may make the tables at once
    "CREATE SEQUENCE IF NOT EXISTS ledger_serial",
    """
    CREATE TABLE IF NOT EXISTS ledger (
        system text NOT NULL,
        task_id text NOT NULL,
        number text NOT NULL UNIQUE,
        received_at timestamptz NOT NULL,
        decide_at timestamptz NOT NULL,
        outcome text NOT NULL,
        mistake text,
        reported_at timestamptz,
        submissions integer NOT NULL DEFAULT 1,
        PRIMARY KEY (system, task_id)
    ) WITH (fillfactor = 80)
    """,
    "CREATE INDEX IF NOT EXISTS ledger_unreported ON ledger (system, decide_at) WHERE reported_at IS NULL",
)

_TAKE = text(f"""
    INSERT INTO ledger (system, task_id, number, received_at, decide_at, outcome, mistake, reported_at)
    SELECT :system, task_id, :prefix || CASE WHEN n < 1000000 THEN lpad(n::text, 6, '0') ELSE n::text END,
        :now, decide_at, outcome, mistake, reported_at
    FROM (
        SELECT *, nextval('ledger_serial') AS n
        FROM unnest(CAST(:task_ids AS text[]), CAST(:decide_ats AS timestamptz[]), CAST(:outcomes AS text[]),
            CAST(:mistakes AS text[]), CAST(:reported_ats AS timestamptz[]))
            AS t (task_id, decide_at, outcome, mistake, reported_at)
    ) AS applications
    ON CONFLICT (system, task_id) DO UPDATE SET submissions = ledger.submissions + 1, reported_at = coalesce(
        ledger.reported_at, CASE WHEN ledger.decide_at <= excluded.received_at
            AND ledger.mistake IS DISTINCT FROM '{Mistake.CONTRADICTED.value}' THEN excluded.received_at END)
    RETURNING task_id, number, received_at, decide_at, outcome, mistake, submissions
""")

_UNREPORTED = text("""
    SELECT task_id, number, received_at, decide_at, outcome, mistake, submissions FROM ledger
    WHERE system = :system AND reported_at IS NULL AND decide_at <= :now ORDER BY decide_at LIMIT :limit
""")

_MARK_REPORTED = text("""
    WITH own AS MATERIALIZED (
        SELECT task_id FROM ledger WHERE system = :system AND task_id = ANY(:task_ids) ORDER BY task_id FOR UPDATE
    )
    UPDATE ledger SET reported_at = :now FROM own
    WHERE ledger.system = :system AND ledger.task_id = own.task_id AND ledger.reported_at IS NULL
""")

_ALL = text("""
    SELECT task_id, number, received_at, decide_at, outcome, mistake, submissions FROM ledger
    WHERE system = :system ORDER BY task_id
""")


class Ledger:
    """The ledger of one system, in a PostgreSQL database that several systems may share."""

    def __init__(self, database: AsyncEngine, system: str, prefix: str) -> None:
        self._database = database
        self._system = system
        self._prefix = prefix

    async def open(self) -> None:
        """Make the tables unless they exist."""
        database = self._database.execution_options(isolation_level="READ COMMITTED")  # one transaction for all
        async with database.begin() as connection:
            for statement in _TABLES:
                await connection.execute(text(statement))

    async def take(self, outcomes: Mapping[str, SimulatedOutcome], now: datetime) -> dict[str, LedgerEntry]:
        """Enter new tasks with these outcomes; count one more submission of tasks that are there already.

        A task that is decided by now counts as reported, since the decision is in the answer. If that is lost, the
        platform submits the task again.
        """
        task_ids = sorted(outcomes)  # rows are locked in one order, so that concurrent calls cannot deadlock
        drawn = [outcomes[task_id] for task_id in task_ids]
        values = {
            "system": self._system,
            "prefix": f"{self._prefix}〔{now.year}〕",
            "now": now,
            "task_ids": task_ids,
            "decide_ats": [one.decide_at for one in drawn],
            "outcomes": [one.outcome.value for one in drawn],
            "mistakes": [one.mistake.value if one.mistake else None for one in drawn],
            "reported_ats": [now if _nothing_to_report(one, now) else None for one in drawn],
        }
        async with self._database.begin() as connection:
            rows = await connection.execute(_TAKE, values)
        return {row.task_id: _entry(row) for row in rows}

    async def unreported(self, now: datetime, limit: int) -> list[LedgerEntry]:
        """Applications decided by now whose decision has not been reported."""
        async with self._database.connect() as connection:
            rows = await connection.execute(_UNREPORTED, {"system": self._system, "now": now, "limit": limit})
            return [_entry(row) for row in rows]

    async def mark_reported(self, task_ids: Sequence[str], now: datetime) -> None:
        """Note that the decisions on these tasks have been reported."""
        async with self._database.begin() as connection:
            await connection.execute(_MARK_REPORTED, {"system": self._system, "now": now, "task_ids": list(task_ids)})

    async def entries(self) -> dict[str, LedgerEntry]:
        """All entries by task id."""
        async with self._database.connect() as connection:
            rows = await connection.execute(_ALL, {"system": self._system})
            return {row.task_id: _entry(row) for row in rows}


def _nothing_to_report(drawn: SimulatedOutcome, now: datetime) -> bool:
    """Whether no notification of an application that has just been taken will follow."""
    return drawn.mistake is Mistake.LOST or (
        drawn.decide_at <= now and drawn.mistake not in (*IN_FIRST_ANSWER, Mistake.CONTRADICTED)
    )


def _entry(row: Row[Any]) -> LedgerEntry:
    outcome, mistake = Outcome(row.outcome), Mistake(row.mistake) if row.mistake else None
    return LedgerEntry(row.task_id, row.number, row.received_at, row.decide_at, outcome, mistake, row.submissions)
