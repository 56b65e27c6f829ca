"""Entries of the record of access."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.runtime.security.access_record import AccessEntry
from services.runtime.store import access_record


def entry(number: int = 0, **changes: Any) -> AccessEntry:
    """The entry of a reading."""
    at = datetime(2026, 3, 2, 2, tzinfo=UTC) + timedelta(seconds=number)
    return AccessEntry(at, "case.read", "given", "li-na", request_id=str(number), roles=("auditor",))._replace(
        **changes
    )


async def add(database: AsyncEngine, *entries: AccessEntry, ago: timedelta = timedelta()) -> None:
    """Add these entries as they were added so long ago."""
    async with database.begin() as connection:
        await access_record.add(connection, entries)
        await connection.execute(text("ALTER TABLE access_record DISABLE TRIGGER append_only"))
        await connection.execute(
            text("UPDATE access_record SET created_at = created_at - CAST(:ago AS interval) WHERE created_at = now()"),
            {"ago": ago},
        )
        await connection.execute(text("ALTER TABLE access_record ENABLE TRIGGER append_only"))
