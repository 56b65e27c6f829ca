"""Counts the facts of commitments by day and by month, and keeps the counts while facts change.

The tables ``commitment_facts`` and ``figures``. A fact that changes is counted anew: what its former row had counted is
subtracted and what its new row counts is added, in the same statement that writes the row.
"""

from collections.abc import Sequence
from typing import Any

from pydantic_core import to_json
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.monitor.core.board.facts import CommitmentFacts
from services.monitor.core.board.figures import COUNTED

LOCK = 794_119
"""The advisory lock of everything that counts: one process at a time does."""

OWNER, REGION, ITEM, MONTH = 1, 2, 4, 8
"""What the rows of a level tell apart; 0 in a level means that they are counted together. ``MONTH``: by month and not
by day."""

LEVELS = (OWNER | REGION | ITEM, OWNER | REGION, OWNER | ITEM, OWNER, REGION)
"""The levels that are counted, by day and by month."""

_FACTS = ", ".join(CommitmentFacts._fields)

_SET = ", ".join(f"{name} = excluded.{name}" for name in CommitmentFacts._fields[2:])

# Each fact as the days on which it counts, what it counts there as, and how much.
_COUNTED = """
    SELECT kind, owner, region, matter, day, counted, sign * amount AS amount
    FROM {facts} CROSS JOIN LATERAL (
        VALUES (opened_on, 'received', 1),
            (ended_on, 'closed', 1),
            (ended_on, 'on_time', CAST(on_time AS integer)),
            (ended_on, 'early', CAST(on_time AND ended_on < due_on AS integer)),
            (ended_on, 'same_day', CAST(ended_on = opened_on AS integer)),
            (ended_on, 'days_used', days_used),
            (ended_on, 'days_committed', days_committed),
            (ended_on, 'days_statutory', days_statutory),
            (due_on, 'due_open', CAST(ended_on IS NULL AND NOT paused AS integer))
        UNION ALL
        SELECT event_day, event, 1 FROM unnest(event_days, events) AS happened (event_day, event)
    ) AS contributions (day, counted, amount)
    WHERE day IS NOT NULL AND amount <> 0
"""

_SUMS = ", ".join(f"coalesce(sum(amount) FILTER (WHERE counted = '{name}'), 0) AS {name}" for name in COUNTED)

_DAY_OR_MONTH = ("day", "month")


def _levels() -> str:
    """Every level as a grouping set."""
    columns = {OWNER: "owner", REGION: "region", ITEM: "matter"}
    return ", ".join(
        f"(kind, {day}{''.join(f', {column}' for flag, column in columns.items() if level & flag)})"
        for level in LEVELS
        for day in _DAY_OR_MONTH
    )


_COUNTS_SOMETHING = " OR ".join(f"{name} <> 0" for name in COUNTED)

# First by day and everything else, so that the many levels are sums of few rows. Keys are inserted in one order.
_COUNT = f"""
    INSERT INTO figures (level, kind, day, owner, region, matter, {", ".join(COUNTED)})
    SELECT * FROM (
        SELECT CASE WHEN grouping(owner) = 0 THEN {OWNER} ELSE 0 END
                + CASE WHEN grouping(region) = 0 THEN {REGION} ELSE 0 END
                + CASE WHEN grouping(matter) = 0 THEN {ITEM} ELSE 0 END
                + CASE WHEN grouping(month) = 0 THEN {MONTH} ELSE 0 END AS level,
            kind, coalesce(day, month) AS day, coalesce(owner, '') AS owner, coalesce(region, '') AS region,
            coalesce(matter, '') AS matter, {", ".join(f"sum({name}) AS {name}" for name in COUNTED)}
        FROM (
            SELECT kind, owner, region, matter, day, CAST(date_trunc('month', day) AS date) AS month, {_SUMS}
            FROM ({{counted}}) AS counted GROUP BY kind, owner, region, matter, day
        ) AS base
        GROUP BY GROUPING SETS ({_levels()})
    ) AS counted
    WHERE {_COUNTS_SOMETHING}
    ON CONFLICT (level, kind, day, owner, region, matter) DO UPDATE
    SET {", ".join(f"{name} = figures.{name} + excluded.{name}" for name in COUNTED)}
"""

# All parts see the facts as they were before: ``former`` is what ``written`` and ``gone`` replace.
_WRITE = text(f"""
    WITH present AS (
        SELECT {_FACTS} FROM jsonb_populate_recordset(CAST(NULL AS commitment_facts), CAST(:facts AS jsonb))
    ), known AS (
        SELECT {_FACTS} FROM commitment_facts WHERE case_id = ANY(:case_ids)
    ), latest AS (
        SELECT * FROM present EXCEPT SELECT * FROM known
    ), former AS (
        SELECT * FROM known EXCEPT SELECT * FROM present
    ), written AS (
        INSERT INTO commitment_facts ({_FACTS}) SELECT * FROM latest ORDER BY case_id, commitment
        ON CONFLICT (case_id, commitment) DO UPDATE SET {_SET}
    ), gone AS (
        DELETE FROM commitment_facts WHERE (case_id, commitment) IN (
            SELECT case_id, commitment FROM former EXCEPT SELECT case_id, commitment FROM latest)
    ), changes AS (
        SELECT *, 1 AS sign FROM latest UNION ALL SELECT *, -1 FROM former
    )
    {_COUNT.format(counted=_COUNTED.format(facts="changes"))}
""")

_KEY = "level, kind, day, owner, region, matter"

_FORMER = text(f"CREATE TEMPORARY TABLE former ON COMMIT DROP AS SELECT {_KEY}, {', '.join(COUNTED)} FROM figures")

_CLEAR = text("DELETE FROM figures")

_RECOUNT = text(
    _COUNT.format(counted=_COUNTED.format(facts="(SELECT *, 1 AS sign FROM commitment_facts) AS commitment_facts"))
)

# A row without counts is as good as none.
_DIFFERENT = text(f"""
    SELECT count(*) FROM (
        SELECT * FROM former WHERE {_COUNTS_SOMETHING}
    ) AS former FULL JOIN figures USING ({_KEY})
    WHERE ({", ".join(f"former.{name}" for name in COUNTED)}) IS DISTINCT FROM
        ({", ".join(f"figures.{name}" for name in COUNTED)})
""")

_LOCK = text("SELECT pg_advisory_xact_lock(:lock)")


async def write_facts(connection: AsyncConnection, case_ids: Sequence[str], facts: Sequence[CommitmentFacts]) -> None:
    """Replace the facts of these cases, and the counts that follow from them. Only one process may write at a time.

    A case without facts loses those that it had.
    """
    rows: list[dict[str, Any]] = [one._asdict() for one in facts]
    await connection.execute(_WRITE, {"case_ids": list(case_ids), "facts": to_json(rows).decode()})


async def recount(connection: AsyncConnection) -> int:
    """Count all facts anew, while nothing else counts. Returns how many rows were different: 0, unless somebody has
    written to the tables."""
    await connection.execute(_LOCK, {"lock": LOCK})
    await connection.execute(_FORMER)
    await connection.execute(_CLEAR)
    await connection.execute(_RECOUNT)
    different: int = await connection.scalar(_DIFFERENT)
    return different
