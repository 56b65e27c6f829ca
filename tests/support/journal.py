"""Messages of monitor that are in its outbox, and in its journal; entries of a record that are in its chain."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.codec import encode
from contracts.envelope import Message
from contracts.registry import topic_of
from services.monitor.core.decisions import DECISIONS
from services.runtime.clock_check import ClockCheck
from services.runtime.journal.access import AccessRows
from services.runtime.journal.blocks import signing_key
from services.runtime.journal.decisions import Decisions
from services.runtime.journal.writer import MAX_STRETCH, MIN_AGE_S, JournalWriter
from services.runtime.store import access_record
from services.runtime.store.chains import JOURNAL
from tests.support.messages import CASE_ID
from tests.support.scenario import enveloped

KEY = signing_key("k" * 32)
PUBLIC_KEY = KEY.public_key().public_bytes_raw().hex()

_PUBLISHED = text("""
    INSERT INTO outbox (case_id, message_id, topic, event, created_at)
    VALUES (:case, :id, :topic, :event, now() - CAST(:ago AS interval))
""")


async def publish(database: AsyncEngine, *messages: Message, ago: timedelta = timedelta()) -> None:
    """Write these messages to the outbox as a batch does, so long ago."""
    async with database.begin() as connection:
        for message in messages:
            envelope = enveloped(message, datetime.now(UTC))
            event = encode(envelope).decode()
            row = {"case": CASE_ID, "id": envelope.id, "topic": topic_of(message), "event": event, "ago": ago}
            await connection.execute(_PUBLISHED, row)


def journal_writer(
    database: AsyncEngine,
    min_age_s: float = MIN_AGE_S,
    max_stretch: timedelta = MAX_STRETCH,
    clocks: ClockCheck | None = None,
) -> JournalWriter:
    """A writer of monitor's journal."""
    return JournalWriter(database, KEY, JOURNAL, Decisions(DECISIONS), min_age_s, max_stretch, clocks)


async def write_journal(database: AsyncEngine, min_age_s: float = 0.0) -> None:
    """Write all messages of this age into the journal, half a day in each transaction: tests have few messages."""
    writer = journal_writer(database, min_age_s, timedelta(hours=12))
    while await writer.run_once():
        pass


async def write_record(database: AsyncEngine, service: str) -> None:
    """Write all entries of the record of access into its chain."""
    writer = JournalWriter(database, KEY, access_record.CHAIN, AccessRows(service), 0.0, timedelta(hours=12))
    while await writer.run_once():
        pass
