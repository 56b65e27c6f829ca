"""Keeps the journal: chains what monitor has said, a minute later and behind its back.

What is said stands in the outbox, in the commit of the decision. No transaction lives for longer than `TRANSACTION_S`,
so that a minute later all that was said by then is there, and can be put into the chains in one order, once. So the
journal costs a decision nothing, and cannot miss one, unless the database's own clock is set back.
"""

import json
from datetime import date, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from contracts.messages.alerts import (
    AlertAcknowledged,
    AlertAppealed,
    AlertClosed,
    AlertRaised,
    AlertWithdrawn,
    AppealDecided,
    CardNotIssued,
    OperationsAlerted,
)
from contracts.messages.cases import CaseHeld
from contracts.messages.commitments import CommitmentsMoved, CommitmentsOpened
from contracts.registry import REGISTRY
from services.monitor.journal.blocks import Block, JournalEntry, Root, chained, day_of
from services.runtime import telemetry
from services.runtime.store.database import TRANSACTION_S, transaction

DECISIONS = (
    CommitmentsOpened,
    CommitmentsMoved,
    CaseHeld,
    AlertRaised,
    AlertWithdrawn,
    AlertClosed,
    CardNotIssued,
    AlertAcknowledged,
    AlertAppealed,
    AppealDecided,
    OperationsAlerted,
)
"""What is a decision of monitor's, and goes into the journal. A card that was verified is raised or spared, with its
evidence."""

LATE_S = 3 * TRANSACTION_S
"""How old something said has to be, in the database's time: nothing older can still be about to be committed."""

STRETCH = timedelta(minutes=10)
"""How much time is gone through in one transaction, at the most."""

MOST = 5000
"""Entries of one transaction; more if as many were said in one moment."""

NOWHERE = "000000"
"""The region of what was said by a program that did not say of which."""

JOURNALED = "SELECT created_at FROM journal_reached"
"""Until when what was said stands in the journal."""

log = telemetry.logger(__name__)

_REACHED = text("SELECT created_at FROM journal_reached FOR UPDATE SKIP LOCKED")

_UNTIL = text("SELECT clock_timestamp() - CAST(:late AS interval)")

_FIRST = text("SELECT min(created_at) FROM outbox")

_SAID = text("""
    SELECT created_at, event FROM outbox
    WHERE created_at > :reached AND created_at <= :until AND topic = ANY(:topics)
    ORDER BY created_at, case_id, message_id FETCH FIRST :most ROWS ONLY
""")

_HEADS = text("""
    SELECT asked.region, head.number, head.hash
    FROM unnest(CAST(:regions AS text[])) AS asked (region) CROSS JOIN LATERAL (
        SELECT number, hash FROM journal WHERE journal.region = asked.region ORDER BY number DESC LIMIT 1) AS head
""")

_CHAIN = text("""
    INSERT INTO journal (region, number, day, previous, hash, entries)
    VALUES (:region, :number, :day, :previous, :hash, :entries)
""")

_REACH = text("UPDATE journal_reached SET created_at = :created_at, key = :key")

_ENDED = text("""
    SELECT region, day, min(number) AS first, max(number) AS last, sum(cardinality(entries)) AS entries
    FROM journal WHERE day >= :since AND day < :today
    GROUP BY region, day ORDER BY region, day
""")

_HASH = text("SELECT hash FROM journal WHERE region = :region AND number = :number")

_SIGN = text("""
    INSERT INTO journal_roots (region, day, first, last, entries, hash, key, signature)
    VALUES (:region, :day, :first, :last, :entries, :hash, :key, :signature)
""")


class JournalWriter:
    """Whichever replica comes first does it."""

    def __init__(self, database: AsyncEngine, key: Ed25519PrivateKey, late_s: float = LATE_S) -> None:
        self._database = database
        self._key = key
        self._late = timedelta(seconds=late_s)

    async def run_once(self) -> bool:
        """Chain the next stretch of time, and sign the days that are over; whether there is more to do at once."""
        async with transaction(self._database) as connection:
            found = (await connection.execute(_REACHED)).one_or_none()
            if found is None:
                return False  # another replica is at it
            until = (await connection.execute(_UNTIL, {"late": self._late})).scalar_one()
            reached = found.created_at
            if reached is None:  # the first time: from the first that was ever said
                first = await connection.scalar(_FIRST)
                reached = first - timedelta(microseconds=1) if first is not None else None
            if reached is None or reached >= until:
                return False
            since = day_of(reached)
            stretch = min(until, reached + STRETCH)
            said, reached = await self._said(connection, reached, stretch)
            blocks = await _chain(connection, said)
            await connection.execute(_REACH, {"created_at": reached, "key": self._key.public_key().public_bytes_raw()})
            signed = await self._sign(connection, since, day_of(reached))
        if blocks or signed:
            log.info("journal", blocks=len(blocks), entries=len(said), days_signed=signed)
        return bool(reached < until)

    async def _said(
        self, connection: AsyncConnection, reached: datetime, until: datetime
    ) -> tuple[list[JournalEntry], datetime]:
        """What was said in this stretch of time, whole moments only, and until when."""
        topics = sorted({REGISTRY[message].topic for message in DECISIONS})
        asked = {"reached": reached, "until": until, "topics": topics}
        rows = (await connection.execute(_SAID, {**asked, "most": MOST})).all()
        if len(rows) == MOST:
            until = rows[-1].created_at
            asked["until"] = until
            # All of the last moment: a batch is said at one.
            rows = (await connection.execute(_SAID, {**asked, "most": 1_000_000})).all()
        decisions = {message.type for message in DECISIONS}
        found = []
        for row in rows:
            event = json.loads(row.event)
            if event["type"] in decisions:
                found.append(JournalEntry(row.created_at, event["data"].get("region") or NOWHERE, row.event))
        return found, until

    async def _sign(self, connection: AsyncConnection, since: date, today: date) -> int:
        """Sign the days that have ended since then, in the transaction that has gone past their end; how many."""
        if since == today:
            return 0
        ended = (await connection.execute(_ENDED, {"since": since, "today": today})).all()
        for row in ended:
            place = {"region": row.region, "number": row.last}
            last = (await connection.execute(_HASH, place)).scalar_one()
            root = Root(row.region, row.day, row.first, row.last, int(row.entries), last)
            signature = self._key.sign(root.signed)
            values = {"region": root.region, "day": root.day, "first": root.first, "last": root.last}
            key = self._key.public_key().public_bytes_raw()
            values |= {"entries": root.entries, "hash": root.hash, "key": key, "signature": signature}
            await connection.execute(_SIGN, values)
        return len(ended)


async def _chain(connection: AsyncConnection, said: list[JournalEntry]) -> list[Block]:
    regions = sorted({one.region for one in said})
    heads = {row.region: (row.number, row.hash) for row in await connection.execute(_HEADS, {"regions": regions})}
    blocks = chained(said, heads)
    rows = [
        {
            "region": block.region,
            "number": block.number,
            "day": block.day,
            "previous": block.previous,
            "hash": block.hash,
            "entries": list(block.entries),
        }
        for block in blocks
    ]
    if rows:
        await connection.execute(_CHAIN, rows)
    return blocks
