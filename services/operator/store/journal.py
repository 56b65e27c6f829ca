"""Reads monitor's journal for an export."""

from collections.abc import AsyncIterator
from datetime import date
from typing import Any, Generic, NamedTuple, TypeVar

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.monitor.journal.blocks import Block, Root

T = TypeVar("T", Block, Root)

BLOCKS_AT_ONCE = 500
"""Blocks that are read with one statement."""

_KEY = text("SELECT key FROM journal_reached")
_ROOTS = text("""
    SELECT * FROM journal_roots WHERE region = :region AND day >= :since AND day <= :until ORDER BY day
""")
_LAST_ROOT = text("SELECT * FROM journal_roots WHERE region = :region ORDER BY day DESC LIMIT 1")
_BLOCKS = text("""
    SELECT region, number, day, previous, entries, key, signature FROM journal
    WHERE region = :region AND number > :after AND day >= :since AND day <= :until ORDER BY number LIMIT :limit
""")


class Signed(NamedTuple, Generic[T]):
    """A block or a root with its signature, and the public key in hexadecimal digits."""

    content: T
    signature: bytes
    key: str


async def public_key(connection: AsyncConnection) -> bytes | None:
    """The public key that days are signed with; None before the first block."""
    key: bytes | None = await connection.scalar(_KEY)
    return key


async def last_root(connection: AsyncConnection, region: str) -> Root | None:
    """The root of the last day of a region that is over."""
    row = (await connection.execute(_LAST_ROOT, {"region": region})).one_or_none()
    return _root(row) if row is not None else None


async def roots(connection: AsyncConnection, region: str, since: date | None, until: date | None) -> list[Signed[Root]]:
    """The days of a region that are over, all or some, in order."""
    return [
        Signed(_root(row), row.signature, row.key.hex())
        for row in await connection.execute(_ROOTS, _days(region, since, until))
    ]


async def blocks(
    connection: AsyncConnection, region: str, since: date | None, until: date | None
) -> AsyncIterator[list[Signed[Block]]]:
    """The blocks of a region, of all days or of some, in order."""
    query = {**_days(region, since, until), "limit": BLOCKS_AT_ONCE}
    after = 0
    while rows := (await connection.execute(_BLOCKS, {**query, "after": after})).all():
        yield [
            Signed(
                Block(row.region, row.number, row.day, row.previous, tuple(row.entries)), row.signature, row.key.hex()
            )
            for row in rows
        ]
        after = rows[-1].number


def _root(row: Row[Any]) -> Root:
    return Root(row.region, row.day, row.first, row.last, row.entries, row.hash)


def _days(region: str, since: date | None, until: date | None) -> dict[str, Any]:
    return {"region": region, "since": since or date.min, "until": until or date.max}
