"""The outbox relay: what a crash or an absent Kafka left unpublished is published, by any replica.

Messages are claimed by row, never by "id greater than the last": commits interleave, and a row committed late
may carry a small id.
"""

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from services.runtime import store, telemetry
from services.runtime.batch import Publish

log = telemetry.logger(__name__)


class Relay:
    """Publishes messages that have waited too long."""

    def __init__(self, database: AsyncEngine, publish: Publish, age: timedelta) -> None:
        self._database = database
        self._publish = publish
        self._age = age

    async def run_once(self, limit: int) -> int:
        """Publish at most ``limit`` messages that have waited longer than ``age``; how many were acknowledged."""
        async with self._database.begin() as connection:
            waiting = await store.claim_unpublished(connection, self._age, limit)
            if not waiting:
                return 0
            published = await self._publish(waiting)
            if published:
                await store.mark_published(connection, published)
        telemetry.RELAYED.inc(len(published))
        log.info("relayed", messages=len(published), waiting=len(waiting))
        return len(published)
