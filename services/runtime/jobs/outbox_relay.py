"""The outbox relay: any replica publishes the messages that a crash or an outage of Kafka left unpublished.

Batches are claimed by row, never by "id greater than the last one": commits interleave, and a row that is committed
late may have a small id.
"""

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from services.runtime import telemetry
from services.runtime.batch.publications import Publish
from services.runtime.store import outbox
from services.runtime.store.database import transaction

REPUBLISHED = timedelta(minutes=5)
"""Age up to which messages are published again when Kafka has lost its log, since a consumer may not have read them.

For a consumer that was further behind, services that lack an answer repeat their requests. Republishing more would
delay new messages.
"""

BATCHES = 20
"""Most batches published at once: ten thousand messages if all are full."""

log = telemetry.logger(__name__)


class OutboxRelay:
    """Publishes batches whose messages have waited longer than ``age``, in their original order."""

    def __init__(self, database: AsyncEngine, publish: Publish, age: timedelta) -> None:
        self._database = database
        self._publish = publish
        self._age = age
        self.waiting = self.busy = False
        """Whether the latest run found waiting messages, and whether it published some of them."""

    async def run_once(self) -> bool:
        """Publish some of the waiting batches. Returns whether there may be more."""
        async with transaction(self._database) as connection:
            waiting = await outbox.claim_unpublished(connection, self._age, BATCHES)
            self.waiting, self.busy = bool(waiting), False
            if not waiting:
                return False
            messages = [one for batch in waiting.values() for one in batch]
            acknowledged = {one.message_id for one in await self._publish(messages)}
            published = [
                batch_id for batch_id, batch in waiting.items() if acknowledged.issuperset(m.message_id for m in batch)
            ]
            if published:
                await outbox.mark_published(connection, published)
        self.busy = bool(published)
        telemetry.RELAYED.inc(len(acknowledged))
        log.info("relayed", messages=len(acknowledged), waiting=len(messages))
        return len(published) == BATCHES

    async def republish(self) -> None:
        """Publish recent messages again after Kafka has lost its log. Consumers drop those that they have processed."""
        async with transaction(self._database) as connection:
            messages = await outbox.mark_unpublished(connection, REPUBLISHED)
        log.warning("Kafka has lost its log; publishing recent messages again", messages=messages)
