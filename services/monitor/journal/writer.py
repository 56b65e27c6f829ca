"""Writes the journal: chains what monitor has published, a minute later, and signs each block and each day.

A published message stands in the outbox, in the commit of its decision. No transaction lives longer than
`TRANSACTION_S`, so three times as long after a moment every message of that moment is committed, and can be chained
once, in one order. The journal therefore adds nothing to a decision and cannot miss one, unless the database's own
clock is set back.
"""

import json
from dataclasses import asdict
from datetime import date, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from contracts.messages.alerts import (
    AlertAcknowledged,
    AlertAppealed,
    AlertClosed,
    AlertRaised,
    AlertReopened,
    AlertWithdrawn,
    AppealDecided,
    CardNotIssued,
    OperationsAlerted,
    TimeDoubted,
)
from contracts.messages.cases import CaseHeld
from contracts.messages.commitments import CommitmentsMoved, CommitmentsOpened
from contracts.registry import REGISTRY
from services.monitor.journal.blocks import Block, JournalEntry, Root, chain_entries, day_of
from services.monitor.store import journal
from services.runtime import telemetry
from services.runtime.clock_check import ClockCheck
from services.runtime.store.database import TRANSACTION_S, transaction

DECISIONS = (
    CommitmentsOpened,
    CommitmentsMoved,
    CaseHeld,
    AlertRaised,
    AlertWithdrawn,
    AlertClosed,
    AlertReopened,
    CardNotIssued,
    AlertAcknowledged,
    AlertAppealed,
    AppealDecided,
    OperationsAlerted,
    TimeDoubted,
)
"""The messages that are decisions of monitor, and go into the journal. They carry the evidence of a verified card."""

MIN_AGE_S = 3 * TRANSACTION_S
"""The age of a message, in the database's time, at which no older one can still be committed."""

MAX_STRETCH = timedelta(minutes=10)
"""The longest stretch of time that one transaction chains. No writer may have one as long as a day."""

MAX_ENTRIES = 5000
"""Entries of one transaction; more if as many messages have the same moment."""

UNKNOWN_REGION = "000000"
"""The region of a message without one."""

log = telemetry.logger(__name__)


class JournalAhead(Exception):
    """The journal was written by a clock that was ahead. Nothing is chained until the clock passes that moment."""


class JournalWriter:
    """Call `run_once` periodically. Of several replicas, one writes at a time."""

    def __init__(
        self,
        database: AsyncEngine,
        key: Ed25519PrivateKey,
        min_age_s: float = MIN_AGE_S,
        max_stretch: timedelta = MAX_STRETCH,
        clocks: ClockCheck | None = None,
    ) -> None:
        self._database = database
        self._clocks = clocks or ClockCheck()
        self._key = key
        self._public_key = key.public_key().public_bytes_raw()
        self._min_age = timedelta(seconds=min_age_s)
        self._max_stretch = max_stretch

    async def run_once(self) -> bool:
        """Chain the next stretch of time, and sign the day if it ends in it. Returns whether there may be more.

        Raises `JournalAhead`, and `services.runtime.clock_check.ClockInDoubt`: days that are signed stay signed.
        """
        async with transaction(self._database) as connection:
            row = await journal.lock_reached(connection)
            if row is None:
                return False  # another replica writes
            until = await journal.moment_before(connection, self._min_age)
            self._clocks.check(until + self._min_age)
            reached: datetime | None = row.created_at
            if reached is None:  # the first time: begin with the oldest message
                first = await journal.first_message_at(connection)
                reached = first - timedelta(microseconds=1) if first is not None else None
            if reached is not None and reached > until + self._min_age:
                now = until + self._min_age
                raise JournalAhead(
                    f"the journal has reached {reached:%Y-%m-%d %H:%M} UTC, since the clock of the database's server "
                    f"was ahead; it shows {now:%Y-%m-%d %H:%M} now. Decisions until then are in the outbox, and not in "
                    "the journal"
                )
            if reached is None or reached >= until:
                return False
            since = day_of(reached)
            entries, reached = await self._entries(connection, reached, min(until, reached + self._max_stretch))
            blocks = await self._chain(connection, entries)
            await journal.set_reached(connection, reached, self._public_key)
            signed = await self._sign(connection, since) if day_of(reached) > since else 0
        if blocks or signed:
            log.info("journal", blocks=len(blocks), entries=len(entries), days_signed=signed)
        return reached < until

    async def _entries(
        self, connection: AsyncConnection, after: datetime, until: datetime
    ) -> tuple[list[JournalEntry], datetime]:
        """The decisions of this stretch of time, whole moments only, and its end."""
        topics = sorted({REGISTRY[message].topic for message in DECISIONS})
        rows = await journal.messages(connection, after, until, topics, MAX_ENTRIES)
        if len(rows) == MAX_ENTRIES:
            until = rows[-1].created_at
            # All messages of the last moment: a batch is published at one moment.
            rows = await journal.messages(connection, after, until, topics, 1_000_000)
        decisions = {message.type for message in DECISIONS}
        found = []
        for row in rows:
            event = json.loads(row.event)
            if event["type"] in decisions:
                region = event["data"].get("region") or UNKNOWN_REGION
                found.append(JournalEntry(row.created_at, region, row.event))
        return found, until

    async def _chain(self, connection: AsyncConnection, entries: list[JournalEntry]) -> list[Block]:
        heads = await journal.heads(connection, sorted({entry.region for entry in entries}))
        blocks = chain_entries(entries, heads)
        await journal.add_blocks(
            connection, [self._signed(block) | {"entries": list(block.entries)} for block in blocks]
        )
        return blocks

    async def _sign(self, connection: AsyncConnection, day: date) -> int:
        """Sign this day in all regions, in the transaction that passes its end; in how many.

        No stretch is as long as a day, so each transaction passes the end of one day at most.
        """
        ended = [
            Root(row.region, day, row.first, row.last, int(row.entries), row.hash)
            for row in await journal.day_ends(connection, day)
        ]
        await journal.add_roots(connection, [self._signed(root) for root in ended])
        return len(ended)

    def _signed(self, content: Block | Root) -> dict[str, Any]:
        """The row of a block or a root, with its signature."""
        signature = {"key": self._public_key, "signature": self._key.sign(content.signed)}
        return asdict(content) | {"hash": content.hash} | signature
