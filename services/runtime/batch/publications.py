"""Publication of the messages of committed batches, beside the batches that follow."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from services.runtime.store.outbox import OutboxMessage

Publish = Callable[[Sequence[OutboxMessage]], Awaitable[Sequence[OutboxMessage]]]
"""Publishes messages and returns those that Kafka acknowledged."""

MAX_PUBLICATIONS = 3
"""Batches whose messages may be on their way to Kafka at the same time. The next one waits for the first of them."""


class Publications:
    """Publishes the messages of one batch after another and keeps the ids of the batches that are in Kafka.

    The outbox does not know yet that these batches are published. The next batch writes it in its own commit.
    """

    def __init__(self, publish: Publish) -> None:
        self._publish = publish
        self._tasks: set[asyncio.Task[None]] = set()
        self._published: list[UUID] = []

    async def start(self, batch_id: UUID | None, messages: Sequence[OutboxMessage]) -> None:
        """Publish in the background. Waits only while too many publications are under way."""
        task = asyncio.create_task(self._run(batch_id, messages))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if len(self._tasks) >= MAX_PUBLICATIONS:
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)

    async def wait(self) -> None:
        """Wait until every batch is published, or known to be left to the outbox relay."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    @contextmanager
    def take_published(self) -> Iterator[list[UUID]]:
        """The batches to mark as published in the outbox. They are kept for another time if the block fails."""
        published, self._published = self._published, []
        try:
            yield published
        except BaseException:
            self._published += published
            raise

    async def _run(self, batch_id: UUID | None, messages: Sequence[OutboxMessage]) -> None:
        acknowledged = await self._publish(messages)
        if batch_id is not None and len(acknowledged) == len(messages):
            self._published.append(batch_id)  # otherwise the relay publishes the whole batch again
