"""The statements of the shell: each handles a whole batch, however large.

States, the ids they have seen, and alarms stand in one row a case. ``seen`` is one string of bytes, sixteen an id: it
is read and written whole, and PostgreSQL needs no array of arrays for it. Every write of a case counts its version
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
from services.runtime.store.outbox import Said

SEEN_KEPT = 128
"""How many message ids a case remembers. A message repeated later than that meets an idempotent core."""


class Overtaken(Exception):
    """Another process wrote a case between our reading and our writing it; the batch is to be done again."""


@dataclass(slots=True)
class Row:
    """A case as it stands in the table, on its way through a batch.

    ``wake_at`` is a moment of the settable clock, the other alarms are machine time: ``again_at`` is until when the
    case waits for an answer, ``call_at`` when to put its open question to the outside world; while that is being put,
    the end of the lease. Each is None where there is nothing to wait for.
    """

    case_id: str
    version: int
    state: str
    seen: bytes
    wake_at: datetime | None = None
    again_at: datetime | None = None
    call_at: datetime | None = None
    closed_at: datetime | None = None


_COLUMNS = "case_id, version, state, seen, wake_at, again_at, call_at, closed_at"

_IS_BLOCKED = """EXISTS (
    SELECT FROM dead_letters WHERE dead_letters.case_id = asked.case_id AND status = 'parked' AND blocking)"""

_LOAD = f"""
    SELECT {_COLUMNS}, {_IS_BLOCKED}
    FROM unnest($1::text[]) AS asked (case_id) LEFT JOIN cases USING (case_id)
"""

_DUE = f"""
    SELECT {_COLUMNS}, {_IS_BLOCKED} FROM cases AS asked
    WHERE wake_at <= $1 ORDER BY wake_at LIMIT $2 FOR UPDATE SKIP LOCKED
"""

_WAITED = f"""
    SELECT {_COLUMNS}, {_IS_BLOCKED} FROM cases AS asked
    WHERE again_at <= $1 ORDER BY again_at LIMIT $2 FOR UPDATE SKIP LOCKED
"""

_OPEN = f"""
    SELECT {_COLUMNS}, {_IS_BLOCKED} FROM cases AS asked
    WHERE case_id > $1 AND case_id <= $2 AND closed_at IS NULL ORDER BY case_id
"""

_NEXT = "SELECT (SELECT min(wake_at) FROM cases), (SELECT min(again_at) FROM cases)"

_SAVE = """
    WITH saved AS (
        INSERT INTO cases (case_id, version, state, seen, wake_at, again_at, call_at, closed_at)
        SELECT case_id, {version}, state, seen, wake_at, again_at, call_at, closed_at
        FROM unnest($1::text[], $2::int[], $3::text[], $4::bytea[], $5::timestamptz[], $6::timestamptz[],
            $7::timestamptz[], $8::timestamptz[])
            AS row (case_id, version, state, seen, wake_at, again_at, call_at, closed_at)
        -- A version that is not the next one becomes none, which its column refuses, and nothing is written.
        ON CONFLICT (case_id) DO UPDATE SET
            version = CASE WHEN cases.version = excluded.version - 1 THEN excluded.version END,
            state = excluded.state, seen = excluded.seen, wake_at = excluded.wake_at, again_at = excluded.again_at,
            call_at = excluded.call_at, closed_at = excluded.closed_at
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
    UPDATE cases SET call_at = $1, version = version + 1 WHERE case_id IN (
        SELECT case_id FROM cases WHERE call_at <= $2 ORDER BY call_at LIMIT $3 FOR UPDATE SKIP LOCKED
    ) RETURNING {_COLUMNS}
"""


_FORGET_CASES = text("""
    DELETE FROM cases WHERE case_id IN (
        SELECT case_id FROM cases WHERE closed_at < :before
            AND wake_at IS NULL AND again_at IS NULL AND call_at IS NULL
        ORDER BY closed_at LIMIT :limit FOR UPDATE SKIP LOCKED)
""")


@dataclass(frozen=True, slots=True)
class Loaded:
    """Cases as they stand, by case id, and which of them have a parked message that later ones must wait behind."""

    rows: dict[str, Row]
    blocked: set[str]


async def load(driver: Driver, case_ids: Sequence[str]) -> Loaded:
    """Read these cases as they stand. Nothing is locked: `save` notices whoever comes between."""
    return _loaded(await driver.fetch(_LOAD, case_ids))


async def load_due(driver: Driver, now: datetime, machine_now: datetime | None, limit: int) -> Loaded:
    """Lock and read the cases whose alarm has come, by either clock, passing over those that another process holds.

    Without ``machine_now`` those that wait for an answer are left to wait.
    """
    found = await driver.fetch(_DUE, now, limit)
    if len(found) < limit and machine_now is not None:
        found += await driver.fetch(_WAITED, machine_now, limit - len(found))
    return _loaded(found)


async def load_open(driver: Driver, after: str, last: str) -> Loaded:
    """Read the open cases between two numbers, the second one included.

    Nothing is locked: to lock a row is to write it, and `save` notices whoever comes between.
    """
    return _loaded(await driver.fetch(_OPEN, after, last))


def _loaded(records: Iterable[asyncpg.Record]) -> Loaded:
    rows: dict[str, Row] = {}
    blocked: set[str] = set()
    for case_id, version, *columns, is_blocked in records:
        if version is not None:
            rows[case_id] = Row(case_id, version, *columns)
        if is_blocked:
            blocked.add(case_id)
    return Loaded(rows, blocked)


async def next_alarms(driver: Driver) -> tuple[datetime | None, datetime | None]:
    """The next moment of the settable clock, and of machine time, at which a case wants to be woken."""
    wake_at, again_at = await driver.fetchrow(_NEXT)
    return wake_at, again_at


async def save(
    driver: Driver, rows: Sequence[Row], said: Sequence[Said], published: Sequence[UUID], edition: int | None = None
) -> UUID:
    """Write a batch: its cases, its messages into the outbox, and that earlier batches are known to be in Kafka.

    All of it or nothing: it is one statement. The id under which this batch's messages wait for publication. Raises
    `Overtaken` if any of the cases has been written by another since it was read, or if ``edition``, by which they were
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
            [row.seen for row in rows],
            [row.wake_at for row in rows],
            [row.again_at for row in rows],
            [row.call_at for row in rows],
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
            raise Overtaken from error
        raise
    return batch


async def claim_calls(driver: Driver, now: datetime, lease_until: datetime, limit: int) -> list[Row]:
    """Take a lease on cases whose question is due, and read them. Both moments are machine time."""
    return [Row(*record) for record in await driver.fetch(_CLAIM_CALLS, lease_until, now, limit)]


async def forget_cases(connection: AsyncConnection, before: datetime, limit: int) -> int:
    """Delete states closed before that moment, at most ``limit``; how many they were."""
    result = await connection.execute(_FORGET_CASES, {"before": before, "limit": limit})
    return int(result.rowcount)
