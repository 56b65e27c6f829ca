"""Checks one day of a journal in the database of its service, as the verifier checks an export of it."""

import asyncio
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.runtime.journal.reader import JournalReader, NotWritten, OtherKey
from services.runtime.journal.verify import Broken, verify

MOST_ENTRIES = 50_000
"""Entries of a day that are checked at once: a second of work in a process that also answers requests."""

_ONE_AT_A_TIME = asyncio.Lock()
"""Others wait, so that one process never holds the entries of several days in memory."""


@dataclass(frozen=True, slots=True)
class CheckedDay:
    """The findings of the check of a day.

    ``faults``: sentences in English and Chinese; none where the day is as it was written. ``obstacle``: why it could
    not be checked. ``root``: the hash of its root in hexadecimal digits; None while the day is not over.
    """

    day: date
    key: str
    blocks: int = 0
    entries: int = 0
    root: str | None = None
    faults: tuple[tuple[str, str], ...] = ()
    obstacle: tuple[str, str] | None = None


async def check_day(database: AsyncEngine, reader: JournalReader, chain: str, day: date, key: str) -> CheckedDay:
    """Check a day of a chain. ``key``: the public key that the service signs with, in hexadecimal digits."""
    async with _ONE_AT_A_TIME, database.connect() as connection:
        size = await reader.tables.size_of_day(connection, chain, day)
        if size.entries > MOST_ENTRIES:
            return CheckedDay(
                day,
                key,
                obstacle=(
                    f"the day has {size.entries:,} entries, and a page checks at most {MOST_ENTRIES:,}: check it with "
                    "the command, or download it and check the file",
                    f"该日有 {size.entries:,} 条，页面至多核验 {MOST_ENTRIES:,} 条：请用命令核验，或下载后核验文件",
                ),
            )
        try:
            parts = [part async for part in reader.exported(connection, chain, day, day)]
            faults = await _unlinked(connection, reader, chain, day)
        except (NotWritten, OtherKey) as error:
            return CheckedDay(day, key, obstacle=(error.en, error.zh))
        roots = await reader.roots(connection, chain, day, day)
        outside = await reader.outside(connection, day) if reader.outside is not None else []
    try:
        await asyncio.to_thread(verify, [line for part in parts for line in part.lines], key)
    except Broken as broken:
        faults.insert(0, (broken.en, broken.zh))
    if outside:
        numbers = ", ".join(map(str, outside))
        faults.append(
            (
                f"rows {numbers} are in no block: they were added after the chain had passed their moment",
                f"第 {numbers} 行不在任何区块中：它们是事后加入的",
            )
        )
    return CheckedDay(
        day,
        key,
        sum(part.blocks for part in parts),
        sum(part.entries for part in parts),
        roots[0].content.hash.hex() if roots else None,
        tuple(faults),
    )


async def _unlinked(connection: AsyncConnection, reader: JournalReader, chain: str, day: date) -> list[tuple[str, str]]:
    """The fault of a day that does not follow on the signed root of the day before."""
    before = await reader.roots(connection, chain, day - timedelta(days=1), day - timedelta(days=1))
    rows = await reader.tables.blocks(connection, chain, day, day, 0, 1)
    if (
        not before
        or not rows
        or (rows[0].number - 1, rows[0].previous)
        == (
            before[0].content.last,
            before[0].content.hash,
        )
    ):
        return []
    return [("its first block does not follow on the root of the day before", "首个区块与前一日的日根不相接")]
