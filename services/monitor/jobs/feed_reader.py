"""Reads the change feed for all followers of this process, while there are any."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from contracts.bilingual import Bilingual
from services.monitor.jobs.follower import Event, Follower
from services.monitor.store.change_feed import Change, FeedPosition, changes, complete_position, holder_is_open
from services.runtime.failures import Failures
from services.runtime.jobs.loop import run_periodically
from services.runtime.store.database import transaction

MAX_MISSED = 5000
"""Most changes that are sent in a row, to a client that reconnects or when many happen at once; filtered ones count.
After more of them the client reads the lists anew."""

MAX_READ = 500
"""Changes read at a time."""

POLL_S = 1.0
"""Machine seconds between two reads of the feed."""

LOOP = "stream"

HELD_S = 60.0
"""Machine seconds after which an open transaction is one that somebody has forgotten: those of onedoor take 20."""

HELD = "stream: up to date"
"""The name of this work among the failures of the process."""

HELD_ADVICE = Bilingual(
    "a transaction on the database server has been open for long, perhaps in another database, and later changes wait "
    "for it; find the session by backend_xid in pg_stat_activity, or the transaction in pg_prepared_xacts, and end it",
    "数据库服务器上有事务长时间未结束（可能在另一个数据库），其后的变更都在等待；"
    "请在 pg_stat_activity 按 backend_xid 找到会话，或在 pg_prepared_xacts 找到事务，并将其结束",
)


class HeldByTransaction(Exception):
    """An open transaction holds the feed."""


class TooManyMissed(Exception):
    """A client has missed more than `MAX_MISSED` changes."""


class FeedReader:
    """One loop a process reads the feed and offers each change to the followers."""

    def __init__(
        self,
        database: AsyncEngine,
        stopping: asyncio.Event,
        failures: Failures,
        change_event: Callable[[Change], bytes],
        reset_event: Callable[[FeedPosition], bytes],
    ) -> None:
        """``change_event`` and ``reset_event`` serialize the event of a change, and the one in place of too many."""
        self.followers: set[Follower] = set()
        self.reached = FeedPosition(0, 0, 0)
        """All changes up to this position have been offered."""
        self._database = database
        self._stopping = stopping
        self._failures = failures
        self._change_event = change_event
        self._reset_event = reset_event
        self._loop: asyncio.Task[None] | None = None
        self._complete = FeedPosition(0, 0, 0)
        self._complete_since = time.monotonic()
        """The latest complete position, and the machine time since when it is the same."""
        self._in_a_row = 0
        """Changes offered since the feed was last read to its end."""

    async def add(self, follower: Follower) -> tuple[FeedPosition, FeedPosition]:
        """Add a follower. Later changes than the second position will be offered; the first is the complete one.

        Raises errors of the database.
        """
        self.followers.add(follower)
        async with transaction(self._database) as connection:
            now = await complete_position(connection)
        if self._loop is None:
            self.reached = now
            self._loop = asyncio.create_task(self._run(), name="followers")
        return now, self.reached

    async def remove(self, follower: Follower) -> None:
        """Remove a follower. The loop ends with the last one."""
        self.followers.discard(follower)
        if not self.followers and self._loop is not None:
            loop, self._loop = self._loop, None
            loop.cancel()
            await asyncio.wait([loop])

    async def missed(self, after: FeedPosition, until: FeedPosition) -> AsyncGenerator[list[Change], None]:
        """The changes between two positions, in parts. Raises `TooManyMissed`, and errors of the database."""
        count = 0
        while after < until:
            async with transaction(self._database) as connection:
                found = await changes(connection, after, until, MAX_READ)
            count += len(found)
            more = len(found) == MAX_READ
            if more and count >= MAX_MISSED:
                raise TooManyMissed
            after = found[-1].position if more else until
            yield found

    async def poll(self) -> bool:
        """Offer the changes since the last read. Returns whether there may be more."""
        async with transaction(self._database) as connection:
            until = await complete_position(connection)
            found = await changes(connection, self.reached, until, MAX_READ)
            await self._check_progress(connection, until)
        for change in found:
            event = Event(change.position, partial(self._change_event, change))
            for follower in self.followers:
                if follower.selects(change):
                    follower.offer(event)
        more = len(found) == MAX_READ
        self._in_a_row = self._in_a_row + len(found) if more else 0
        if self._in_a_row >= MAX_MISSED:  # thousands fall due at the same minute; raising them needs the time
            reset = Event(until, partial(self._reset_event, until))
            for follower in self.followers:
                follower.replace_waiting(reset)
            self._in_a_row, more = 0, False
            self.reached = until
        else:
            self.reached = found[-1].position if more else max(until, self.reached)
        return more

    async def _check_progress(self, connection: AsyncConnection, complete: FeedPosition) -> None:
        """Report a transaction that holds the feed for too long."""
        now = time.monotonic()
        if complete != self._complete or not await holder_is_open(connection):
            self._complete, self._complete_since = complete, now
            self._failures.succeeded(HELD)
        elif now - self._complete_since > HELD_S:
            self._failures.failed(HELD, HeldByTransaction(), HELD_ADVICE)

    async def _run(self) -> None:
        polling = asyncio.create_task(run_periodically(LOOP, self.poll, lambda: POLL_S, self._failures), name=LOOP)
        try:
            await self._stopping.wait()
            for follower in self.followers:
                follower.end("the service stops; reconnect with your Last-Event-ID")
        finally:
            polling.cancel()
            await asyncio.wait([polling])
            self._failures.forget(HELD)
