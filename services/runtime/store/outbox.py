"""The statements on the outbox: every message that this service has published or has yet to publish."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, slots=True)
class OutboxMessage:
    """A message as it is stored in the outbox and sent to Kafka."""

    case_id: str
    message_id: UUID
    topic: str
    event: bytes


@dataclass(frozen=True, slots=True)
class WaitingBatch:
    """Messages that wait for publication together. ``refused_topic``: that of all of them, if Kafka has refused it."""

    id: UUID
    refused_topic: str | None
    messages: list[OutboxMessage]


_MARK_PUBLISHED = text("DELETE FROM unpublished WHERE batch_id = ANY(:published)")


_CLAIM_UNPUBLISHED = text("""
    WITH waiting AS MATERIALIZED (
        SELECT batch_id, created_at, case_ids, message_ids, refused_topic FROM unpublished
        WHERE created_at < clock_timestamp() - CAST(:age AS interval)
            AND (refused_topic IS NULL OR refused_topic <> ALL(CAST(:refused AS text[])))
        ORDER BY created_at LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    SELECT w.batch_id, w.refused_topic, o.case_id, o.message_id, o.topic, o.event
    FROM waiting w, unnest(w.case_ids, w.message_ids) WITH ORDINALITY AS u (case_id, message_id, place)
    JOIN outbox o USING (case_id, message_id)
    ORDER BY w.created_at, w.batch_id, u.place
""")


_DIVIDE = text("""
    WITH whole AS (
        DELETE FROM unpublished WHERE batch_id = ANY(:wholes) RETURNING batch_id, created_at
    )
    INSERT INTO unpublished (batch_id, created_at, case_ids, message_ids, refused_topic)
    SELECT part.batch_id, min(whole.created_at), array_agg(case_id ORDER BY place),
        array_agg(message_id ORDER BY place), part.refused_topic
    FROM unnest(CAST(:wholes AS uuid[]), CAST(:parts AS uuid[]), CAST(:topics AS text[]), CAST(:cases AS text[]),
        CAST(:messages AS uuid[])) WITH ORDINALITY
        AS part (whole_id, batch_id, refused_topic, case_id, message_id, place)
    JOIN whole ON whole.batch_id = part.whole_id
    GROUP BY part.batch_id, part.refused_topic
""")


# Every process notices the loss of the log, and none knows of the others. So the messages are grouped by the second in
# which they were created, and the id of a group is derived from its content: the second process finds it there already.
_MARK_UNPUBLISHED = text("""
    INSERT INTO unpublished (batch_id, created_at, case_ids, message_ids)
    SELECT CAST(md5(string_agg(CAST(message_id AS text), '' ORDER BY place)) AS uuid), min(created_at),
        array_agg(case_id ORDER BY place), array_agg(message_id ORDER BY place)
    FROM (
        SELECT case_id, message_id, created_at, date_trunc('second', created_at) AS second,
            row_number() OVER (PARTITION BY date_trunc('second', created_at) ORDER BY created_at, message_id) AS place
        FROM outbox WHERE created_at > date_trunc('second', clock_timestamp() - CAST(:age AS interval))
    ) AS recent GROUP BY second, place / 500
    ON CONFLICT DO NOTHING
    RETURNING cardinality(message_ids)
""")


_DELETE_PUBLISHED = """
    DELETE FROM outbox WHERE (case_id, message_id) IN (
        SELECT case_id, message_id FROM outbox
        WHERE created_at < least(
            clock_timestamp() - CAST(:age AS interval), (SELECT min(created_at) FROM unpublished), {read_until})
        LIMIT :limit)
"""


_FIRST_CREATED = text("SELECT min(created_at) FROM outbox")


_MESSAGES_BETWEEN = text("""
    SELECT created_at, event FROM outbox
    WHERE created_at > :after AND created_at <= :until AND topic = ANY(:topics) AND event LIKE ANY(:types)
    ORDER BY created_at, case_id, message_id FETCH FIRST :limit ROWS ONLY
""")


async def mark_published(connection: AsyncConnection, batches: Sequence[UUID]) -> None:
    """Mark all messages of these batches as published."""
    await connection.execute(_MARK_PUBLISHED, {"published": batches})


async def claim_unpublished(
    connection: AsyncConnection, age: timedelta, limit: int, refused: Collection[str] = ()
) -> list[WaitingBatch]:
    """Lock at most ``limit`` batches, of any process, that have waited for publication longer than ``age``.

    ``refused``: topics whose batches are left alone.
    """
    waiting: dict[UUID, WaitingBatch] = {}
    values = {"age": age, "limit": limit, "refused": list(refused)}
    for row in await connection.execute(_CLAIM_UNPUBLISHED, values):
        batch = waiting.setdefault(row.batch_id, WaitingBatch(row.batch_id, row.refused_topic, []))
        batch.messages.append(OutboxMessage(row.case_id, row.message_id, row.topic, row.event.encode()))
    return list(waiting.values())


async def divide(
    connection: AsyncConnection, left: Mapping[UUID, Sequence[OutboxMessage]], refused: Collection[str]
) -> None:
    """Replace each of these batches by what is left of it: a batch for each refused topic, and one for all others.

    So the messages of other topics need not wait, nor be published again, until the topic accepts its own.
    """
    parts_by_topic: dict[tuple[UUID, str | None], UUID] = {}
    rows = []
    for whole, messages in left.items():
        for one in messages:
            topic = one.topic if one.topic in refused else None
            part = parts_by_topic.setdefault((whole, topic), uuid4())
            rows.append((whole, part, topic, one.case_id, one.message_id))
    wholes, parts, topics, case_ids, message_ids = map(list, zip(*rows, strict=True))
    values = {"wholes": wholes, "parts": parts, "topics": topics, "cases": case_ids, "messages": message_ids}
    await connection.execute(_DIVIDE, values)


async def mark_unpublished(connection: AsyncConnection, age: timedelta) -> int:
    """Mark all messages younger than ``age`` as unpublished. Returns how many."""
    return sum((await connection.scalars(_MARK_UNPUBLISHED, {"age": age})).all())


async def first_created_at(connection: AsyncConnection) -> datetime | None:
    """When the oldest message was created."""
    found: datetime | None = await connection.scalar(_FIRST_CREATED)
    return found


async def messages_between(
    connection: AsyncConnection,
    after: datetime,
    until: datetime,
    topics: Sequence[str],
    types: Sequence[str],
    limit: int,
) -> Sequence[Row[Any]]:
    """At most ``limit`` messages of these topics and types, in the order of their creation."""
    patterns = [f'%"type":"{one}"%' for one in types]
    values = {"after": after, "until": until, "topics": topics, "types": patterns, "limit": limit}
    return (await connection.execute(_MESSAGES_BETWEEN, values)).all()


async def delete_published(
    connection: AsyncConnection, age: timedelta, limit: int, read_until: str | None = None
) -> int:
    """Delete at most ``limit`` published messages older than ``age``. Returns how many.

    ``read_until``: a query for the moment up to which another job has read the outbox. Later messages are kept.
    """
    before = f"coalesce(({read_until}), '-infinity')" if read_until else "NULL"
    result = await connection.execute(text(_DELETE_PUBLISHED.format(read_until=before)), {"age": age, "limit": limit})
    return int(result.rowcount)
