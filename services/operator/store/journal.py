"""Reads journals for an export: that of decisions, and that of the record of access."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import date
from typing import Any, Generic, NamedTuple, TypeVar

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.journal.blocks import Block, Root
from services.runtime.store import access_record
from services.runtime.store.chains import JOURNAL, ChainTables

T = TypeVar("T", Block, Root)

BLOCKS_AT_ONCE = 500
"""Blocks that are read with one statement."""

Contents = Callable[[AsyncConnection, Sequence[int]], Awaitable[Mapping[int, str]]]
"""The entries with these numbers, where blocks have the numbers alone."""


class Signed(NamedTuple, Generic[T]):
    """A block or a root with its signature, and the public key in hexadecimal digits."""

    content: T
    signature: bytes
    key: str


class JournalReader:
    """Reads one journal of a service."""

    def __init__(self, tables: ChainTables, contents: Contents | None = None) -> None:
        table = tables.table
        self._contents = contents
        self._key = text(f"SELECT key FROM {table}_reached")
        self._roots = text(f"""
            SELECT * FROM {table}_roots WHERE chain = :chain AND day >= :since AND day <= :until ORDER BY day
        """)
        self._last_root = text(f"SELECT * FROM {table}_roots WHERE chain = :chain ORDER BY day DESC LIMIT 1")
        self._blocks = text(f"""
            SELECT chain, number, day, previous, entries, four_eyes, key, signature FROM {table}
            WHERE chain = :chain AND number > :after AND day >= :since AND day <= :until ORDER BY number LIMIT :limit
        """)

    async def public_key(self, connection: AsyncConnection) -> bytes | None:
        """The public key that days are signed with; None before the first block."""
        key: bytes | None = await connection.scalar(self._key)
        return key

    async def last_root(self, connection: AsyncConnection, chain: str) -> Root | None:
        """The root of the last day of a chain that is over."""
        row = (await connection.execute(self._last_root, {"chain": chain})).one_or_none()
        return _root(row) if row is not None else None

    async def roots(
        self, connection: AsyncConnection, chain: str, since: date | None, until: date | None
    ) -> list[Signed[Root]]:
        """The days of a chain that are over, all or some, in order."""
        return [
            Signed(_root(row), row.signature, row.key.hex())
            for row in await connection.execute(self._roots, _days(chain, since, until))
        ]

    async def blocks(
        self, connection: AsyncConnection, chain: str, since: date | None, until: date | None
    ) -> AsyncIterator[list[Signed[Block]]]:
        """The blocks of a chain, of all days or of some, in order."""
        query = {**_days(chain, since, until), "limit": BLOCKS_AT_ONCE}
        after = 0
        while rows := (await connection.execute(self._blocks, {**query, "after": after})).all():
            entries = await self._entries(connection, rows)
            yield [
                Signed(
                    Block(row.chain, row.number, row.day, row.previous, of, row.four_eyes), row.signature, row.key.hex()
                )
                for row, of in zip(rows, entries, strict=True)
            ]
            after = rows[-1].number

    async def _entries(self, connection: AsyncConnection, rows: Sequence[Row[Any]]) -> list[tuple[str, ...]]:
        if self._contents is None:
            return [tuple(row.entries) for row in rows]
        found = await self._contents(connection, [number for row in rows for number in row.entries])
        return [tuple(found[number] for number in row.entries if number in found) for row in rows]


DECISIONS = JournalReader(JOURNAL)
ACCESS = JournalReader(access_record.CHAIN, access_record.contents_of)


def _root(row: Row[Any]) -> Root:
    return Root(row.chain, row.day, row.first, row.last, row.entries, row.hash)


def _days(chain: str, since: date | None, until: date | None) -> dict[str, Any]:
    return {"chain": chain, "since": since or date.min, "until": until or date.max}
