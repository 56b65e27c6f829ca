"""The table of digest deliveries: one row for each address, with all digests that are sent to it together."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

_CREATE = text("""
    INSERT INTO digest_deliveries (digest_numbers, people, address, content)
    VALUES (:digest_numbers, :people, :address, :content)
""")

_CLAIM_DUE = text("""
    UPDATE digest_deliveries
    SET attempts = attempts + 1, next_attempt_at = clock_timestamp() + CAST(:lease AS interval)
    FROM (
        SELECT id FROM digest_deliveries
        WHERE next_attempt_at <= clock_timestamp() AND split_part(address, ':', 1) <> ALL(CAST(:held AS text[]))
        ORDER BY next_attempt_at LIMIT :limit FOR UPDATE SKIP LOCKED
    ) AS due, digests
    WHERE digest_deliveries.id = due.id AND digests.number = digest_deliveries.digest_numbers[1]
    RETURNING digest_deliveries.id, digest_numbers, people, address, attempts, built_at, content
""")

_MARK_SENT = text("""
    UPDATE digest_deliveries
    SET sent_at = clock_timestamp(), next_attempt_at = NULL, error = NULL, given_up_at = NULL WHERE id = :id
""")

# ``attempts`` differs if the lease ended and another process has claimed the row: that process reports its own result.
_MARK_FAILED = text("""
    UPDATE digest_deliveries SET error = :error,
        given_up_at = CASE WHEN retry_since <= clock_timestamp() - CAST(:give_up AS interval)
            THEN clock_timestamp() END,
        next_attempt_at = CASE WHEN retry_since > clock_timestamp() - CAST(:give_up AS interval)
            THEN clock_timestamp() + CAST(:pause AS interval) END
    WHERE id = :id AND attempts = :attempts AND sent_at IS NULL
    RETURNING given_up_at IS NOT NULL
""")

_RETRY = text("""
    UPDATE digest_deliveries
    SET given_up_at = NULL, attempts = 0, retry_since = clock_timestamp(), next_attempt_at = clock_timestamp()
    WHERE digest_numbers @> ARRAY[CAST(:digest AS bigint)] AND given_up_at IS NOT NULL RETURNING id
""")

_OF_DIGESTS = text(
    "SELECT * FROM digest_deliveries WHERE digest_numbers && CAST(:digests AS bigint[]) ORDER BY address"
)


class NewDelivery(NamedTuple):
    """The delivery of these digests, of these people, to one address. ``content``: their text together, JSON."""

    digest_numbers: list[int]
    people: list[str]
    address: str
    content: str


async def create(connection: AsyncConnection, deliveries: Sequence[NewDelivery]) -> None:
    """Create deliveries. They are due at once."""
    if deliveries:
        await connection.execute(_CREATE, [delivery._asdict() for delivery in deliveries])


async def claim_due(
    connection: AsyncConnection, lease: timedelta, limit: int, held: Sequence[str] = ()
) -> Sequence[Row[Any]]:
    """Claim the next deliveries that are due, for the time of a lease, and count the attempt.

    ``held``: channels of which none is claimed.
    """
    return (await connection.execute(_CLAIM_DUE, {"lease": lease, "limit": limit, "held": list(held)})).all()


async def mark_sent(connection: AsyncConnection, id: UUID) -> None:
    """Record that a delivery has arrived."""
    await connection.execute(_MARK_SENT, {"id": id})


async def mark_failed(
    connection: AsyncConnection, id: UUID, *, attempts: int, error: str, pause: timedelta, give_up: timedelta
) -> bool | None:
    """Record that an attempt has failed, and whether the delivery is given up; None if another process has it now."""
    values = {"id": id, "attempts": attempts, "error": error, "pause": pause, "give_up": give_up}
    given_up: bool | None = await connection.scalar(_MARK_FAILED, values)
    return given_up


async def retry(connection: AsyncConnection, digest: int) -> int:
    """Make the deliveries of a digest that were given up due again; how many."""
    return len((await connection.execute(_RETRY, {"digest": digest})).all())


async def of_digests(connection: AsyncConnection, digests: Sequence[int]) -> Iterable[Row[Any]]:
    """The deliveries of these digests, ordered by address."""
    return await connection.execute(_OF_DIGESTS, {"digests": digests})
