"""The statements on the cases of a service: each handles a whole batch, however large.

The state of a case, the ids of the messages it has processed, and its timers stand in one row. ``processed_ids`` is one
string of bytes, sixteen an id: it is read and written whole, and PostgreSQL needs no array of arrays for it. Every
write of a case counts its version
up, so that who holds version n knows all that its row says.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.store import documents
from services.runtime.store.database import Driver
from services.runtime.store.outbox import OutboxMessage

MAX_PROCESSED_IDS = 128
"""How many message ids a case remembers. A message repeated later than that meets an idempotent core."""


class VersionConflict(Exception):
    """Another process wrote a case between our reading and our writing it; the batch is to be done again."""


@dataclass(slots=True)
class CaseRow:
    """A case as it stands in the table, on its way through a batch.

    ``timer_at`` is a moment of the settable clock, the other alarms are machine time: ``retry_at`` is until when the
    case waits for an answer, ``call_due_at`` when to put its open question to the outside world; while that is being
    put,
    the end of the lease. Each is None where there is nothing to wait for.
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
    SELECT FROM dead_letters WHERE dead_letters.case_id = asked.case_id AND status = 'parked' AND blocking)"""

_LOAD = f"""
    SELECT {_COLUMNS}, {_IS_BLOCKED}
    FROM unnest($1::text[]) AS asked (case_id) LEFT JOIN cases USING (case_id)
"""

_DUE = f"""
    SELECT {_COLUMNS}, {_IS_BLOCKED} FROM cases AS asked
    WHERE timer_at <= $1 ORDER BY timer_at LIMIT $2 FOR UPDATE SKIP LOCKED
"""

_WAITED = f"""
    SELECT {_COLUMNS}, {_IS_BLOCKED} FROM cases AS asked
    WHERE retry_at <= $1 ORDER BY retry_at LIMIT $2 FOR UPDATE SKIP LOCKED
"""

_OPEN = f"""
    SELECT {_COLUMNS}, {_IS_BLOCKED} FROM cases AS asked
    WHERE case_id > $1 AND case_id <= $2 AND closed_at IS NULL ORDER BY case_id
"""

_NEXT = "SELECT (SELECT min(timer_at) FROM cases), (SELECT min(retry_at) FROM cases)"

_SAVE = """
    WITH saved AS (
        INSERT INTO cases (case_id, version, state, processed_ids, timer_at, retry_at, call_due_at, closed_at)
        SELECT case_id, {version}, state, processed_ids, timer_at, retry_at, call_due_at, closed_at
        FROM unnest($1::text[], $2::int[], $3::text[], $4::bytea[], $5::timestamptz[], $6::timestamptz[],
            $7::timestamptz[], $8::timestamptz[])
            AS row (case_id, version, state, processed_ids, timer_at, retry_at, call_due_at, closed_at)
        -- A version that is not the next one becomes none, which its column refuses, and nothing is written.
        ON CONFLICT (case_id) DO UPDATE SET
            version = CASE WHEN cases.version = excluded.version - 1 THEN excluded.version END,
            state = excluded.state, processed_ids = excluded.processed_ids, timer_at = excluded.timer_at, retry_at =
            excluded.retry_at,
            call_due_at = excluded.call_due_at, closed_at = excluded.closed_at
    ), said AS (
        INSERT INTO outbox (case_id, message_id, topic, event)
        SELECT * FROM unnest($9::text[], $10::uuid[], $11::text[], $12::text[])
        ON CONFLICT DO NOTHING
    ), noted AS (
        INSERT INTO unpublished (batch_id, case_ids, message_ids)
        SELECT $13::uuid, $9::text[], $10::uuid[] WHERE cardinality($10::uuid[]) > 0
    )
    -- Who publishes one of them again meanwhile deletes it himself.
    DELETE FROM unpublished WHERE batch_id IN (
        SELECT batch_id FROM unpublished WHERE batch_id = ANY($14::uuid[]) FOR UPDATE SKIP LOCKED)
"""

_SAVE_ALWAYS = _SAVE.format(version="version")

_SAVE_BY_EDITION = _SAVE.format(version=f"CASE WHEN $15 = ({documents.LATEST}) THEN version END")
"""Folded by rules that are no longer in force, a version becomes none as well."""


_CLAIM_CALLS = f"""
    UPDATE cases SET call_due_at = $1, version = version + 1 WHERE case_id IN (
        SELECT case_id FROM cases WHERE call_due_at <= $2 ORDER BY call_due_at LIMIT $3 FOR UPDATE SKIP LOCKED
    ) RETURNING {_COLUMNS}
"""


_FORGET_CASES = text("""
    DELETE FROM cases WHERE case_id IN (
        SELECT case_id FROM cases WHERE closed_at < :before
            AND timer_at IS NULL AND retry_at IS NULL AND call_due_at IS NULL
        ORDER BY closed_at LIMIT :limit FOR UPDATE SKIP LOCKED)
""")


@dataclass(frozen=True, slots=True)
class LoadedRows:
    """Cases as they stand, by case id, and which of them have a parked message that later ones must wait behind."""

    rows: dict[str, CaseRow]
    blocked: set[str]


async def load(driver: Driver, case_ids: Sequence[str]) -> LoadedRows:
    """Read these cases as they stand. Nothing is locked: `save` notices whoever comes between."""
    return _loaded(await driver.fetch(_LOAD, case_ids))


async def load_due(driver: Driver, now: datetime, machine_now: datetime | None, limit: int) -> LoadedRows:
    """Lock and read the cases whose alarm has come, by either clock, passing over those that another process holds.

    Without ``machine_now`` those that wait for an answer are left to wait.
    """
    found = await driver.fetch(_DUE, now, limit)
    if len(found) < limit and machine_now is not None:
        found += await driver.fetch(_WAITED, machine_now, limit - len(found))
    return _loaded(found)


async def load_open(driver: Driver, after: str, last: str) -> LoadedRows:
    """Read the open cases between two numbers, the second one included.

    Nothing is locked: to lock a row is to write it, and `save` notices whoever comes between.
    """
    return _loaded(await driver.fetch(_OPEN, after, last))


def _loaded(records: Iterable[asyncpg.Record]) -> LoadedRows:
    rows: dict[str, CaseRow] = {}
    blocked: set[str] = set()
    for case_id, version, *columns, is_blocked in records:
        if version is not None:
            rows[case_id] = CaseRow(case_id, version, *columns)
        if is_blocked:
            blocked.add(case_id)
    return LoadedRows(rows, blocked)


async def next_timers(driver: Driver) -> tuple[datetime | None, datetime | None]:
    """The next moment of the settable clock, and of machine time, at which a case wants to be woken."""
    timer_at, retry_at = await driver.fetchrow(_NEXT)
    return timer_at, retry_at


async def save(
    driver: Driver,
    rows: Sequence[CaseRow],
    said: Sequence[OutboxMessage],
    published: Sequence[UUID],
    edition: int | None = None,
) -> UUID:
    """Write a batch: its cases, its messages into the outbox, and that earlier batches are known to be in Kafka.

    All of it or nothing: it is one statement. The id under which this batch's messages wait for publication. Raises
    `VersionConflict` if any of the cases has been written by another since it was read, or if ``edition``, by which
    they were
    folded, is not in force any longer. ``rows`` are in the order of their case ids, so that batches never deadlock.
    """
    batch = uuid4()
    by_edition = () if edition is None else (edition,)
    try:
        await driver.execute(
            _SAVE_ALWAYS if edition is None else _SAVE_BY_EDITION,
            [row.case_id for row in rows],
            [row.version for row in rows],
            [row.state for row in rows],
            [row.processed_ids for row in rows],
            [row.timer_at for row in rows],
            [row.retry_at for row in rows],
            [row.call_due_at for row in rows],
            [row.closed_at for row in rows],
            [one.case_id for one in said],
            [one.message_id for one in said],
            [one.topic for one in said],
            [one.event.decode() for one in said],
            batch,
            published,
            *by_edition,
        )
    except asyncpg.NotNullViolationError as error:
        if error.column_name == "version":
            raise VersionConflict from error
        raise
    return batch


async def claim_calls(driver: Driver, now: datetime, lease_until: datetime, limit: int) -> list[CaseRow]:
    """Take a lease on cases whose question is due, and read them. Both moments are machine time."""
    return [CaseRow(*record) for record in await driver.fetch(_CLAIM_CALLS, lease_until, now, limit)]


async def delete_closed(connection: AsyncConnection, before: datetime, limit: int) -> int:
    """Delete states closed before that moment, at most ``limit``; how many they were."""
    result = await connection.execute(_FORGET_CASES, {"before": before, "limit": limit})
    return int(result.rowcount)
