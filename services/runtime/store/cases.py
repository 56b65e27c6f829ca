"""The statements on the table ``cases``. Each handles a whole batch, however large.

The state of a case, the ids of the messages it has processed, and its timers are one row. ``processed_ids`` is one
byte string, sixteen bytes an id, because it is always read and written whole. Every write increments the version of
the case, so a process that holds version n holds the row as it was written.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.runtime.store import documents
from services.runtime.store.database import Driver
from services.runtime.store.outbox import OutboxMessage

MAX_PROCESSED_IDS = 128
"""Message ids kept in a case. A message repeated after more than that many others meets an idempotent core."""


class VersionConflict(Exception):
    """Another process wrote a case between our load and our save, or the rules changed. Retry the batch."""


@dataclass(slots=True)
class CaseRow:
    """A row of the table.

    ``timer_at`` is a moment of the shared clock: the next deadline. The others are machine time: the case waits for
    an answer until ``retry_at``; its external call is due at ``call_due_at`` or, while a process makes it, leased until
    then. Each is None where there is nothing to wait for.
    """

    case_id: str
    version: int
    state: str
    processed_ids: bytes
    timer_at: datetime | None = None
    retry_at: datetime | None = None
    call_due_at: datetime | None = None
    closed_at: datetime | None = None


_COLUMNS = "case_id, version, state, processed_ids, timer_at, retry_at, call_due_at, closed_at"

_IS_BLOCKED = """EXISTS (
    SELECT FROM dead_letters WHERE dead_letters.case_id = wanted.case_id AND status = 'parked' AND blocking)"""

_LOAD = f"""
    SELECT {_COLUMNS}, {_IS_BLOCKED}
    FROM unnest($1::text[]) AS wanted (case_id) LEFT JOIN cases USING (case_id)
"""

_TIMER_DUE = f"""
    SELECT {_COLUMNS}, {_IS_BLOCKED} FROM cases AS wanted
    WHERE timer_at <= $1 ORDER BY timer_at LIMIT $2 FOR UPDATE SKIP LOCKED
"""

_RETRY_DUE = f"""
    SELECT {_COLUMNS}, {_IS_BLOCKED} FROM cases AS wanted
    WHERE retry_at <= $1 ORDER BY retry_at LIMIT $2 FOR UPDATE SKIP LOCKED
"""

_OPEN = f"""
    SELECT {_COLUMNS}, {_IS_BLOCKED}, ordinal FROM cases AS wanted
    WHERE ordinal > $1 AND ordinal <= $2 AND closed_at IS NULL ORDER BY ordinal LIMIT $3
"""

_NEXT_TIMERS = "SELECT (SELECT min(timer_at) FROM cases), (SELECT min(retry_at) FROM cases), clock_timestamp()"

_SAVE = """
    WITH saved AS (
        INSERT INTO cases (case_id, version, state, processed_ids, timer_at, retry_at, call_due_at, closed_at)
        SELECT case_id, {version}, state, processed_ids, timer_at, retry_at, call_due_at, closed_at
        FROM unnest($1::text[], $2::int[], $3::text[], $4::bytea[], $5::timestamptz[], $6::timestamptz[],
            $7::timestamptz[], $8::timestamptz[])
            AS row (case_id, version, state, processed_ids, timer_at, retry_at, call_due_at, closed_at)
        -- On a stale version divide by zero, which aborts the statement. A constraint would do so as well, but the
        -- server would write the failing row, an applicant's name in it, into its log.
        ON CONFLICT (case_id) DO UPDATE SET
            version = CASE WHEN cases.version = excluded.version - 1 THEN excluded.version
                ELSE excluded.version / 0 END,
            state = excluded.state, processed_ids = excluded.processed_ids, timer_at = excluded.timer_at,
            retry_at = excluded.retry_at, call_due_at = excluded.call_due_at, closed_at = excluded.closed_at
    ), added AS (
        INSERT INTO outbox (case_id, message_id, topic, event)
        SELECT * FROM unnest($9::text[], $10::uuid[], $11::text[], $12::text[])
        ON CONFLICT DO NOTHING
    ), pending AS (
        INSERT INTO unpublished (batch_id, case_ids, message_ids)
        SELECT $13::uuid, $9::text[], $10::uuid[] WHERE cardinality($10::uuid[]) > 0
    ){changes}
    -- A relay that is publishing one of these batches has locked its row and deletes it itself.
    DELETE FROM unpublished WHERE batch_id IN (
        SELECT batch_id FROM unpublished WHERE batch_id = ANY($14::uuid[]) FOR UPDATE SKIP LOCKED)
"""

_BY_RULES = f"CASE WHEN $16 = ({documents.NUMBER_IN_FORCE.format(kind='$15')}) THEN version ELSE version / 0 END"
"""Aborts as well if the batch was reduced by rules that are no longer in force."""

_RECORD_CHANGES = """, changed AS (
        INSERT INTO changed_cases (case_ids) SELECT $1::text[] WHERE cardinality($1::text[]) > 0
    )"""

_SAVES = {
    (by_rules, recorded): _SAVE.format(
        version=_BY_RULES if by_rules else "version", changes=_RECORD_CHANGES if recorded else ""
    )
    for by_rules in (False, True)
    for recorded in (False, True)
}
"""The statement, by whether cases follow rules, and whether changes are recorded for a job of the service."""


_CLAIM_CALLS = f"""
    UPDATE cases SET call_due_at = $1, version = version + 1 WHERE case_id IN (
        SELECT case_id FROM cases WHERE call_due_at <= $2 ORDER BY call_due_at LIMIT $3 FOR UPDATE SKIP LOCKED
    ) RETURNING {_COLUMNS}
"""


_STATE = text("SELECT state FROM cases WHERE case_id = :case_id")

_DELETE_CLOSED = text("""
    DELETE FROM cases WHERE case_id IN (
        SELECT case_id FROM cases WHERE closed_at < :before
            AND timer_at IS NULL AND retry_at IS NULL AND call_due_at IS NULL
        ORDER BY closed_at LIMIT :limit FOR UPDATE SKIP LOCKED)
""")


@dataclass(frozen=True, slots=True)
class LoadedRows:
    """Rows by case id, and the cases with a parked message that later messages must wait for."""

    rows: dict[str, CaseRow]
    blocked: set[str]


async def load(driver: Driver, case_ids: Sequence[str]) -> LoadedRows:
    """Load these cases. Nothing is locked: `save` detects a write in between."""
    return _loaded(await driver.fetch(_LOAD, case_ids))


async def load_due(driver: Driver, now: datetime, machine_now: datetime | None, limit: int) -> LoadedRows:
    """Lock and load the cases whose timer or retry is due, skipping rows that another process has locked.

    Without ``machine_now`` no retries are loaded.
    """
    found = await driver.fetch(_TIMER_DUE, now, limit)
    if len(found) < limit and machine_now is not None:
        found += await driver.fetch(_RETRY_DUE, machine_now, limit - len(found))
    return _loaded(found)


async def load_open(driver: Driver, after: int, until: int, limit: int) -> tuple[LoadedRows, int | None]:
    """Load the first open cases with ordinals after ``after`` up to and including ``until``; also the last ordinal.

    Nothing is locked, since locking a row writes it: `save` detects a write in between.
    """
    found = await driver.fetch(_OPEN, after, until, limit)
    return _loaded(columns for *columns, _ in found), found[-1]["ordinal"] if found else None


async def next_timers(driver: Driver) -> tuple[datetime | None, datetime | None, datetime]:
    """When the next timer is due, by the shared clock, and the next retry, in machine time; and the present moment of
    the database's server."""
    timer_at, retry_at, now = await driver.fetchrow(_NEXT_TIMERS)
    return timer_at, retry_at, now


async def save(
    driver: Driver,
    rows: Sequence[CaseRow],
    messages: Sequence[OutboxMessage],
    published: Sequence[UUID],
    rules: tuple[str, int] | None = None,
    *,
    record_changes: bool = False,
) -> UUID:
    """Save a batch in one statement: its cases, its messages into the outbox, and the marks of published batches.

    Returns the id under which the messages of this batch wait for publication. Raises `VersionConflict` if another
    process has written one of the cases since it was loaded, or if ``rules``, the kind and number of a document
    version, are no longer in force. ``record_changes``: add the cases to the table of changed cases.
    ``rows`` must be ordered by case id, so that batches never deadlock.
    """
    batch_id = uuid4()
    try:
        await driver.execute(
            _SAVES[rules is not None, record_changes],
            [row.case_id for row in rows],
            [row.version for row in rows],
            [row.state for row in rows],
            [row.processed_ids for row in rows],
            [row.timer_at for row in rows],
            [row.retry_at for row in rows],
            [row.call_due_at for row in rows],
            [row.closed_at for row in rows],
            [one.case_id for one in messages],
            [one.message_id for one in messages],
            [one.topic for one in messages],
            [one.event.decode() for one in messages],
            batch_id,
            published,
            *(rules or ()),
        )
    except asyncpg.DivisionByZeroError as error:
        raise VersionConflict from error
    return batch_id


async def claim_calls(driver: Driver, now: datetime, lease_until: datetime, limit: int) -> list[CaseRow]:
    """Lease and load cases whose external call is due. Both moments are machine time."""
    return [CaseRow(*record) for record in await driver.fetch(_CLAIM_CALLS, lease_until, now, limit)]


async def state_of(database: AsyncEngine, case_id: str) -> str | None:
    """The state of a case as last committed, JSON, or None."""
    async with database.connect() as connection:
        state: str | None = await connection.scalar(_STATE, {"case_id": case_id})
    return state


async def delete_closed(connection: AsyncConnection, before: datetime, limit: int) -> int:
    """Delete at most ``limit`` cases closed before that moment. Returns how many."""
    result = await connection.execute(_DELETE_CLOSED, {"before": before, "limit": limit})
    return int(result.rowcount)


def _loaded(records: Iterable[Iterable[Any]]) -> LoadedRows:
    rows: dict[str, CaseRow] = {}
    blocked: set[str] = set()
    for case_id, version, *columns, is_blocked in records:
        if version is not None:
            rows[case_id] = CaseRow(case_id, version, *columns)
        if is_blocked:
            blocked.add(case_id)
    return LoadedRows(rows, blocked)
