"""The outbox relay: any replica publishes the messages that a crash or an outage of Kafka left unpublished.

Batches are claimed by row, never by "id greater than the last one": commits interleave, and a row that is committed
late may have a small id.

Messages to a topic that Kafka refuses are put aside, in batches of their own, so that they keep back no others.
"""

from collections.abc import Callable, Collection
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from services.runtime import telemetry
from services.runtime.batch.publications import Publish
from services.runtime.store import outbox
from services.runtime.store.database import transaction
from services.runtime.store.outbox import OutboxMessage

REPUBLISHED = timedelta(minutes=5)
"""Age up to which messages are published again when Kafka has lost its log, since a consumer may not have read them.

For a consumer that was further behind, services that lack an answer repeat their requests. Republishing more would
delay new messages.
"""

BATCHES = 20
"""Most batches published at once: ten thousand messages if all are full."""

log = telemetry.logger(__name__)


class OutboxRelay:
    """Publishes batches whose messages have waited longer than ``age``, in their original order.

    ``refused_topics`` gives the topics that Kafka refuses at present.
    """

    def __init__(
        self,
        database: AsyncEngine,
        publish: Publish,
        age: timedelta,
        refused_topics: Callable[[], Collection[str]] = tuple,
    ) -> None:
        self._database = database
        self._publish = publish
        self._age = age
        self._refused_topics = refused_topics
        self.waiting = self.busy = False
        """Whether the latest run found waiting messages, and whether it published some of them."""

    async def run_once(self) -> bool:
        """Publish some of the waiting batches. Returns whether there may be more."""
        async with transaction(self._database) as connection:
            waiting = await outbox.claim_unpublished(connection, self._age, BATCHES, self._refused_topics())
            self.waiting, self.busy = bool(waiting), False
            if not waiting:
                return False
            messages = [one for batch in waiting for one in batch.messages]
            acknowledged = {one.message_id for one in await self._publish(messages)}
            published: list[UUID] = []
            divided: dict[UUID, list[OutboxMessage]] = {}
            refused = self._refused_topics()
            for batch in waiting:
                left = [one for one in batch.messages if one.message_id not in acknowledged]
                if not left:
                    published.append(batch.id)
                elif any(one.topic in refused for one in left) and batch.refused_topic is None:
                    divided[batch.id] = left
            if published:
                await outbox.mark_published(connection, published)
            if divided:
                await outbox.divide(connection, divided, refused)
        self.busy = bool(published)
        telemetry.RELAYED.inc(len(acknowledged))
        log.info("relayed", messages=len(acknowledged), waiting=len(messages))
        return len(published) + len(divided) == BATCHES

    async def republish(self) -> None:
        """Publish recent messages again after Kafka has lost its log. Consumers drop those that they have processed."""
        async with transaction(self._database) as connection:
            messages = await outbox.mark_unpublished(connection, REPUBLISHED)
        log.warning("Kafka has lost its log; publishing recent messages again", messages=messages)
