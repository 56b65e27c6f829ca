"""The journal of a service's decisions: the messages of these types in its outbox, in a chain for each region.

A published message stands in the outbox, in the commit of its decision.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.envelope import Message
from contracts.registry import REGISTRY
from services.runtime.journal.blocks import Block, JournalEntry
from services.runtime.store import documents, outbox

UNKNOWN_REGION = "000000"
"""The region of a message without one."""


class Decisions:
    """The messages of these types in the outbox, as the source of a journal."""

    def __init__(self, types: Iterable[type[Message]]) -> None:
        types = tuple(types)
        self._topics = sorted({REGISTRY[message].topic for message in types})
        self._types = sorted(message.type for message in types)

    async def first_at(self, connection: AsyncConnection) -> datetime | None:
        """When the oldest message of the outbox was created."""
        return await outbox.first_created_at(connection)

    async def rows(
        self, connection: AsyncConnection, after: datetime, until: datetime, limit: int
    ) -> Sequence[Row[Any]]:
        """At most ``limit`` messages of the topics of these types, in the order of their creation."""
        return await outbox.messages_between(connection, after, until, self._topics, self._types, limit)

    def entry(self, row: Row[Any]) -> JournalEntry | None:
        """The entry of a message, byte for byte as it was published."""
        event = json.loads(row.event)
        if event["type"] not in self._types:
            return None
        return JournalEntry(row.created_at, event["data"].get("region") or UNKNOWN_REGION, row.event)

    async def four_eyes(self, connection: AsyncConnection, after: datetime, until: datetime) -> bool:
        """Whether each change of rules, directory and calendar between these moments needed two people."""
        return await documents.four_eyes(connection, after, until)

    def stored(self, block: Block) -> list[str]:
        """The messages themselves, since the outbox is deleted after a while."""
        return list(block.entries)
