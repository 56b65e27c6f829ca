"""The rows of the record of access, as the source of a journal: one chain, with the name of the service."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.runtime.journal.blocks import Block, JournalEntry
from services.runtime.journal.writer import JournalWriter
from services.runtime.store import access_record


class AccessRows:
    """The record of access of a service."""

    def __init__(self, service: str) -> None:
        self._service = service

    async def first_at(self, connection: AsyncConnection) -> datetime | None:
        """When the oldest row was created."""
        return await access_record.first_created_at(connection)

    async def rows(
        self, connection: AsyncConnection, after: datetime, until: datetime, limit: int
    ) -> Sequence[Row[Any]]:
        """At most ``limit`` rows, in the order of their creation."""
        return await access_record.rows_between(connection, after, until, limit)

    def entry(self, row: Row[Any]) -> JournalEntry:
        """The entry of a row."""
        return JournalEntry(row.created_at, self._service, access_record.content_of(row))

    async def four_eyes(self, connection: AsyncConnection, after: datetime, until: datetime) -> None:
        """The record has no decisions by rules."""

    def stored(self, block: Block) -> list[int]:
        """The numbers of the rows, which the record keeps."""
        return [json.loads(entry)["number"] for entry in block.entries]


def record_writer(database: AsyncEngine, service: str, key: Ed25519PrivateKey) -> JournalWriter:
    """The writer that chains the record of access of a service."""
    return JournalWriter(database, key, access_record.CHAIN, AccessRows(service))
