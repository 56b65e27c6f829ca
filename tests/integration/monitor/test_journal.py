"""The journal in a real PostgreSQL: it has every decision once, with any number of writers, and is never rewritten."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from typer.testing import CliRunner

from contracts.codec import encode
from contracts.envelope import Message
from contracts.messages.alerts import AlertRaised, AlertWithdrawn, Rung
from contracts.messages.cases import CaseStateRequested
from contracts.registry import topic_of
from onedoor.cli import app
from services.monitor.journal.blocks import signing_key
from services.monitor.journal.verify import verify
from services.monitor.journal.writer import MIN_AGE_S, JournalWriter
from services.monitor.store import journal
from services.monitor.store.journal import JOURNALED_UNTIL
from services.runtime.store import outbox
from services.runtime.store.database import TRANSACTION_S
from tests.integration.monitor.monitor_process import Killed, alert_raised, kill
from tests.support.messages import CASE_ID
from tests.support.scenario import enveloped

KEY = signing_key("k" * 32)
PUBLIC = KEY.public_key().public_bytes_raw().hex()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(database_url)
    yield engine
    await engine.dispose()


def alert(region: str = "450103") -> AlertRaised:
    return alert_raised(datetime.now(UTC), region=region)


async def publish(database: AsyncEngine, *messages: Message, ago: timedelta = timedelta()) -> None:
    """Write these messages to the outbox as a batch does, so long ago."""
    query = text("""
        INSERT INTO outbox (case_id, message_id, topic, event, created_at)
        VALUES (:case, :id, :topic, :event, now() - CAST(:ago AS interval))
    """)
    async with database.begin() as connection:
        for message in messages:
            envelope = enveloped(message, datetime.now(UTC))
            event = encode(envelope).decode()
            row = {"case": CASE_ID, "id": envelope.id, "topic": topic_of(message), "event": event, "ago": ago}
            await connection.execute(query, row)


async def rows(database: AsyncEngine, query: str) -> list[tuple[Any, ...]]:
    async with database.connect() as connection:
        return [tuple(row) for row in await connection.execute(text(query))]


async def write(database: AsyncEngine, min_age_s: float = 0.0) -> None:
    writer = JournalWriter(database, KEY, min_age_s)
    while await writer.run_once():
        pass


async def entries(database: AsyncEngine) -> Counter[str]:
    return Counter(entry for (one,) in await rows(database, "SELECT entries FROM journal") for entry in one)


async def test_every_decision_is_journaled_once_by_several_writers(database: AsyncEngine) -> None:
    writers = [JournalWriter(database, KEY, 0.0) for _ in range(3)]
    for number in range(20):
        await publish(database, alert(), alert("450200"), CaseStateRequested())
        if number % 3 == 0:
            await asyncio.gather(*(writer.run_once() for writer in writers))
    await write(database)
    decided = await rows(database, "SELECT event FROM outbox WHERE topic = 'onedoor.alerts'")
    assert await entries(database) == Counter(event for (event,) in decided)
    assert len(decided) == 40
    by_region = await rows(database, "SELECT region, sum(cardinality(entries)) FROM journal GROUP BY 1 ORDER BY 1")
    assert by_region == [("450103", 20), ("450200", 20)]


async def test_messages_younger_than_the_minimum_age_wait(database: AsyncEngine) -> None:
    assert MIN_AGE_S > 2 * TRANSACTION_S
    await publish(database, alert(), ago=timedelta(seconds=MIN_AGE_S + 5))
    await publish(database, alert(), ago=timedelta(seconds=MIN_AGE_S - 10))
    await write(database, MIN_AGE_S)
    assert sum((await entries(database)).values()) == 1


async def test_days_that_are_over_are_signed_and_the_export_is_sound(
    database: AsyncEngine, database_url: str, tmp_path: Path
) -> None:
    withdrawn = AlertWithdrawn(
        commitment="case", rung=Rung.YELLOW, reason="late", withdrawn_at=datetime.now(UTC), region="450103"
    )
    for days in (3, 2, 1, 0):
        await publish(database, alert(), withdrawn, ago=timedelta(days=days))
    await write(database)
    assert [row[0] for row in await rows(database, "SELECT count(*) FROM journal_roots")] == [3]

    def command(*arguments: str) -> str:
        environment = {"ONEDOOR_DATABASE": database_url}
        result = CliRunner().invoke(app, ["journal", *arguments], env=environment, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout

    file = tmp_path / "journal.jsonl"

    def check() -> None:
        assert command("key").strip() == PUBLIC
        assert "blocks written" in command("export", "--region", "450103", "--out", str(file))
        with file.open(encoding="utf-8") as lines:
            assert verify(lines, PUBLIC) == {"first": 1, "last": 4, "entries": 8, "days": 3, "unsigned": 1}
        assert "sound" in command("verify", str(file), "--key", PUBLIC)
        assert "def verify(" in command("verifier")

    await asyncio.to_thread(check)


async def test_nothing_in_it_can_be_changed_or_deleted(database: AsyncEngine) -> None:
    await publish(database, alert(), ago=timedelta(days=1))
    await write(database)
    for statement in (
        "UPDATE journal SET entries = '{}'",
        "DELETE FROM journal",
        "TRUNCATE journal, journal_roots",
        "DELETE FROM journal_roots",
        "DELETE FROM journal_reached",
        "UPDATE journal_reached SET created_at = created_at - interval '1 hour'",
    ):
        with pytest.raises(DBAPIError, match="append-only"):
            async with database.begin() as connection:
                await connection.execute(text(statement))


async def test_the_outbox_keeps_messages_until_they_are_journaled(database: AsyncEngine) -> None:
    await publish(database, alert(), ago=timedelta(hours=30))

    async def forget() -> int:
        async with database.begin() as connection:
            return await outbox.delete_published(connection, timedelta(days=1), 100, JOURNALED_UNTIL)

    assert await forget() == 0
    await write(database)
    assert await forget() == 1


async def test_a_killed_writer_leaves_no_partial_block(database: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    await publish(database, alert(), ago=timedelta(days=1))

    with monkeypatch.context() as patch:
        patch.setattr(journal, "set_reached", kill)
        with pytest.raises(Killed):
            await JournalWriter(database, KEY, 0.0).run_once()
    assert await rows(database, "SELECT * FROM journal") == []
    await write(database)
    assert sum((await entries(database)).values()) == 1
