"""A client that follows the change feed, and the events that wait for it."""

import asyncio
from collections import deque
from collections.abc import Callable
from functools import cached_property

from services.monitor.store.change_feed import Change, FeedPosition

MAX_WAITING = 1000
"""Events that wait for a slow follower. With one more the stream ends, and the client may reconnect."""

MAX_SENT = 100
"""Events sent at a time."""

HEARTBEAT_S = 15.0
"""Machine seconds without events after which a comment is sent, so that proxies keep the connection open."""


class Event:
    """The event of one change; serialized once for all followers."""

    def __init__(self, position: FeedPosition, serialize: Callable[[], bytes]) -> None:
        self.position = position
        self._serialize = serialize

    @cached_property
    def content(self) -> bytes:
        """The event as it is sent."""
        return self._serialize()


class Follower:
    """A client, and the events that wait for it."""

    def __init__(self, selects: Callable[[Change], bool]) -> None:
        """``selects``: whether the client wants a change."""
        self.selects = selects
        self.waiting: deque[Event] = deque()
        self.changed = asyncio.Event()
        self.ends: str | None = None
        """Why the stream ends, once it does."""

    def offer(self, event: Event) -> None:
        """Add an event, or end the stream if too many wait."""
        if self.ends is not None:
            return
        if len(self.waiting) >= MAX_WAITING:
            self.end("you read too slowly; reconnect with your Last-Event-ID")
            return
        self.waiting.append(event)
        self.changed.set()

    def replace_waiting(self, event: Event) -> None:
        """Drop the events that wait, and offer this one instead."""
        self.waiting.clear()
        self.offer(event)

    def take(self, after: FeedPosition) -> list[Event]:
        """The next events behind this position, at most `MAX_SENT`."""
        events: list[Event] = []
        while self.waiting and len(events) < MAX_SENT:
            event = self.waiting.popleft()
            if event.position > after:
                events.append(event)
        return events

    async def wait(self) -> bool:
        """Wait for events or for the end of the stream. Returns False if a heartbeat is due before."""
        try:
            async with asyncio.timeout(HEARTBEAT_S):
                await self.changed.wait()
        except TimeoutError:
            return bool(self.waiting)
        return True

    def end(self, why: str) -> None:
        """End the stream once all that waits is sent."""
        self.ends = why
        self.changed.set()
