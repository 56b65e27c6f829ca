"""Reads a journal: its blocks and roots with their signatures, and the lines of its export."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Generic, NamedTuple, TypeVar

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.bilingual import BilingualError
from services.runtime.journal.blocks import Block, Root, export_head, export_lines
from services.runtime.store import access_record
from services.runtime.store.chains import JOURNAL, ChainTables

T = TypeVar("T", Block, Root)

BLOCKS_AT_ONCE = 500
"""Blocks that are read with one statement."""

Contents = Callable[[AsyncConnection, Sequence[int]], Awaitable[Mapping[int, str]]]
"""The entries with these numbers, where blocks have the numbers alone."""


class NotWritten(BilingualError):
    """The journal has nothing of what was asked for."""


class OtherKey(BilingualError):
    """A part of what was asked for was signed with another key than the present one."""


class Signed(NamedTuple, Generic[T]):
    """A block or a root with its signature, and the public key in hexadecimal digits."""

    content: T
    signature: bytes
    key: str


@dataclass(frozen=True, slots=True)
class Part:
    """Lines of an export: those of so many blocks with so many entries."""

    lines: Sequence[str]
    blocks: int
    entries: int


@dataclass(frozen=True, slots=True)
class JournalReader:
    """One journal of a service. ``contents``: see `Contents`; ``name`` and ``name_zh``: what it is called.

    ``outside``: the numbers of rows of a day that are in no block, where blocks have the numbers alone.
    """

    tables: ChainTables
    contents: Contents | None
    name: str
    name_zh: str
    outside: Callable[[AsyncConnection, date], Awaitable[list[int]]] | None = None

    async def public_key(self, connection: AsyncConnection) -> str:
        """The public key that blocks and days are signed with, in hexadecimal digits. Raises `NotWritten`."""
        key: bytes | None = (await self.tables.reached(connection)).key
        if key is None:
            raise NotWritten(
                f"the service has written no {self.name} yet: an entry is in it after a minute; try again then",
                f"该服务尚未写入{self.name_zh}：条目在一分钟后写入，请届时再试",
            )
        return key.hex()

    async def last_root(self, connection: AsyncConnection, chain: str) -> Root | None:
        """The root of the last day of a chain that is over."""
        return next((_root(row) for row in await self.tables.last_roots(connection, chain)), None)

    async def roots(
        self, connection: AsyncConnection, chain: str, since: date | None = None, until: date | None = None
    ) -> list[Signed[Root]]:
        """The days of a chain that are over, all or some, in order."""
        rows = await self.tables.roots(connection, chain, since or date.min, until or date.max)
        return [Signed(_root(row), row.signature, row.key.hex()) for row in rows]

    async def blocks(
        self, connection: AsyncConnection, chain: str, since: date | None = None, until: date | None = None
    ) -> AsyncIterator[list[Signed[Block]]]:
        """The blocks of a chain, of all days or of some, in order."""
        days, after = (since or date.min, until or date.max), 0
        while rows := await self.tables.blocks(connection, chain, *days, after, BLOCKS_AT_ONCE):
            entries = await self._entries(connection, rows)
            yield [
                Signed(
                    Block(row.chain, row.number, row.day, row.previous, of, row.four_eyes), row.signature, row.key.hex()
                )
                for row, of in zip(rows, entries, strict=True)
            ]
            after = rows[-1].number

    async def exported(
        self, connection: AsyncConnection, chain: str, since: date | None = None, until: date | None = None
    ) -> AsyncIterator[Part]:
        """The lines of an export of a chain, which `verify` checks. The first part is the head alone.

        What is chained meanwhile is not in it, so that it needs no transaction that stays open. Raises `NotWritten` and
        `OtherKey`.
        """
        own_key = await self.public_key(connection)
        last, _ = (await self.tables.heads(connection, [chain])).get(chain, (0, b""))
        roots = [one for one in await self.roots(connection, chain, since, until) if one.content.last <= last]
        _check_keys(roots, own_key)
        yield Part([export_head(chain, own_key)], 0, 0)
        count, closed = 0, len(roots)
        async for found in self.blocks(connection, chain, since, until):
            blocks = [block for block in found if block.content.number <= last]
            if not blocks:
                break
            _check_keys(blocks, own_key)
            last_day = blocks[-1].content.day
            yield _part(blocks, [root for root in roots if root.content.day < last_day])
            roots = [root for root in roots if root.content.day >= last_day]
            count += len(blocks)
        if not count and not closed:
            raise NotWritten(
                f"the {self.name} has no block of {chain} in that time: check the code and the days",
                f"{self.name_zh}在该时段没有 {chain} 的记录：请核对代码和日期",
            )
        yield _part([], roots)

    async def _entries(self, connection: AsyncConnection, rows: Sequence[Row[Any]]) -> list[tuple[str, ...]]:
        if self.contents is None:
            return [tuple(row.entries) for row in rows]
        found = await self.contents(connection, [number for row in rows for number in row.entries])
        return [tuple(found[number] for number in row.entries if number in found) for row in rows]


DECISIONS = JournalReader(JOURNAL, None, "journal", "日志")
ACCESS = JournalReader(
    access_record.CHAIN,
    access_record.contents_of,
    "record of access",
    "访问记录",
    access_record.outside_of_the_chain,
)


def _part(blocks: Sequence[Signed[Block]], roots: Sequence[Signed[Root]]) -> Part:
    lines = export_lines(
        [(block.content, block.signature) for block in blocks], [(root.content, root.signature) for root in roots]
    )
    return Part(list(lines), len(blocks), sum(len(block.content.entries) for block in blocks))


def _check_keys(signed: Sequence[Signed[Block]] | Sequence[Signed[Root]], own_key: str) -> None:
    other = next((one.content.day for one in signed if one.key != own_key), None)
    if other is not None:
        raise OtherKey(
            f"the journal of {other} was signed with another key: the installation's secret key was changed since. "
            "Ask for the days signed with the present one alone",
            f"{other} 的日志由另一密钥签名：此后更换过密钥。请只选用现密钥签名的日子",
        )


def _root(row: Row[Any]) -> Root:
    return Root(row.chain, row.day, row.first, row.last, row.entries, row.hash)
