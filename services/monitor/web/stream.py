"""Streams the changes of alerts and platform issues as server-sent events (HTML standard, section 9.2).

An event's id is its position in the change feed: a client that reconnects with its last id receives each later change
once.
"""

from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import APIRouter, Header, Query, Response
from fastapi.sse import format_sse_event
from pydantic import BaseModel, ConfigDict, Field

from contracts.envelope import Name
from contracts.messages.alerts import Rung
from contracts.rights.table import Act
from contracts.values import Model
from services.monitor.core.state import MonitoredCase
from services.monitor.jobs.feed_reader import FeedReader, TooManyMissed
from services.monitor.jobs.follower import Follower
from services.monitor.store.change_feed import ALERTS, Change, FeedPosition
from services.monitor.store.lists.filters import NO_NUL, REGION
from services.monitor.web.alerts import AlertView, PlatformIssueView
from services.monitor.web.routers import monitor_router
from services.runtime import telemetry
from services.runtime.http.bodies.streaming import ClosingStream
from services.runtime.http.problems import Problem
from services.runtime.security.access import Permit
from services.runtime.service import ServiceHost
from services.runtime.store.database import DATABASE_ERRORS

MAX_FOLLOWERS = 200
"""In one process at a time."""

RETRY_MS = 3000
"""Milliseconds after which a browser reconnects."""

LAST_EVENT_ID = r"^[0-9]{1,18}\.[01]\.[0-9]{1,18}$"

log = telemetry.logger(__name__)


class EventStream(ClosingStream):
    """A response that is an event stream, and is documented as one."""

    media_type = "text/event-stream"


class Reset(Model):
    """The data of the event ``reset``."""

    why: str


class StreamFilter(Model):
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


def routes(host: ServiceHost[MonitoredCase]) -> APIRouter:
    """The endpoints."""
    router = monitor_router("lists")
    reader = FeedReader(host.database, host.stopping, host.failures, _change_event, _reset_event)

    @router.get("/stream", response_class=EventStream, status_code=200)
    async def stream(
        wanted: Annotated[StreamFilter, Query()],
        permit: Annotated[Permit, host.access.may(Act.READ_ALERT)],
        last_event_id: Annotated[str | None, Header(pattern=LAST_EVENT_ID)] = None,
    ) -> Response:
        """The changes of alerts and platform issues, as server-sent events, without end.

        The event is what happened: raised, acknowledged, appealed, decided, withdrawn, closed or reopened, with the
        alert as in `/alerts`; failed or settled, with the issue as in `/platform-issues`; or reset, if too many changes
        were missed.
        """
        if len(reader.followers) >= MAX_FOLLOWERS or host.stopping.is_set():
            title, title_zh = "The stream has too many followers", "实时订阅人数过多，请稍后再试"
            raise Problem(503, "busy", title, title_zh, headers={"Retry-After": "5"})
        after = FeedPosition(*map(int, last_event_id.split("."))) if last_event_id is not None else None
        source = _events(reader, Follower(lambda change: wanted.selects(change) and _may_see(permit, change)), after)
        await anext(source)
        return EventStream(source, {"Cache-Control": "no-store", "X-Accel-Buffering": "no"})

    return router


async def _events(reader: FeedReader, follower: Follower, after: FeedPosition | None) -> AsyncGenerator[bytes, None]:
    """Everything that is sent to this follower. The first piece is empty: the follower has been added.

    Raises errors of the database before the first piece, and none after it.
    """
    try:
        now, joined = await reader.add(follower)
        yield b""
        sent = joined if after is None else after
        yield format_sse_event(id=str(sent), retry=RETRY_MS)
        if sent.transaction > now.transaction:  # of another database, or of this one before it was restored
            yield _reset_event(joined)
            sent = joined
        try:
            async for missed in reader.missed(sent, joined):
                yield b"".join(_change_event(change) for change in missed if follower.selects(change))
        except TooManyMissed:
            yield _reset_event(joined)
        except DATABASE_ERRORS as error:
            log.warning("the database is unavailable", error=error)
            yield format_sse_event(comment="the database is unavailable; reconnect with your Last-Event-ID")
            return
        sent = max(sent, joined)
        while follower.ends is None or follower.waiting:
            follower.changed.clear()
            if events := follower.take(sent):
                sent = events[-1].position
                yield b"".join(event.content for event in events)
            elif follower.ends is None and not await follower.wait():
                sent = max(sent, reader.reached)
                yield format_sse_event(comment="no changes", id=str(sent))
        yield format_sse_event(comment=follower.ends)
    finally:
        await reader.remove(follower)


def _may_see(permit: Permit, change: Change) -> bool:
    row = change.row
    return permit.covers(row.owner, row.region, row.matter)


def _change_event(change: Change) -> bytes:
    if change.position.list == ALERTS:
        return _event(change.row.last_event, AlertView.model_validate(change.row), change.position)
    issue = PlatformIssueView.model_validate(change.row)
    return _event("failed" if issue.settled_at is None else "settled", issue, change.position)


def _reset_event(position: FeedPosition) -> bytes:
    return _event("reset", Reset(why="too many changes were missed: read the lists anew"), position)


def _event(name: str, data: BaseModel, position: FeedPosition) -> bytes:
    return format_sse_event(data_str=data.model_dump_json(), event=name, id=str(position))
