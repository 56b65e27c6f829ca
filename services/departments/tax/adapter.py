"""The tax department's REST interface.

POST is idempotent by ``Idempotency-Key``, which is the task id: the first answer is 201, later answers are 200 with
the present state.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from contracts.messages.tasks import TaskRequested
from services.departments.sdk.adapter import Clock, notification, read_reply, unparseable
from services.departments.sdk.core.messages import Answer
from services.departments.sdk.lots import put_lot
from services.departments.tax.client import TaxClient
from services.departments.tax.settings import TaxSettings
from services.departments.tax.translate import Feed, FeedEntry, Standing, answer, application
from services.runtime.external_system import InvalidNotification, Notification, RequestRefused, UnparseableReply

_JSON = {"Content-Type": "application/json"}


class TaxAdapter:
    """Implements `services.departments.sdk.adapter.Adapter`."""

    batch_size = 1

    def __init__(self, settings: TaxSettings, _: Clock) -> None:
        self._settings = settings
        self._client = TaxClient(settings)
        self._applications = self._client.url("/applications")

    async def open(self) -> None:
        await self._client.open()

    async def close(self) -> None:
        await self._client.close()

    async def submit(self, tasks: Sequence[TaskRequested]) -> Sequence[Answer | Exception]:
        return await asyncio.gather(*(self._submit(task) for task in tasks))

    async def poll(self, limit: int) -> Sequence[Notification | InvalidNotification]:
        body = await self._client.request("GET", self._client.url("/applications/decided", limit=limit))
        try:
            feed = read_reply(Feed, body)
        except ValueError as error:
            raise unparseable(error, body) from None
        return [_notification(content) for content in feed.entries[:limit]]

    async def acknowledge(self, ack_tokens: Sequence[Any]) -> None:
        """Acknowledge entries of the feed. One that the department refuses keeps no other in it."""
        until = time.monotonic() + self._settings.timeout_s
        refused = await put_lot(ack_tokens, self._acknowledge, lambda error: isinstance(error, RequestRefused), until)
        if refused:
            raise refused[0][1]

    async def _acknowledge(self, ack_tokens: Sequence[Any]) -> None:
        body = json.dumps({"entries": list(ack_tokens)}).encode()
        await self._client.request("POST", self._client.url("/applications/decided/acknowledged"), body, _JSON)

    async def _submit(self, task: TaskRequested) -> Answer | Exception:
        body = application(task).model_dump_json(by_alias=True, exclude_none=True)
        # A task id may contain characters that a header must not.
        headers = {**_JSON, "Idempotency-Key": quote(task.task_id, safe="/")}
        try:
            reply = await self._client.request("POST", self._applications, body.encode(), headers)
        except Exception as error:
            return error
        try:
            standing = read_reply(Standing, reply)
            translated = answer(standing)
        except ValueError as error:
            return unparseable(error, reply)
        if standing.task_id != task.task_id:
            return UnparseableReply("the tax department answered about another task", "税务部门答复的是另一任务", reply)
        return translated


def _notification(content: Any) -> Notification | InvalidNotification:
    ack_token = None
    try:
        entry = FeedEntry.model_validate(content)
        ack_token = entry.entry
        standing = Standing.model_validate(entry.standing)
        return notification(standing.task_id, answer(standing), ack_token)
    except ValueError as error:
        return InvalidNotification(unparseable(error, json.dumps(content, ensure_ascii=False).encode()), ack_token)
