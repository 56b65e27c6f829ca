"""The tables of the journal: blocks, signed roots, and the moment of the outbox up to which it is complete."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

JOURNALED_UNTIL = "SELECT created_at FROM journal_reached"
"""Selects the moment up to which the messages of the outbox stand in the journal."""

_LOCK_REACHED = text("SELECT created_at FROM journal_reached FOR UPDATE SKIP LOCKED")

_MOMENT_BEFORE = text("SELECT clock_timestamp() - CAST(:age AS interval)")

_FIRST_MESSAGE = text("SELECT min(created_at) FROM outbox")

_MESSAGES = text("""
    SELECT created_at, event FROM outbox
    WHERE created_at > :after AND created_at <= :until AND topic = ANY(:topics)
    ORDER BY created_at, case_id, message_id FETCH FIRST :limit ROWS ONLY
""")

_HEADS = text("""
    SELECT wanted.region, head.number, head.hash
    FROM unnest(CAST(:regions AS text[])) AS wanted (region) CROSS JOIN LATERAL (
        SELECT number, hash FROM journal WHERE journal.region = wanted.region ORDER BY number DESC LIMIT 1) AS head
""")

_ADD_BLOCKS = text("""
    INSERT INTO journal (region, number, day, previous, hash, entries, key, signature)
    VALUES (:region, :number, :day, :previous, :hash, :entries, :key, :signature)
""")

_SET_REACHED = text("UPDATE journal_reached SET created_at = :created_at, key = :key")

_DAY_ENDS = text("""
    SELECT ends.region, ends.first, ends.last, ends.entries, journal.hash
    FROM (
        SELECT region, coalesce(today.first, yesterday.last + 1) AS first, coalesce(today.last, yesterday.last) AS last,
            coalesce(today.entries, 0) AS entries
        FROM (
            SELECT region, min(number) AS first, max(number) AS last, sum(cardinality(entries)) AS entries
            FROM journal WHERE day = :day GROUP BY region
        ) AS today
        FULL JOIN (SELECT region, last FROM journal_roots WHERE day = :day_before) AS yesterday USING (region)
    ) AS ends
    JOIN journal ON journal.region = ends.region AND journal.number = ends.last
    ORDER BY ends.region
""")

_ADD_ROOTS = text("""
    INSERT INTO journal_roots (region, day, first, last, entries, hash, key, signature)
    VALUES (:region, :day, :first, :last, :entries, :hash, :key, :signature)
""")


async def lock_reached(connection: AsyncConnection) -> Row[Any] | None:
    """Lock the row whose ``created_at`` the journal has reached; None if another process has locked it."""
    return (await connection.execute(_LOCK_REACHED)).one_or_none()


async def set_reached(connection: AsyncConnection, created_at: datetime, key: bytes) -> None:
    """Record how far the journal has come, and the public key that signs it."""
    await connection.execute(_SET_REACHED, {"created_at": created_at, "key": key})


async def moment_before(connection: AsyncConnection, age: timedelta) -> datetime:
    """The moment that lies ``age`` before now, by the database's clock."""
    found: datetime = (await connection.execute(_MOMENT_BEFORE, {"age": age})).scalar_one()
    return found


async def first_message_at(connection: AsyncConnection) -> datetime | None:
    """When the oldest message of the outbox was created."""
    found: datetime | None = await connection.scalar(_FIRST_MESSAGE)
    return found


async def messages(
    connection: AsyncConnection, after: datetime, until: datetime, topics: Sequence[str], limit: int
) -> Sequence[Row[Any]]:
    """At most ``limit`` messages of these topics from the outbox, in the order of their creation."""
    values = {"after": after, "until": until, "topics": topics, "limit": limit}
    return (await connection.execute(_MESSAGES, values)).all()


async def heads(connection: AsyncConnection, regions: Sequence[str]) -> dict[str, tuple[int, bytes]]:
    """Number and hash of the last block of each of these regions."""
    rows = await connection.execute(_HEADS, {"regions": regions})
    return {row.region: (row.number, row.hash) for row in rows}


async def add_blocks(connection: AsyncConnection, blocks: Sequence[Mapping[str, Any]]) -> None:
    """Append blocks to the chains."""
    if blocks:
        await connection.execute(_ADD_BLOCKS, list(blocks))


async def day_ends(connection: AsyncConnection, day: date) -> Sequence[Row[Any]]:
    """The end of a day in each region that has had blocks by then: the day's blocks and entries, and the last hash.

    A region without blocks on that day is known by its root of the day before.
    """
    return (await connection.execute(_DAY_ENDS, {"day": day, "day_before": day - timedelta(days=1)})).all()


async def add_roots(connection: AsyncConnection, roots: Sequence[Mapping[str, Any]]) -> None:
    """Store signed roots."""
    if roots:
        await connection.execute(_ADD_ROOTS, list(roots))
