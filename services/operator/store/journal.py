"""Reads monitor's journal for an export."""

from collections.abc import AsyncIterator
from datetime import date

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.monitor.journal.blocks import Block, Root

BLOCKS_AT_ONCE = 500
"""Blocks that are read with one statement."""

_KEY = text("SELECT key FROM journal_reached")
_ROOTS = text("SELECT * FROM journal_roots WHERE region = :region ORDER BY day")
_BLOCKS = text("""
    SELECT region, number, day, previous, entries FROM journal
    WHERE region = :region AND number > :after AND day >= :since AND day <= :until ORDER BY number LIMIT :limit
""")


async def public_key(connection: AsyncConnection) -> bytes | None:
    """The public key that days are signed with; None before the first block."""
    key: bytes | None = await connection.scalar(_KEY)
    return key


async def roots(connection: AsyncConnection, region: str) -> list[tuple[Root, bytes, str]]:
    """The signed days of a region: each root, its signature and the public key in hexadecimal digits."""
    return [
        (Root(row.region, row.day, row.first, row.last, row.entries, row.hash), row.signature, row.key.hex())
        for row in await connection.execute(_ROOTS, {"region": region})
    ]


async def blocks(
    connection: AsyncConnection, region: str, since: date | None, until: date | None
) -> AsyncIterator[list[Block]]:
    """The blocks of a region, of all days or of some, in order."""
    query = {
        "region": region,
        "since": since or date.min,
        "until": until or date.max,
        "limit": BLOCKS_AT_ONCE,
    }
    after = 0
    while rows := (await connection.execute(_BLOCKS, {**query, "after": after})).all():
        yield [Block(row.region, row.number, row.day, row.previous, tuple(row.entries)) for row in rows]
        after = rows[-1].number
