"""The outbox relay: what a crash or an absent Kafka left unpublished is published, by any replica.

Messages are claimed by row, never by "id greater than the last": commits interleave, and a row committed late
may carry a small id.
"""

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from services.runtime import telemetry
from services.runtime.batch.processor import Publish
from services.runtime.store import outbox
from services.runtime.store.database import transaction

REPUBLISHED = timedelta(minutes=5)
"""How far back messages are said again when Kafka has lost its log: what somebody may not have read yet. Where somebody
was further behind than this, whoever lacks an answer asks again. To say more again would keep everybody from what is
new."""

BATCHES = 20
"""Most batches published at once: ten thousand messages if all are full."""

log = telemetry.logger(__name__)


class OutboxRelay:
    """Publishes messages that have waited too long, a batch at a time as they were said."""

    def __init__(self, database: AsyncEngine, publish: Publish, age: timedelta) -> None:
        self._database = database
        self._publish = publish
        self._age = age
        self.waiting = self.busy = False
        """Whether messages had waited at the latest run, and whether some of them were published then."""

    async def run_once(self, limit: int = BATCHES) -> bool:
        """Publish at most ``limit`` batches that have waited longer than ``age``; whether there may be more."""
        async with transaction(self._database) as connection:
            waiting = await outbox.claim_unpublished(connection, self._age, limit)
            self.waiting, self.busy = bool(waiting), False
            if not waiting:
                return False
            said = [one for batch in waiting.values() for one in batch]
            acknowledged = {one.message_id for one in await self._publish(said)}
            published = [
                batch for batch, messages in waiting.items() if acknowledged.issuperset(m.message_id for m in messages)
            ]
            if published:
                await outbox.mark_published(connection, published)
        self.busy = bool(published)
        telemetry.RELAYED.inc(len(acknowledged))
        log.info("relayed", messages=len(acknowledged), waiting=len(said))
        return len(published) == limit

    async def republish(self) -> None:
        """Kafka's log is lost: publish again what was said of late. Who has heard it drops it."""
        async with transaction(self._database) as connection:
            messages = await outbox.mark_unpublished(connection, REPUBLISHED)
        log.warning("Kafka's log was lost; saying again what was said of late", messages=messages)
