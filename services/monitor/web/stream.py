"""Streams the changes of alerts and platform issues as server-sent events (HTML standard, section 9.2)."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Response

from services.monitor.core.state import MonitoredCase
from services.monitor.store.change_feed import FeedPosition
from services.monitor.web.followers import EventStream, Followers, StreamFilter
from services.monitor.web.staff_router import staff_router
from services.runtime.service import ServiceHost

LAST_EVENT_ID = r"^[0-9]{1,18}\.[01]\.[0-9]{1,18}$"


def routes(host: ServiceHost[MonitoredCase]) -> APIRouter:
    """The endpoint, for staff only."""
    router = staff_router(host, "lists")
    followers = Followers(host.database, host.stopping)

    @router.get("/stream", response_class=EventStream, status_code=200)
    async def stream(
        wanted: Annotated[StreamFilter, Query()],
        last_event_id: Annotated[str | None, Header(pattern=LAST_EVENT_ID)] = None,
    ) -> Response:
        """The changes of alerts and platform issues, as server-sent events, without end.

        The event is what happened: raised, acknowledged, appealed, decided, withdrawn or closed, with the alert as in
        `/alerts`; failed or settled, with the issue as in `/platform-issues`; or reset, if too many changes were
        missed.
        """
        after = FeedPosition(*map(int, last_event_id.split("."))) if last_event_id is not None else None
        return await followers.follow(wanted, after)

    return router
