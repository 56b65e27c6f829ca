"""The statements of the shell: each handles a whole batch, however large.

States, the ids they have seen, alarms and open questions stand in one row a case. ``seen`` is one string of
bytes, sixteen an id: it is read and written whole, and PostgreSQL needs no array of arrays for it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

SEEN_KEPT = 128
"""How many message ids a case remembers. A message repeated later than that meets an idempotent core."""


class Overtaken(Exception):
    """Another process wrote a case between our reading and our writing it; the batch is to be done again."""


@dataclass(slots=True)
class Row:
    """A case as it stands in the table, on its way through a batch."""

    case_id: str
    version: int
    state: str | None
    seen: bytes
    closed_at: datetime | None = None
    wake_at: datetime | None = None
    call: str | None = None
    call_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """A message said, as it goes into the outbox and to Kafka."""

    case_id: str
    message_id: UUID
    topic: str
    event: bytes


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that could not be handled, with all that is needed to handle it later."""

    letter_id: UUID
    case_id: str
    reason: str
    topic: str
    origin: str
    key: bytes | None
    value: bytes | None
    blocking: bool = False
    message_id: UUID | None = None
    """For the log, where the record could be read."""


_COLUMNS = "case_id, version, state, seen, closed_at, wake_at, call, call_at"

_LOAD = text(f"SELECT {_COLUMNS} FROM cases WHERE case_id = ANY(:ids) ORDER BY case_id FOR UPDATE")

_DUE = text(f"SELECT {_COLUMNS} FROM cases WHERE wake_at <= :now ORDER BY wake_at LIMIT :limit FOR UPDATE SKIP LOCKED")

_BLOCKED = text(
    "SELECT DISTINCT case_id FROM dead_letters WHERE case_id = ANY(:ids) AND status = 'parked' AND blocking"
)

_SAVE = text("""
    INSERT INTO cases (case_id, version, state, seen, wake_at, call, call_at, closed_at)
    SELECT * FROM unnest(CAST(:ids AS text[]), CAST(:versions AS int[]), CAST(:states AS text[]),
        CAST(:seen AS bytea[]), CAST(:wakes AS timestamptz[]), CAST(:calls AS text[]),
        CAST(:call_ats AS timestamptz[]), CAST(:closed AS timestamptz[]))
    ON CONFLICT (case_id) DO UPDATE SET version = excluded.version, state = excluded.state,
        seen = excluded.seen, wake_at = excluded.wake_at, call = excluded.call, call_at = excluded.call_at,
        closed_at = excluded.closed_at
    WHERE cases.version = excluded.version - 1
""")

_SAY = text("""
    WITH said AS (
        INSERT INTO outbox (case_id, message_id, topic, event)
        SELECT * FROM unnest(CAST(:ids AS text[]), CAST(:messages AS uuid[]), CAST(:topics AS text[]),
            CAST(:events AS text[]))
        ON CONFLICT DO NOTHING
        RETURNING case_id, message_id
    )
    INSERT INTO unpublished (case_id, message_id) SELECT case_id, message_id FROM said
""")

_PUBLISHED = text("""
    WITH free AS MATERIALIZED (
        SELECT u.ctid AS place FROM unnest(CAST(:ids AS text[]), CAST(:messages AS uuid[])) AS p (case_id, message_id)
        JOIN unpublished u USING (case_id, message_id) FOR UPDATE OF u SKIP LOCKED
    )
    DELETE FROM unpublished USING free WHERE unpublished.ctid = free.place
""")

_PARK = text("""
    INSERT INTO dead_letters (case_id, letter_id, blocking, reason, topic, origin, key, value)
    SELECT * FROM unnest(CAST(:cases AS text[]), CAST(:letters AS uuid[]), CAST(:blocking AS boolean[]),
        CAST(:reasons AS text[]), CAST(:topics AS text[]), CAST(:origins AS text[]), CAST(:keys AS bytea[]),
        CAST(:values AS bytea[]))
    ON CONFLICT (case_id, letter_id) DO UPDATE SET status = 'parked', blocking = excluded.blocking,
        reason = excluded.reason, origin = excluded.origin, settled_at = NULL
""")

_CLAIM_CALLS = text("""
    UPDATE cases SET call_at = :lease_until WHERE case_id IN (
        SELECT case_id FROM cases WHERE call_at <= :now ORDER BY call_at LIMIT :limit FOR UPDATE SKIP LOCKED
    ) RETURNING case_id, call
""")

_UNPUBLISHED = text("""
    SELECT u.case_id, u.message_id, o.topic, o.event FROM unpublished u JOIN outbox o USING (case_id, message_id)
    WHERE u.said_at < clock_timestamp() - CAST(:age AS interval)
    ORDER BY u.said_at LIMIT :limit FOR UPDATE OF u SKIP LOCKED
""")

_FORGET_CASES = text("""
    DELETE FROM cases WHERE case_id IN (
        SELECT case_id FROM cases WHERE closed_at < :before AND wake_at IS NULL AND call IS NULL
        ORDER BY closed_at LIMIT :limit FOR UPDATE SKIP LOCKED)
""")

_FORGET_SAID = text("""
    DELETE FROM outbox o WHERE (case_id, message_id) IN (
        SELECT case_id, message_id FROM outbox
        WHERE said_at < clock_timestamp() - CAST(:age AS interval) LIMIT :limit)
    AND NOT EXISTS (SELECT FROM unpublished u WHERE u.case_id = o.case_id AND u.message_id = o.message_id)
""")


async def load(connection: AsyncConnection, case_ids: Sequence[str]) -> dict[str, Row]:
    """Lock and read the states of these cases, in the order of their ids, so that batches never deadlock."""
    rows = await connection.execute(_LOAD, {"ids": sorted(case_ids)})
    return {row.case_id: Row(*row) for row in rows}


async def load_due(connection: AsyncConnection, now: datetime, limit: int) -> dict[str, Row]:
    """Lock and read the cases whose alarm has come, passing over those that another process holds."""
    rows = await connection.execute(_DUE, {"now": now, "limit": limit})
    return {row.case_id: Row(*row) for row in rows}


async def blocked(connection: AsyncConnection, case_ids: Iterable[str]) -> set[str]:
    """Those of the cases that have a parked message which later ones must wait behind."""
    rows = await connection.execute(_BLOCKED, {"ids": list(case_ids)})
    return {row.case_id for row in rows}


async def save(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Write the states back. Raises `Overtaken` if any of them has been written by another since `load`."""
    result = await connection.execute(
        _SAVE,
        {
            "ids": [row.case_id for row in rows],
            "versions": [row.version for row in rows],
            "states": [row.state for row in rows],
            "seen": [row.seen for row in rows],
            "wakes": [row.wake_at for row in rows],
            "calls": [row.call for row in rows],
            "call_ats": [row.call_at for row in rows],
            "closed": [row.closed_at for row in rows],
        },
    )
    if result.rowcount != len(rows):
        raise Overtaken


async def say(connection: AsyncConnection, messages: Sequence[Said]) -> None:
    """Put the messages into the outbox, marked as not yet published."""
    await connection.execute(
        _SAY,
        {
            "ids": [said.case_id for said in messages],
            "messages": [said.message_id for said in messages],
            "topics": [said.topic for said in messages],
            "events": [said.event.decode() for said in messages],
        },
    )


async def mark_published(connection: AsyncConnection, messages: Sequence[Said]) -> None:
    """Take the mark off messages that Kafka has acknowledged."""
    await connection.execute(
        _PUBLISHED,
        {"ids": [said.case_id for said in messages], "messages": [said.message_id for said in messages]},
    )


async def park(connection: AsyncConnection, letters: Sequence[DeadLetter]) -> None:
    """Keep what could not be handled. The same letter parked again changes nothing."""
    await connection.execute(
        _PARK,
        {
            "cases": [letter.case_id for letter in letters],
            "letters": [letter.letter_id for letter in letters],
            "blocking": [letter.blocking for letter in letters],
            "reasons": [letter.reason for letter in letters],
            "topics": [letter.topic for letter in letters],
            "origins": [letter.origin for letter in letters],
            "keys": [letter.key for letter in letters],
            "values": [letter.value for letter in letters],
        },
    )


async def claim_calls(
    connection: AsyncConnection, now: datetime, lease_until: datetime, limit: int
) -> list[tuple[str, str]]:
    """Take a lease on cases whose question is due: (case id, question)."""
    rows = await connection.execute(_CLAIM_CALLS, {"now": now, "lease_until": lease_until, "limit": limit})
    return [(row.case_id, row.call) for row in rows]


async def claim_unpublished(connection: AsyncConnection, age: timedelta, limit: int) -> list[Said]:
    """Lock messages that have waited for publication longer than ``age``, whoever said them."""
    rows = await connection.execute(_UNPUBLISHED, {"age": age, "limit": limit})
    return [Said(row.case_id, row.message_id, row.topic, row.event.encode()) for row in rows]


async def forget_cases(connection: AsyncConnection, before: datetime, limit: int) -> int:
    """Delete states closed before that moment, at most ``limit``; how many they were."""
    result = await connection.execute(_FORGET_CASES, {"before": before, "limit": limit})
    return int(result.rowcount)


async def forget_said(connection: AsyncConnection, age: timedelta, limit: int) -> int:
    """Delete published messages older than ``age``, at most ``limit``; how many they were."""
    result = await connection.execute(_FORGET_SAID, {"age": age, "limit": limit})
    return int(result.rowcount)
