"""Writes a journal: chains what has been committed, a minute later, and signs each block and each day.

No transaction lives longer than `TRANSACTION_S`, so three times as long after a moment everything of that moment is
committed, and can be chained once, in one order. The journal therefore adds nothing to the commits and cannot miss one,
unless the database's own clock is set back.
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime, timedelta
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.runtime import telemetry
from services.runtime.clock_check import ClockCheck
from services.runtime.journal.blocks import Block, JournalEntry, Root, chain_entries, day_of
from services.runtime.store import chains
from services.runtime.store.chains import ChainTables
from services.runtime.store.database import TRANSACTION_S, transaction

MIN_AGE_S = 3 * TRANSACTION_S
"""The age of a row, in the database's time, at which no older one can still be committed."""

MAX_STRETCH = timedelta(minutes=10)
"""The longest stretch of time that one transaction chains. No writer may have one as long as a day."""

MAX_ENTRIES = 5000
"""Entries of one transaction; more if as many rows have the same moment."""

log = telemetry.logger(__name__)


class JournalAhead(Exception):
    """The journal was written by a clock that was ahead. Nothing is chained until the clock passes that moment."""


class Source(Protocol):
    """The rows that a journal is made of. Each has the moment ``created_at``, by the database's clock."""

    async def first_at(self, connection: AsyncConnection) -> datetime | None:
        """When the oldest row was created."""

    async def rows(
        self, connection: AsyncConnection, after: datetime, until: datetime, limit: int
    ) -> Sequence[Row[Any]]:
        """At most ``limit`` rows in the order of their creation."""

    def entry(self, row: Row[Any]) -> JournalEntry | None:
        """The entry of a row; None for one that does not belong into the journal."""

    async def four_eyes(self, connection: AsyncConnection, after: datetime, until: datetime) -> bool | None:
        """That of the blocks of a stretch of time; see `Block`."""

    def stored(self, block: Block) -> list[Any]:
        """The entries of a block as its row keeps them."""


class JournalWriter:
    """Call `run_once` periodically. Of several replicas, one writes at a time."""

    def __init__(
        self,
        database: AsyncEngine,
        key: Ed25519PrivateKey,
        tables: ChainTables,
        source: Source,
        min_age_s: float = MIN_AGE_S,
        max_stretch: timedelta = MAX_STRETCH,
        clocks: ClockCheck | None = None,
    ) -> None:
        self._database = database
        self._clocks = clocks or ClockCheck()
        self._key = key
        self._public_key = key.public_key().public_bytes_raw()
        self._tables = tables
        self._source = source
        self._min_age = timedelta(seconds=min_age_s)
        self._max_stretch = max_stretch

    async def run_once(self) -> bool:
        """Chain the next stretch of time, and sign the day if it ends in it. Returns whether there may be more.

        Raises `JournalAhead`, and `services.runtime.clock_check.ClockInDoubt`: days that are signed stay signed.
        """
        async with transaction(self._database) as connection:
            row = await self._tables.lock_reached(connection)
            if row is None:
                return False  # another replica writes
            until = await chains.moment_before(connection, self._min_age)
            self._clocks.check(until + self._min_age)
            reached: datetime | None = row.created_at
            if reached is None:  # the first time: begin with the oldest row
                first = await self._source.first_at(connection)
                reached = first - timedelta(microseconds=1) if first is not None else None
            if reached is not None and reached > until + self._min_age:
                now = until + self._min_age
                raise JournalAhead(
                    f"the {self._tables.table} has reached {reached:%Y-%m-%d %H:%M} UTC, since the clock of the "
                    f"database's server was ahead; it shows {now:%Y-%m-%d %H:%M} now. What was committed until then is "
                    "not chained"
                )
            if reached is None or reached >= until:
                return False
            since, after = day_of(reached), reached
            entries, reached = await self._entries(connection, reached, min(until, reached + self._max_stretch))
            four_eyes = await self._source.four_eyes(connection, after, reached) if entries else None
            blocks = await self._chain(connection, entries, four_eyes)
            await self._tables.set_reached(connection, reached, self._public_key)
            signed = await self._sign(connection, since) if day_of(reached) > since else 0
        if blocks or signed:
            log.info(self._tables.table, blocks=len(blocks), entries=len(entries), days_signed=signed)
        return reached < until

    async def _entries(
        self, connection: AsyncConnection, after: datetime, until: datetime
    ) -> tuple[list[JournalEntry], datetime]:
        """The entries of this stretch of time, whole moments only, and its end."""
        rows = await self._source.rows(connection, after, until, MAX_ENTRIES)
        if len(rows) == MAX_ENTRIES:
            until = rows[-1].created_at
            # All rows of the last moment: those of one transaction have the same.
            rows = await self._source.rows(connection, after, until, 1_000_000)
        found = [self._source.entry(row) for row in rows]
        return [entry for entry in found if entry is not None], until

    async def _chain(
        self, connection: AsyncConnection, entries: list[JournalEntry], four_eyes: bool | None
    ) -> list[Block]:
        heads = await self._tables.heads(connection, sorted({entry.chain for entry in entries}))
        blocks = chain_entries(entries, heads, four_eyes=four_eyes)
        await self._tables.add_blocks(
            connection, [self._signed(block) | {"entries": self._source.stored(block)} for block in blocks]
        )
        return blocks

    async def _sign(self, connection: AsyncConnection, day: date) -> int:
        """Sign this day in all chains, in the transaction that passes its end; in how many.

        No stretch is as long as a day, so each transaction passes the end of one day at most.
        """
        ended = [
            Root(row.chain, day, row.first, row.last, int(row.entries), row.hash)
            for row in await self._tables.day_ends(connection, day)
        ]
        await self._tables.add_roots(connection, [self._signed(root) for root in ended])
        return len(ended)

    def _signed(self, content: Block | Root) -> dict[str, Any]:
        """The row of a block or a root, with its signature."""
        signature = {"key": self._public_key, "signature": self._key.sign(content.signed)}
        return asdict(content) | {"hash": content.hash} | signature
