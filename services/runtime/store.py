"""The statements of the shell: each handles a whole batch, however large.

States, the ids they have seen, and alarms stand in one row a case. ``seen`` is one string of bytes, sixteen an id: it
is read and written whole, and PostgreSQL needs no array of arrays for it. Every write of a case counts its version
up, so that who holds version n knows all that its row says.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

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


_COLUMNS = "case_id, version, state, seen, wake_at, again_at, call_at, closed_at"

_LOAD = text(f"SELECT {_COLUMNS} FROM cases WHERE case_id = ANY(:ids)")

_DUE = text(f"SELECT {_COLUMNS} FROM cases WHERE wake_at <= :now ORDER BY wake_at LIMIT :limit FOR UPDATE SKIP LOCKED")

_WAITED = text(
    f"SELECT {_COLUMNS} FROM cases WHERE again_at <= :now ORDER BY again_at LIMIT :limit FOR UPDATE SKIP LOCKED"
)

_NEXT = text("SELECT (SELECT min(wake_at) FROM cases), (SELECT min(again_at) FROM cases)")

_BLOCKED = text(
    "SELECT DISTINCT case_id FROM dead_letters WHERE case_id = ANY(:ids) AND status = 'parked' AND blocking"
)

_SAVE = text("""
    WITH saved AS (
        INSERT INTO cases (case_id, version, state, seen, wake_at, again_at, call_at, closed_at)
        SELECT * FROM unnest(CAST(:ids AS text[]), CAST(:versions AS int[]), CAST(:states AS text[]),
            CAST(:seen AS bytea[]), CAST(:wakes AS timestamptz[]), CAST(:again AS timestamptz[]),
            CAST(:calls AS timestamptz[]), CAST(:closed AS timestamptz[]))
        ON CONFLICT (case_id) DO UPDATE SET version = excluded.version, state = excluded.state,
            seen = excluded.seen, wake_at = excluded.wake_at, again_at = excluded.again_at,
            call_at = excluded.call_at, closed_at = excluded.closed_at
        WHERE cases.version = excluded.version - 1
        RETURNING 1
    ), said AS (
        INSERT INTO outbox (case_id, message_id, topic, event)
        SELECT * FROM unnest(CAST(:said_of AS text[]), CAST(:messages AS uuid[]), CAST(:topics AS text[]),
            CAST(:events AS text[]))
        ON CONFLICT DO NOTHING
    ), noted AS (
        INSERT INTO unpublished (batch_id, case_ids, message_ids)
        SELECT :batch, CAST(:said_of AS text[]), CAST(:messages AS uuid[])
        WHERE cardinality(CAST(:messages AS uuid[])) > 0
    ), published AS (
        DELETE FROM unpublished WHERE batch_id = ANY(:published)
    )
    SELECT count(*) FROM saved
""")

_PUBLISHED = text("DELETE FROM unpublished WHERE batch_id = ANY(:published)")

_PARK = text("""
    INSERT INTO dead_letters (case_id, letter_id, blocking, reason, topic, origin, key, value)
    SELECT * FROM unnest(CAST(:cases AS text[]), CAST(:letters AS uuid[]), CAST(:blocking AS boolean[]),
        CAST(:reasons AS text[]), CAST(:topics AS text[]), CAST(:origins AS text[]), CAST(:keys AS bytea[]),
        CAST(:values AS bytea[]))
    ON CONFLICT (case_id, letter_id) DO UPDATE SET status = 'parked', blocking = excluded.blocking,
        reason = excluded.reason, origin = excluded.origin, settled_at = NULL
""")

_CLAIM_CALLS = text(f"""
    UPDATE cases SET call_at = :lease_until, version = version + 1 WHERE case_id IN (
        SELECT case_id FROM cases WHERE call_at <= :now ORDER BY call_at LIMIT :limit FOR UPDATE SKIP LOCKED
    ) RETURNING {_COLUMNS}
""")

_UNPUBLISHED = text("""
    WITH waiting AS MATERIALIZED (
        SELECT batch_id, said_at, case_ids, message_ids FROM unpublished
        WHERE said_at < clock_timestamp() - CAST(:age AS interval)
        ORDER BY said_at LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    SELECT w.batch_id, o.case_id, o.message_id, o.topic, o.event
    FROM waiting w, unnest(w.case_ids, w.message_ids) WITH ORDINALITY AS u (case_id, message_id, place)
    JOIN outbox o USING (case_id, message_id)
    ORDER BY w.said_at, w.batch_id, u.place
""")

_SAY_AGAIN = text("""
    INSERT INTO unpublished (batch_id, said_at, case_ids, message_ids)
    SELECT gen_random_uuid(), min(said_at), array_agg(case_id ORDER BY said_at), array_agg(message_id ORDER BY said_at)
    FROM (
        SELECT case_id, message_id, said_at, row_number() OVER (ORDER BY said_at) / 500 AS batch
        FROM outbox WHERE said_at > clock_timestamp() - CAST(:age AS interval)
    ) AS recent GROUP BY batch
    RETURNING cardinality(message_ids)
""")

_FORGET_CASES = text("""
    DELETE FROM cases WHERE case_id IN (
        SELECT case_id FROM cases WHERE closed_at < :before
            AND wake_at IS NULL AND again_at IS NULL AND call_at IS NULL
        ORDER BY closed_at LIMIT :limit FOR UPDATE SKIP LOCKED)
""")

_FORGET_SAID = text("""
    DELETE FROM outbox WHERE (case_id, message_id) IN (
        SELECT case_id, message_id FROM outbox
        WHERE said_at < least(clock_timestamp() - CAST(:age AS interval), (SELECT min(said_at) FROM unpublished))
        LIMIT :limit)
""")


async def load(connection: AsyncConnection, case_ids: Sequence[str]) -> dict[str, Row]:
    """Read these cases as they stand. Nothing is locked: `save` notices whoever comes between."""
    return {row.case_id: Row(*row) for row in await connection.execute(_LOAD, {"ids": case_ids})}


async def load_due(connection: AsyncConnection, now: datetime, machine_now: datetime, limit: int) -> dict[str, Row]:
    """Lock and read the cases whose alarm has come, by either clock, passing over those that another process holds."""
    due = {row.case_id: Row(*row) for row in await connection.execute(_DUE, {"now": now, "limit": limit})}
    if len(due) < limit:
        waited = await connection.execute(_WAITED, {"now": machine_now, "limit": limit - len(due)})
        due |= {row.case_id: Row(*row) for row in waited}
    return due


async def next_alarms(connection: AsyncConnection) -> tuple[datetime | None, datetime | None]:
    """The next moment of the settable clock, and of machine time, at which a case wants to be woken."""
    wake_at, again_at = (await connection.execute(_NEXT)).one()
    return wake_at, again_at


async def blocked(connection: AsyncConnection, case_ids: Iterable[str]) -> set[str]:
    """Those of the cases that have a parked message which later ones must wait behind."""
    rows = await connection.execute(_BLOCKED, {"ids": list(case_ids)})
    return {row.case_id for row in rows}


async def save(
    connection: AsyncConnection, rows: Sequence[Row], said: Sequence[Said], published: Sequence[UUID]
) -> UUID:
    """Write a batch: its cases, its messages into the outbox, and that earlier batches are known to be in Kafka.

    The id under which this batch's messages wait for publication. Raises `Overtaken` if any of the cases has been
    written by another since it was read. ``rows`` are in the order of their case ids, so that batches never deadlock.
    """
    batch = uuid4()
    saved = await connection.scalar(
        _SAVE,
        {
            "ids": [row.case_id for row in rows],
            "versions": [row.version for row in rows],
            "states": [row.state for row in rows],
            "seen": [row.seen for row in rows],
            "wakes": [row.wake_at for row in rows],
            "again": [row.again_at for row in rows],
            "calls": [row.call_at for row in rows],
            "closed": [row.closed_at for row in rows],
            "said_of": [one.case_id for one in said],
            "messages": [one.message_id for one in said],
            "topics": [one.topic for one in said],
            "events": [one.event.decode() for one in said],
            "batch": batch,
            "published": published,
        },
    )
    if saved != len(rows):
        raise Overtaken
    return batch


async def mark_published(connection: AsyncConnection, batches: Sequence[UUID]) -> None:
    """Note that all messages of these batches are in Kafka."""
    await connection.execute(_PUBLISHED, {"published": batches})


async def park(connection: AsyncConnection, letters: Sequence[DeadLetter]) -> None:
    """Keep what could not be handled. The same letter parked again changes nothing; twice in one batch, it is one."""
    letters = list({(letter.case_id, letter.letter_id): letter for letter in letters}.values())
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


async def claim_calls(connection: AsyncConnection, now: datetime, lease_until: datetime, limit: int) -> list[Row]:
    """Take a lease on cases whose question is due, and read them. Both moments are machine time."""
    rows = await connection.execute(_CLAIM_CALLS, {"now": now, "lease_until": lease_until, "limit": limit})
    return [Row(*row) for row in rows]


async def claim_unpublished(connection: AsyncConnection, age: timedelta, limit: int) -> dict[UUID, list[Said]]:
    """Lock at most ``limit`` batches that have waited for publication longer than ``age``, whoever said them."""
    waiting: dict[UUID, list[Said]] = {}
    for row in await connection.execute(_UNPUBLISHED, {"age": age, "limit": limit}):
        said = Said(row.case_id, row.message_id, row.topic, row.event.encode())
        waiting.setdefault(row.batch_id, []).append(said)
    return waiting


async def say_again(connection: AsyncConnection, age: timedelta) -> int:
    """Mark all messages younger than ``age`` as not known to be in Kafka; how many they are."""
    return sum((await connection.scalars(_SAY_AGAIN, {"age": age})).all())


async def forget_cases(connection: AsyncConnection, before: datetime, limit: int) -> int:
    """Delete states closed before that moment, at most ``limit``; how many they were."""
    result = await connection.execute(_FORGET_CASES, {"before": before, "limit": limit})
    return int(result.rowcount)


async def forget_said(connection: AsyncConnection, age: timedelta, limit: int) -> int:
    """Delete published messages older than ``age``, at most ``limit``; how many they were."""
    result = await connection.execute(_FORGET_SAID, {"age": age, "limit": limit})
    return int(result.rowcount)
