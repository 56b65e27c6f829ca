"""What happens to alerts, while it happens: a stream of server-sent events (HTML standard, section 9.2).

One loop a process reads what has changed (`changes`), however many follow it, and hands it to each who wants it. An
event's id is its place in the order of changes: who comes back with the last one that he has seen gets what came after
it, once.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from functools import cached_property, partial
from typing import Annotated

from fastapi import APIRouter, Header, Query, Response
from fastapi.sse import format_sse_event
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.envelope import Name
from contracts.messages.alerts import Rung
from services.monitor.core.state import MonitoredCase
from services.monitor.store.change_feed import ALERTS, Change, FeedPosition, changes, complete
from services.monitor.store.query_limits import NO_NUL, REGION
from services.monitor.web.api import AlertView, OperationsView
from services.runtime import telemetry
from services.runtime.http.openapi import refusals
from services.runtime.http.problems import Problem
from services.runtime.http.streaming import ClosingStream
from services.runtime.jobs.loop import run_periodically
from services.runtime.security.staff import staff_only
from services.runtime.service import ServiceHost
from services.runtime.store.database import DATABASE_ERRORS, transaction

MEDIA_TYPE = "text/event-stream"

MOST_FOLLOWERS = 200
"""Of a process at a time."""

MOST_WAITING = 1000
"""Events that wait for a follower who reads slowly; with one more he is sent away, and may come back."""

MOST_MISSED = 5000
"""Changes, whomever they concern, that are told in one go: to somebody who comes back, and of what happens at once. Who
has missed more reads the lists."""

AT_ONCE = 500
"""Changes that are read at a time."""

AT_A_TIME = 100
"""Events that are sent at a time."""

LOOK_S = 1.0
"""Machine seconds between two looks at what has changed."""

HEARTBEAT_S = 15.0
"""Machine seconds after which something is said even if nothing happens, so that nobody takes the line for dead."""

RETRY_MS = 3000
"""After which a browser comes back."""

LOOP = "stream"

log = telemetry.logger(__name__)

LAST_SEEN = r"^[0-9]{1,18}\.[01]\.[0-9]{1,18}$"


class Events(ClosingStream):
    """An answer that is an event stream, and is described as one."""

    media_type = MEDIA_TYPE


class Reset(BaseModel):
    """What somebody is told who cannot be told all that he has missed."""

    why: str


class StreamWanted(BaseModel):
    """Of which alerts is to be told; all that is given must hold."""

    model_config = ConfigDict(extra="forbid")

    owner: Annotated[Name, Field(pattern=NO_NUL)] | None = None
    region: Annotated[str, Field(pattern=REGION)] | None = None
    rung: Rung | None = Field(None, description="Then nothing is told of failures of the platform's own.")

    def concerns(self, change: Change) -> bool:
        """Whether this is to be told."""
        row = change.row
        return (
            (self.owner is None or row.owner == self.owner)
            and (self.region is None or row.region.startswith(self.region))
            and (self.rung is None or (change.place.list == ALERTS and row.rung == self.rung))
        )


class _Event:
    """What is told of one change, at its place; written out once, for however many."""

    def __init__(self, place: FeedPosition, write: Callable[[], bytes]) -> None:
        self.place = place
        self._write = write

    @cached_property
    def written(self) -> bytes:
        return self._write()


class _Follower:
    """Somebody who follows, and what is yet to be told to him."""

    def __init__(self, wanted: StreamWanted) -> None:
        self.wanted = wanted
        self.waiting: deque[_Event] = deque()
        self.news = asyncio.Event()
        self.ends: str | None = None
        """Why nothing more will come."""

    def offer(self, event: _Event) -> None:
        if self.ends is not None:
            return
        if len(self.waiting) >= MOST_WAITING:
            self.end("you read too slowly; come back with your Last-Event-ID")
            return
        self.waiting.append(event)
        self.news.set()

    def reset(self, place: FeedPosition) -> None:
        """Nothing of what lies before this place is told any more."""
        self.waiting.clear()
        self.offer(_Event(place, partial(_reset, place)))

    def take(self, seen: FeedPosition) -> list[_Event]:
        """The next events that he has not seen yet, a few at a time."""
        events: list[_Event] = []
        while self.waiting and len(events) < AT_A_TIME:
            event = self.waiting.popleft()
            if event.place > seen:
                events.append(event)
        return events

    async def hears(self) -> bool:
        """Whether something comes before it is time for a sign of life."""
        try:
            async with asyncio.timeout(HEARTBEAT_S):
                await self.news.wait()
        except TimeoutError:
            return bool(self.waiting)
        return True

    def end(self, why: str) -> None:
        self.ends = why
        self.news.set()


class Following:
    """All who follow in this process, and the loop that reads for them while there are any."""

    def __init__(self, database: AsyncEngine, stopping: asyncio.Event) -> None:
        self._database = database
        self._stopping = stopping
        self._followers: set[_Follower] = set()
        self._loop: asyncio.Task[None] | None = None
        self._reached = FeedPosition(0, 0, 0)
        """Up to here everything has been handed out."""
        self._behind = 0
        """Changes that have been handed out since the last time when there were no more."""

    async def follow(self, wanted: StreamWanted, after: FeedPosition | None) -> ClosingStream:
        """The answer to somebody who wants to follow, from now on or from that place.

        Raises `IssueKind` (503) when too many do, or the process stops; and what the database raises.
        """
        if len(self._followers) >= MOST_FOLLOWERS or self._stopping.is_set():
            title, title_zh = "Too many follow the stream", "实时订阅人数过多，请稍后再试"
            raise Problem(503, "busy", title, title_zh, headers={"Retry-After": "5"})
        source = self._told(_Follower(wanted), after)
        await anext(source)
        return Events(source, {"Cache-Control": "no-store", "X-Accel-Buffering": "no"})

    async def look(self) -> bool:
        """Hand out what has changed since the last look; whether there may be more of it."""
        async with transaction(self._database) as connection:
            until = await complete(connection)
            found = await changes(connection, self._reached, until, AT_ONCE)
        for change in found:
            event = _Event(change.place, partial(_written, change))
            for follower in self._followers:
                if follower.wanted.concerns(change):
                    follower.offer(event)
        more = len(found) == AT_ONCE
        self._behind = self._behind + len(found) if more else 0
        if self._behind >= MOST_MISSED:  # thousands fall due at the same minute, and those who raise them need the time
            for follower in self._followers:
                follower.reset(until)
            self._behind, more = 0, False
            self._reached = until
        else:
            self._reached = found[-1].place if more else max(until, self._reached)
        return more

    async def _told(self, follower: _Follower, after: FeedPosition | None) -> AsyncGenerator[bytes, None]:
        """All that this follower is told. The first piece is empty, and says that he is one of them."""
        self._followers.add(follower)
        try:
            now, joined = await self._join()
            yield b""
            seen = joined if after is None else after
            yield format_sse_event(id=str(seen), retry=RETRY_MS)
            if seen.changed > now.changed:  # of another database, or of this one before it was restored
                yield _reset(joined)
                seen = joined
            missed = 0
            while seen < joined:
                found = await self._missed(seen, joined)
                if found is None:
                    yield format_sse_event(comment="the database is away; come back with your Last-Event-ID")
                    return
                missed += len(found)
                more = len(found) == AT_ONCE
                if more and missed >= MOST_MISSED:
                    yield _reset(joined)
                    break
                seen = found[-1].place if more else joined
                yield b"".join(_written(change) for change in found if follower.wanted.concerns(change))
            seen = max(seen, joined)
            while follower.ends is None or follower.waiting:
                follower.news.clear()
                if events := follower.take(seen):
                    seen = events[-1].place
                    yield b"".join(event.written for event in events)
                elif follower.ends is None and not await follower.hears():
                    seen = max(seen, self._reached)
                    yield format_sse_event(comment="nothing has happened", id=str(seen))
            yield format_sse_event(comment=follower.ends)
        finally:
            self._followers.discard(follower)
            if not self._followers and self._loop is not None:
                loop, self._loop = self._loop, None
                loop.cancel()
                await asyncio.wait([loop])

    async def _join(self) -> tuple[FeedPosition, FeedPosition]:
        """Up to where all is complete, and up to where it has been handed out here: what comes later is heard."""
        async with transaction(self._database) as connection:
            now = await complete(connection)
        if self._loop is None:
            self._reached = now
            self._loop = asyncio.create_task(self._run(), name="followers")
        return now, self._reached

    async def _missed(self, after: FeedPosition, until: FeedPosition) -> list[Change] | None:
        """What somebody who comes back has missed, so much of it as is read at a time; None if it cannot be read."""
        try:
            async with transaction(self._database) as connection:
                return await changes(connection, after, until, AT_ONCE)
        except DATABASE_ERRORS as error:
            log.warning("the database is away", error=repr(error))
            return None

    async def _run(self) -> None:
        looking = asyncio.create_task(run_periodically(LOOP, self.look, lambda: LOOK_S), name=LOOP)
        try:
            await self._stopping.wait()
            for follower in self._followers:
                follower.end("the service stops; come back with your Last-Event-ID")
        finally:
            looking.cancel()
            await asyncio.wait([looking])


def _written(change: Change) -> bytes:
    if change.place.list == ALERTS:
        return _event(change.row.became, AlertView.model_validate(change.row), change.place)
    failure = OperationsView.model_validate(change.row)
    return _event("failed" if failure.settled_at is None else "settled", failure, change.place)


def _reset(place: FeedPosition) -> bytes:
    return _event("reset", Reset(why="too much has been missed to be told: read the lists anew"), place)


def _event(name: str, data: BaseModel, place: FeedPosition) -> bytes:
    return format_sse_event(data_str=data.model_dump_json(), event=name, id=str(place))


def routes(host: ServiceHost[MonitoredCase]) -> APIRouter:
    """The endpoint, closed to all but staff."""
    refused = refusals(401, 403, 422, 503)
    router = APIRouter(dependencies=[staff_only(host.settings.api_token)], tags=["lists"], responses=refused)
    following = Following(host.database, host.stopping)

    @router.get("/stream", response_class=Events, status_code=200)
    async def stream(
        wanted: Annotated[StreamWanted, Query()], last_event_id: Annotated[str | None, Header(pattern=LAST_SEEN)] = None
    ) -> Response:
        """What happens to alerts and to failures of the platform's own, as server-sent events, without end.

        The event says what happened: raised, acknowledged, appealed, decided, withdrawn or closed with the alert as in
        `/alerts`; failed or settled with the failure as in `/operations`; or reset, where too much was missed.
        """
        after = FeedPosition(*map(int, last_event_id.split("."))) if last_event_id is not None else None
        return await following.follow(wanted, after)

    return router
