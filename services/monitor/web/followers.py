"""The followers of the stream of changes, and the loop that reads the changes for all of them.

One loop a process reads the change feed and offers each change to its followers. An event's id is its position in the
feed: a client that reconnects with its last id receives each later change once.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from functools import cached_property, partial
from typing import Annotated

from fastapi.sse import format_sse_event
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.envelope import Name
from contracts.messages.alerts import Rung
from services.monitor.store.change_feed import ALERTS, Change, FeedPosition, changes, complete_position
from services.monitor.store.lists.filters import NO_NUL, REGION
from services.monitor.web.alerts import AlertView, PlatformIssueView
from services.runtime import telemetry
from services.runtime.http.problems import Problem
from services.runtime.http.streaming import ClosingStream
from services.runtime.jobs.loop import run_periodically
from services.runtime.store.database import DATABASE_ERRORS, transaction

MEDIA_TYPE = "text/event-stream"

MAX_FOLLOWERS = 200
"""In one process at a time."""

MAX_WAITING = 1000
"""Events that wait for a slow follower. With one more the stream ends, and the client may reconnect."""

MAX_MISSED = 5000
"""Most changes that are sent in a row, to a client that reconnects or when many happen at once; filtered ones count.
After more of them the client reads the lists anew."""

MAX_READ = 500
"""Changes read at a time."""

MAX_SENT = 100
"""Events sent at a time."""

POLL_S = 1.0
"""Machine seconds between two reads of the feed."""

HEARTBEAT_S = 15.0
"""Machine seconds without events after which a comment is sent, so that proxies keep the connection open."""

RETRY_MS = 3000
"""Milliseconds after which a browser reconnects."""

LOOP = "stream"

log = telemetry.logger(__name__)


class EventStream(ClosingStream):
    """A response that is an event stream, and is documented as one."""

    media_type = MEDIA_TYPE


class Reset(BaseModel):
    """The data of the event ``reset``."""

    why: str


class StreamFilter(BaseModel):
    """Selects changes. All given filters must fit."""

    model_config = ConfigDict(extra="forbid")

    owner: Annotated[Name, Field(pattern=NO_NUL)] | None = None
    region: Annotated[str, Field(pattern=REGION)] | None = None
    rung: Rung | None = Field(None, description="Excludes platform issues, which have no rung.")

    def selects(self, change: Change) -> bool:
        """Whether this change fits."""
        row = change.row
        return (
            (self.owner is None or row.owner == self.owner)
            and (self.region is None or row.region.startswith(self.region))
            and (self.rung is None or (change.position.list == ALERTS and row.rung == self.rung))
        )


class _Event:
    """The event of one change; serialized once for all followers."""

    def __init__(self, position: FeedPosition, serialize: Callable[[], bytes]) -> None:
        self.position = position
        self._serialize = serialize

    @cached_property
    def content(self) -> bytes:
        return self._serialize()


class _Follower:
    """A client, and the events that wait for it."""

    def __init__(self, wanted: StreamFilter) -> None:
        self.wanted = wanted
        self.waiting: deque[_Event] = deque()
        self.changed = asyncio.Event()
        self.ends: str | None = None
        """Why the stream ends, once it does."""

    def offer(self, event: _Event) -> None:
        if self.ends is not None:
            return
        if len(self.waiting) >= MAX_WAITING:
            self.end("you read too slowly; reconnect with your Last-Event-ID")
            return
        self.waiting.append(event)
        self.changed.set()

    def reset(self, position: FeedPosition) -> None:
        """Drop the events before this position, and send the event ``reset`` instead."""
        self.waiting.clear()
        self.offer(_Event(position, partial(_reset, position)))

    def take(self, after: FeedPosition) -> list[_Event]:
        """The next events behind this position, at most `MAX_SENT`."""
        events: list[_Event] = []
        while self.waiting and len(events) < MAX_SENT:
            event = self.waiting.popleft()
            if event.position > after:
                events.append(event)
        return events

    async def wait(self) -> bool:
        """Wait for events or for the end of the stream; False if a heartbeat is due before."""
        try:
            async with asyncio.timeout(HEARTBEAT_S):
                await self.changed.wait()
        except TimeoutError:
            return bool(self.waiting)
        return True

    def end(self, why: str) -> None:
        self.ends = why
        self.changed.set()


class Followers:
    """The followers of this process, and the loop that reads the feed while there are any."""

    def __init__(self, database: AsyncEngine, stopping: asyncio.Event) -> None:
        self._database = database
        self._stopping = stopping
        self._followers: set[_Follower] = set()
        self._loop: asyncio.Task[None] | None = None
        self._reached = FeedPosition(0, 0, 0)
        """All changes up to this position have been offered."""
        self._in_a_row = 0
        """Changes offered since the feed was last read to its end."""

    async def follow(self, wanted: StreamFilter, after: FeedPosition | None) -> ClosingStream:
        """The response for a client that follows from now on, or from behind that position.

        Raises `Problem` (503) if there are too many followers or the process stops, and errors of the database.
        """
        if len(self._followers) >= MAX_FOLLOWERS or self._stopping.is_set():
            title, title_zh = "The stream has too many followers", "实时订阅人数过多，请稍后再试"
            raise Problem(503, "busy", title, title_zh, headers={"Retry-After": "5"})
        source = self._events(_Follower(wanted), after)
        await anext(source)
        return EventStream(source, {"Cache-Control": "no-store", "X-Accel-Buffering": "no"})

    async def poll(self) -> bool:
        """Offer the changes since the last read; whether there may be more of them."""
        async with transaction(self._database) as connection:
            until = await complete_position(connection)
            found = await changes(connection, self._reached, until, MAX_READ)
        for change in found:
            event = _Event(change.position, partial(_change_event, change))
            for follower in self._followers:
                if follower.wanted.selects(change):
                    follower.offer(event)
        more = len(found) == MAX_READ
        self._in_a_row = self._in_a_row + len(found) if more else 0
        if self._in_a_row >= MAX_MISSED:  # thousands fall due at the same minute; raising them needs the time
            for follower in self._followers:
                follower.reset(until)
            self._in_a_row, more = 0, False
            self._reached = until
        else:
            self._reached = found[-1].position if more else max(until, self._reached)
        return more

    async def _events(self, follower: _Follower, after: FeedPosition | None) -> AsyncGenerator[bytes, None]:
        """Everything that is sent to this follower. The first piece is empty: the follower has been added."""
        self._followers.add(follower)
        try:
            now, joined = await self._join()
            yield b""
            sent = joined if after is None else after
            yield format_sse_event(id=str(sent), retry=RETRY_MS)
            if sent.transaction > now.transaction:  # of another database, or of this one before it was restored
                yield _reset(joined)
                sent = joined
            missed = 0
            while sent < joined:
                found = await self._missed(sent, joined)
                if found is None:
                    yield format_sse_event(comment="the database is unavailable; reconnect with your Last-Event-ID")
                    return
                missed += len(found)
                more = len(found) == MAX_READ
                if more and missed >= MAX_MISSED:
                    yield _reset(joined)
                    break
                sent = found[-1].position if more else joined
                yield b"".join(_change_event(change) for change in found if follower.wanted.selects(change))
            sent = max(sent, joined)
            while follower.ends is None or follower.waiting:
                follower.changed.clear()
                if events := follower.take(sent):
                    sent = events[-1].position
                    yield b"".join(event.content for event in events)
                elif follower.ends is None and not await follower.wait():
                    sent = max(sent, self._reached)
                    yield format_sse_event(comment="no changes", id=str(sent))
            yield format_sse_event(comment=follower.ends)
        finally:
            self._followers.discard(follower)
            if not self._followers and self._loop is not None:
                loop, self._loop = self._loop, None
                loop.cancel()
                await asyncio.wait([loop])

    async def _join(self) -> tuple[FeedPosition, FeedPosition]:
        """The complete position, and the position up to which changes have been offered: later ones will be."""
        async with transaction(self._database) as connection:
            now = await complete_position(connection)
        if self._loop is None:
            self._reached = now
            self._loop = asyncio.create_task(self._run(), name="followers")
        return now, self._reached

    async def _missed(self, after: FeedPosition, until: FeedPosition) -> list[Change] | None:
        """The next changes that a client has missed; None if the database cannot be read."""
        try:
            async with transaction(self._database) as connection:
                return await changes(connection, after, until, MAX_READ)
        except DATABASE_ERRORS as error:
            log.warning("the database is unavailable", error=repr(error))
            return None

    async def _run(self) -> None:
        polling = asyncio.create_task(run_periodically(LOOP, self.poll, lambda: POLL_S), name=LOOP)
        try:
            await self._stopping.wait()
            for follower in self._followers:
                follower.end("the service stops; reconnect with your Last-Event-ID")
        finally:
            polling.cancel()
            await asyncio.wait([polling])


def _change_event(change: Change) -> bytes:
    if change.position.list == ALERTS:
        return _event(change.row.last_event, AlertView.model_validate(change.row), change.position)
    issue = PlatformIssueView.model_validate(change.row)
    return _event("failed" if issue.settled_at is None else "settled", issue, change.position)


def _reset(position: FeedPosition) -> bytes:
    return _event("reset", Reset(why="too many changes were missed: read the lists anew"), position)


def _event(name: str, data: BaseModel, position: FeedPosition) -> bytes:
    return format_sse_event(data_str=data.model_dump_json(), event=name, id=str(position))
