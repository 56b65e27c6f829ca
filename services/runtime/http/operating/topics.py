"""The topics that a process reads, and which of them it has paused, for operators."""

from datetime import datetime

from fastapi import APIRouter
from pydantic import Field

from contracts.rights.table import Act
from contracts.values import Model
from services.runtime.http.bodies.json_route import json_router
from services.runtime.http.operating.openapi import OVERLOAD, refusals
from services.runtime.http.problems import not_found
from services.runtime.security.access import Access
from services.runtime.topic_reader import Pause, TopicReader


class TopicView(Model):
    """A topic, and whether this process reads it."""

    topic: str
    paused_since: datetime | None = Field(None, description="Null while it is read.")
    reason: str | None = None
    reason_zh: str | None = None


def routes(reader: TopicReader, access: Access) -> APIRouter:
    """The endpoints. Each process of a service pauses and resumes topics by itself."""
    router = json_router(tags=["topics"], responses=refusals(401, 403, 422, 503))

    @router.get("/topics", dependencies=[access.may(Act.READ_STATE)])
    async def topics() -> list[TopicView]:
        """The topics that this process reads, and those that it has paused by itself."""
        return [_view(topic, reader.paused.get(topic)) for topic in reader.topics]

    @router.post(
        "/topics/{topic}/resume", dependencies=[access.may(Act.RESUME_TOPIC)], responses=refusals(404, 409, *OVERLOAD)
    )
    async def resume(topic: str) -> TopicView:
        """Read a paused topic on. A record that cannot be read is passed over; a dead letter says where it was."""
        if not await reader.resume(topic):
            raise not_found(
                "This process has not paused this topic: GET /topics lists them.",
                "本进程未暂停该主题：可用 GET /topics 查看。",
            )
        return TopicView(topic=topic)

    return router


def _view(topic: str, pause: Pause | None) -> TopicView:
    if pause is None:
        return TopicView(topic=topic)
    return TopicView(topic=topic, paused_since=pause.since, reason=pause.reason.en, reason_zh=pause.reason.zh)
