"""The state of a service's database, for the report of a process: one statement, at times two, and no row is locked."""

import shutil
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.messages.processes import Journal, Rollout, Stored
from services.runtime.store import rollouts
from services.runtime.store.chains import JOURNAL

MOST_COUNTED = 10_000
"""Rows up to which they are counted: more of them are as bad, and cost more to count."""

# A replayed or corrected letter is first in the order of its batches, by a time of 1970 which is not its age.
_STATE = """
    SELECT
        (SELECT count(*) FROM unpublished) AS unpublished,
        (SELECT greatest(0, extract(epoch FROM clock_timestamp() - min(created_at))) FROM unpublished
            WHERE created_at > '2000-01-01') AS oldest_unpublished_s,
        (SELECT count(*) FROM (SELECT FROM cases WHERE timer_at <= :now LIMIT :most) AS due) AS timers_due,
        (SELECT min(timer_at) FROM cases) AS next_timer_at,
        (SELECT count(*) FROM (SELECT FROM cases WHERE call_due_at <= clock_timestamp() LIMIT :most) AS due)
            AS calls_due,
        letters, blocked_cases,
        pg_database_size(current_database()) AS bytes,
        (SELECT setting FROM pg_settings WHERE name = 'data_directory') AS folder
        {journal}
    FROM (
        SELECT count(*) AS letters, count(DISTINCT case_id) FILTER (WHERE blocking) AS blocked_cases
        FROM (SELECT case_id, blocking FROM dead_letters WHERE status = 'parked' LIMIT :most) AS parked
    ) AS parked
"""

_JOURNAL = f"""
    , ({JOURNAL.reached_query}) AS chained_until, (SELECT max(day) FROM {JOURNAL.table}_roots) AS signed_day
"""

_STATES = {has_journal: text(_STATE.format(journal=_JOURNAL if has_journal else "")) for has_journal in (False, True)}
"""The statement, by whether the service has a journal."""


_LAST_BLOCK = text(f"""
    SELECT chain, number, day, chained_at, signature FROM {JOURNAL.table}
    WHERE day = (SELECT max(day) FROM {JOURNAL.table}) ORDER BY chained_at DESC, chain LIMIT 1
""")


class Disk(NamedTuple):
    """The disk of a database."""

    total: int
    free: int


async def read(connection: AsyncConnection, now: datetime, *, has_journal: bool, rules: str | None) -> Stored:
    """The state at ``now`` by the shared clock. ``rules``: the kind of the document that cases follow."""
    row = (await connection.execute(_STATES[has_journal], {"now": now, "most": MOST_COUNTED})).one()
    disk = disk_of(row.folder)
    late_s = (now - row.next_timer_at).total_seconds() if row.next_timer_at is not None else 0.0
    return Stored(
        unpublished=row.unpublished,
        oldest_unpublished_s=float(row.oldest_unpublished_s or 0),
        timers_due=row.timers_due,
        latest_timer_s=max(0.0, late_s),
        calls_due=row.calls_due,
        letters=row.letters,
        blocked_cases=row.blocked_cases,
        bytes=row.bytes,
        free_bytes=disk.free if disk is not None else None,
        disk_bytes=disk.total if disk is not None else None,
        rollout=await _rollout(connection, rules) if rules is not None else None,
        journal=_journal(row) if has_journal else None,
    )


async def last_block(connection: AsyncConnection) -> Row[Any] | None:
    """The block of the journal that was chained last: its chain, number, day and signature."""
    return (await connection.execute(_LAST_BLOCK)).one_or_none()


def disk_of(folder: str | None) -> Disk | None:
    """The disk of the database with this data directory; None where it is on another machine, or may not be seen."""
    try:
        if folder is None or not (Path(folder) / "PG_VERSION").is_file():
            return None
        usage = shutil.disk_usage(folder)
    except OSError:
        return None
    return Disk(usage.total, usage.free)


async def _rollout(connection: AsyncConnection, kind: str) -> Rollout | None:
    for found in await rollouts.history(connection, kind, 1):
        return Rollout(
            kind=kind,
            number=found.number,
            visited=found.visited,
            changed=found.changed,
            open_cases=found.open_cases,
            began_at=found.began_at,
            done_at=found.done_at,
        )
    return None


def _journal(row: Any) -> Journal:
    return Journal(
        chained_until=row.chained_until, signed_day=row.signed_day.isoformat() if row.signed_day is not None else None
    )
