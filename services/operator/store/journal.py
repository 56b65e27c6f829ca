"""Reads a journal for an export."""

from collections.abc import AsyncIterator
from datetime import date
from typing import Any, Generic, NamedTuple, TypeVar

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.journal.blocks import Block, Root

T = TypeVar("T", Block, Root)

BLOCKS_AT_ONCE = 500
"""Blocks that are read with one statement."""

_KEY = text("SELECT key FROM journal_reached")
_ROOTS = text("""
    SELECT * FROM journal_roots WHERE chain = :chain AND day >= :since AND day <= :until ORDER BY day
""")
_LAST_ROOT = text("SELECT * FROM journal_roots WHERE chain = :chain ORDER BY day DESC LIMIT 1")
_BLOCKS = text("""
    SELECT chain, number, day, previous, entries, key, signature FROM journal
    WHERE chain = :chain AND number > :after AND day >= :since AND day <= :until ORDER BY number LIMIT :limit
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


async def last_root(connection: AsyncConnection, chain: str) -> Root | None:
    """The root of the last day of a chain that is over."""
    row = (await connection.execute(_LAST_ROOT, {"chain": chain})).one_or_none()
    return _root(row) if row is not None else None


async def roots(connection: AsyncConnection, chain: str, since: date | None, until: date | None) -> list[Signed[Root]]:
    """The days of a chain that are over, all or some, in order."""
    return [
        Signed(_root(row), row.signature, row.key.hex())
        for row in await connection.execute(_ROOTS, _days(chain, since, until))
    ]


async def blocks(
    connection: AsyncConnection, chain: str, since: date | None, until: date | None
) -> AsyncIterator[list[Signed[Block]]]:
    """The blocks of a chain, of all days or of some, in order."""
    query = {**_days(chain, since, until), "limit": BLOCKS_AT_ONCE}
    after = 0
    while rows := (await connection.execute(_BLOCKS, {**query, "after": after})).all():
        yield [
            Signed(
                Block(row.chain, row.number, row.day, row.previous, tuple(row.entries)), row.signature, row.key.hex()
            )
            for row in rows
        ]
        after = rows[-1].number


def _root(row: Row[Any]) -> Root:
    return Root(row.chain, row.day, row.first, row.last, row.entries, row.hash)


def _days(chain: str, since: date | None, until: date | None) -> dict[str, Any]:
    return {"chain": chain, "since": since or date.min, "until": until or date.max}
