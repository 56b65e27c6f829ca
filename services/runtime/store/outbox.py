"""The outbox: every message that this service has published or is yet to publish."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, slots=True)
class OutboxMessage:
    """A message said, as it goes into the outbox and to Kafka."""

    case_id: str
    message_id: UUID
    topic: str
    event: bytes


_PUBLISHED = text("DELETE FROM unpublished WHERE batch_id = ANY(:published)")


_UNPUBLISHED = text("""
    WITH waiting AS MATERIALIZED (
        SELECT batch_id, created_at, case_ids, message_ids FROM unpublished
        WHERE created_at < clock_timestamp() - CAST(:age AS interval)
        ORDER BY created_at LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    SELECT w.batch_id, o.case_id, o.message_id, o.topic, o.event
    FROM waiting w, unnest(w.case_ids, w.message_ids) WITH ORDINALITY AS u (case_id, message_id, place)
    JOIN outbox o USING (case_id, message_id)
    ORDER BY w.created_at, w.batch_id, u.place
""")


# Every process notices that the log is lost, and none knows of the others. So a batch is what was said in one second,
# and its name follows from what it holds: who comes second finds it waiting already.
_SAY_AGAIN = text("""
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


_FORGET_SAID = """
    DELETE FROM outbox WHERE (case_id, message_id) IN (
        SELECT case_id, message_id FROM outbox
        WHERE created_at < least(
            clock_timestamp() - CAST(:age AS interval), (SELECT min(created_at) FROM unpublished), {read})
        LIMIT :limit)
"""


async def mark_published(connection: AsyncConnection, batches: Sequence[UUID]) -> None:
    """Note that all messages of these batches are in Kafka."""
    await connection.execute(_PUBLISHED, {"published": batches})


async def claim_unpublished(connection: AsyncConnection, age: timedelta, limit: int) -> dict[UUID, list[OutboxMessage]]:
    """Lock at most ``limit`` batches that have waited for publication longer than ``age``, whoever said them."""
    waiting: dict[UUID, list[OutboxMessage]] = {}
    for row in await connection.execute(_UNPUBLISHED, {"age": age, "limit": limit}):
        said = OutboxMessage(row.case_id, row.message_id, row.topic, row.event.encode())
        waiting.setdefault(row.batch_id, []).append(said)
    return waiting


async def mark_unpublished(connection: AsyncConnection, age: timedelta) -> int:
    """Mark all messages younger than ``age`` as not known to be in Kafka; how many they are."""
    return sum((await connection.scalars(_SAY_AGAIN, {"age": age})).all())


async def delete_published(connection: AsyncConnection, age: timedelta, limit: int, read: str | None = None) -> int:
    """Delete published messages older than ``age``, at most ``limit``; how many they were.

    ``read``: a query that tells until when somebody else has read the outbox; what was said since then stays.
    """
    until = f"coalesce(({read}), '-infinity')" if read else "NULL"
    result = await connection.execute(text(_FORGET_SAID.format(read=until)), {"age": age, "limit": limit})
    return int(result.rowcount)
