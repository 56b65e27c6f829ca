"""The statements on dead letters: park, list, replay, correct, drop, delete.

A replay goes through the outbox, in the same commit that marks the letter as replayed: nothing is lost if the process
dies, and the letters of one case are published in the order in which they were parked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from contracts.rights.actor import Actor
from services.runtime.security.access_record import AccessEntry
from services.runtime.store import access_record
from services.runtime.store.database import Driver

EXTERNAL = "external"
"""The topic of dead letters that are replies or notifications of an external system."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that could not be processed, with all that is needed to process it later."""

    letter_id: UUID
    case_id: str
    reason: str
    topic: str
    origin: str
    key: bytes | None
    value: bytes | None
    blocking: bool = False
    message_id: UUID | None = None
    """The id of the message, for the log, if the record could be decoded."""


@dataclass(frozen=True, slots=True)
class ParkedLetter:
    """A dead letter with its place in the list and its status."""

    number: int
    letter_id: UUID
    status: str
    parked_at: datetime
    case_id: str
    blocking: bool
    topic: str
    origin: str
    reason: str
    key: bytes | None
    value: bytes | None
    settled_at: datetime | None = None
    settled_by: str | None = None
    settled_on_behalf_of: str | None = None
    settled_reason: str | None = None


_PARK = """
    INSERT INTO dead_letters (case_id, letter_id, blocking, reason, topic, origin, key, value)
    SELECT * FROM unnest($1::text[], $2::uuid[], $3::boolean[], $4::text[], $5::text[], $6::text[], $7::bytea[],
        $8::bytea[])
    ON CONFLICT (case_id, letter_id) DO UPDATE SET status = 'parked', blocking = excluded.blocking,
        reason = excluded.reason, origin = excluded.origin, settled_at = NULL, settled_by = NULL,
        settled_on_behalf_of = NULL, settled_reason = NULL
"""

_LIST = text("""
    SELECT number, letter_id, status, parked_at, case_id, blocking, topic, origin, reason, key, value,
        settled_at, settled_by, settled_on_behalf_of, settled_reason FROM dead_letters
    WHERE (CAST(:status AS text) IS NULL OR status = :status) AND (CAST(:case_id AS text) IS NULL OR case_id = :case_id)
    AND (CAST(:number AS bigint) IS NULL OR number = :number)
    AND (CAST(:after AS bigint) IS NULL OR number > :after)
    ORDER BY number LIMIT :limit
""")

_COUNT = text("SELECT count(*) FROM dead_letters WHERE status = 'parked'")

_REPLAY = text("""
    WITH replayed AS (
        UPDATE dead_letters SET status = 'replayed', settled_at = clock_timestamp(), settled_by = :by,
            settled_on_behalf_of = :on_behalf_of, settled_reason = :reason
        WHERE number = ANY(:numbers) AND status = 'parked' AND case_id <> '' AND topic <> 'external'
        RETURNING case_id, letter_id, topic, value, number
    ), added AS (
        INSERT INTO outbox (case_id, message_id, topic, event)
        SELECT case_id, letter_id, topic, convert_from(value, 'UTF8') FROM replayed ORDER BY number
        ON CONFLICT (case_id, message_id) DO UPDATE SET event = excluded.event
    )
    INSERT INTO unpublished (batch_id, created_at, case_ids, message_ids)
    SELECT gen_random_uuid(), to_timestamp(0) + min(number) * interval '1 microsecond',
        array_agg(case_id ORDER BY number), array_agg(letter_id ORDER BY number)
    FROM replayed HAVING count(*) > 0
    RETURNING cardinality(case_ids)
""")

_CORRECT = text("""
    WITH corrected AS (
        UPDATE dead_letters SET status = 'corrected', settled_at = clock_timestamp(), settled_by = :by,
            settled_on_behalf_of = :on_behalf_of, settled_reason = :reason
        WHERE number = :number AND status = 'parked'
        RETURNING letter_id
    ), added AS (
        INSERT INTO outbox (case_id, message_id, topic, event)
        SELECT :case_id, letter_id, :topic, :event FROM corrected
        ON CONFLICT (case_id, message_id) DO UPDATE SET topic = excluded.topic, event = excluded.event
    )
    INSERT INTO unpublished (batch_id, created_at, case_ids, message_ids)
    SELECT gen_random_uuid(), to_timestamp(0), ARRAY[CAST(:case_id AS text)], ARRAY[letter_id] FROM corrected
""")

_DROP = text("""
    UPDATE dead_letters SET status = 'dropped', settled_at = clock_timestamp(), settled_by = :by,
        settled_on_behalf_of = :on_behalf_of, settled_reason = :reason
    WHERE number = ANY(:numbers) AND status = 'parked'
""")

_DELETE_SETTLED = text("""
    DELETE FROM dead_letters WHERE number IN (
        SELECT number FROM dead_letters
        WHERE status <> 'parked' AND settled_at < clock_timestamp() - CAST(:age AS interval)
        ORDER BY settled_at LIMIT :limit FOR UPDATE SKIP LOCKED)
""")


def make_dead_letter(
    reason: str,
    topic: str,
    origin: str,
    key: bytes | None,
    value: bytes | None,
    case_id: str = "",
    blocking: bool = False,
    message_id: UUID | None = None,
) -> DeadLetter:
    """A dead letter whose id is a digest of the record, so that the same record parked twice is one letter."""
    digest = blake2b(digest_size=16)
    for part in (topic.encode(), key or b"", value or b""):
        digest.update(len(part).to_bytes(4, "big") + part)
    letter_id = UUID(bytes=digest.digest())
    return DeadLetter(letter_id, case_id, reason, topic, origin, key, value, blocking, message_id)


async def park(driver: Driver, letters: Sequence[DeadLetter]) -> None:
    """Store dead letters. A letter that is parked again, or twice in one batch, stays one letter."""
    letters = list({(letter.case_id, letter.letter_id): letter for letter in letters}.values())
    await driver.execute(
        _PARK,
        [letter.case_id for letter in letters],
        [letter.letter_id for letter in letters],
        [letter.blocking for letter in letters],
        [letter.reason for letter in letters],
        [letter.topic for letter in letters],
        [letter.origin for letter in letters],
        [letter.key for letter in letters],
        [letter.value for letter in letters],
    )


async def letters(
    database: AsyncEngine,
    *,
    status: str | None = "parked",
    case_id: str | None = None,
    number: int | None = None,
    after: int | None = None,
    limit: int = 100,
) -> list[ParkedLetter]:
    """The letters that match all given criteria, oldest first."""
    criteria = {"status": status, "case_id": case_id, "number": number, "after": after, "limit": limit}
    async with database.connect() as connection:
        return [ParkedLetter(*row) for row in await connection.execute(_LIST, criteria)]


async def parked(database: AsyncEngine) -> int:
    """The number of letters that wait for an operator."""
    async with database.connect() as connection:
        return int(await connection.scalar(_COUNT) or 0)


async def replay(
    database: AsyncEngine,
    numbers: Sequence[int],
    actor: Actor | None = None,
    reason: str | None = None,
    entry: AccessEntry | None = None,
) -> int:
    """Publish parked letters on their topics again, in order. Returns how many.

    ``entry``: of the record of access, in the same transaction; so for the other acts.

    Letters without a case and replies of an external system cannot be replayed: their sender repeats them.
    """
    async with database.begin() as connection:
        count = int(await connection.scalar(_REPLAY, {"numbers": list(numbers), "reason": reason, **_by(actor)}) or 0)
        await _record(connection, entry, count)
    return count


async def correct(
    database: AsyncEngine,
    number: int,
    case_id: str,
    topic: str,
    event: str,
    *,
    actor: Actor | None,
    reason: str,
    entry: AccessEntry | None = None,
) -> bool:
    """Publish this event in place of a parked letter, on record with its author and reason. Returns whether it was."""
    parameters = {"number": number, "case_id": case_id, "topic": topic, "event": event, "reason": reason}
    async with database.begin() as connection:
        count = (await connection.execute(_CORRECT, parameters | _by(actor))).rowcount
        await _record(connection, entry, count)
    return bool(count)


async def drop(
    database: AsyncEngine,
    numbers: Sequence[int],
    actor: Actor | None = None,
    reason: str | None = None,
    entry: AccessEntry | None = None,
) -> int:
    """Mark parked letters as dropped. Returns how many. They remain on record until they are deleted."""
    parameters = {"numbers": list(numbers), "reason": reason}
    async with database.begin() as connection:
        count = int((await connection.execute(_DROP, parameters | _by(actor))).rowcount)
        await _record(connection, entry, count)
    return count


async def delete_settled(connection: AsyncConnection, age: timedelta, limit: int) -> int:
    """Delete at most ``limit`` letters that were settled so long ago, in machine time. Returns how many."""
    result = await connection.execute(_DELETE_SETTLED, {"age": age, "limit": limit})
    return int(result.rowcount)


async def _record(connection: AsyncConnection, entry: AccessEntry | None, count: int) -> None:
    if entry is not None and count:
        await access_record.add(connection, [entry._replace(rows=count)])


def _by(actor: Actor | None) -> dict[str, str | None]:
    if actor is None:
        return {"by": None, "on_behalf_of": None}
    return {"by": actor.person, "on_behalf_of": actor.on_behalf_of}
