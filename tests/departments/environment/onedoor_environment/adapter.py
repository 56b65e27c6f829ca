"""Requests to the environment department. ``PUT`` with the task id as key is idempotent."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from aiohttp import ClientResponse, ClientSession, ClientTimeout

from contracts.messages.tasks import TaskRequested
from services.departments.sdk.adapter import Clock, notification, read_reply, unparseable
from services.departments.sdk.core.messages import Answer
from services.runtime.external_system import (
    InvalidNotification,
    Notification,
    RequestRefused,
    SystemAway,
    UnparseableReply,
)
from services.runtime.http.retry_after import retry_after_s

from .settings import EnvironmentSettings
from .translate import Feed, Permit, answer, application

MOST_BYTES = 16_000_000
"""The longest answer that is read."""

REFUSED = frozenset({400, 409, 413, 415, 422})
"""Statuses about one request: the department is available, and refuses this request."""


class EnvironmentAdapter:
    """Implements `services.departments.sdk.adapter.Adapter`."""

    batch_size = 1

    def __init__(self, settings: EnvironmentSettings, _: Clock) -> None:
        self._settings = settings
        self._session: ClientSession

    async def open(self) -> None:
        self._session = ClientSession(
            self._settings.url,
            headers={"X-Api-Key": self._settings.key.get_secret_value()},
            timeout=ClientTimeout(total=self._settings.timeout_s),
        )

    async def close(self) -> None:
        await self._session.close()

    async def submit(self, tasks: Sequence[TaskRequested]) -> Sequence[Answer | Exception]:
        return await asyncio.gather(*(self._submit(task) for task in tasks))

    async def poll(self, limit: int) -> Sequence[Notification | InvalidNotification]:
        body = await self._request("GET", f"/decided?limit={limit}")
        try:
            feed = read_reply(Feed, body)
        except ValueError as error:
            raise unparseable(error, body) from None
        return [_notification(permit) for permit in feed.permits[:limit]]

    async def acknowledge(self, ack_tokens: Sequence[Any]) -> None:
        await self._request("POST", "/acknowledged", list(ack_tokens))

    async def _submit(self, task: TaskRequested) -> Answer | Exception:
        try:
            body = await self._request("PUT", "/permits", application(task))
        except Exception as error:  # no answer: the platform calls again
            return error
        try:
            return answer(read_reply(Permit, body))
        except ValueError as error:
            return unparseable(error, body)

    async def _request(self, method: str, path: str, content: object = None) -> bytes:
        async with self._session.request(method, path, json=content, allow_redirects=False) as response:
            body = await _read(response)
            if response.status in REFUSED:
                status = response.status
                raise RequestRefused(
                    f"the environment department refuses the request: {status}", f"环境部门拒绝请求：{status}", body
                )
            if not response.ok:
                reason = f"the environment department answered {response.status}"
                raise SystemAway(reason, retry_after_s(response.status, response.headers))
            return body


async def _read(response: ClientResponse) -> bytes:
    body = bytearray()
    async for part in response.content.iter_any():
        body += part
        if len(body) > MOST_BYTES:
            raise UnparseableReply("the department's answer is too long", "部门的答复过长", bytes(body))
    return bytes(body)


def _notification(content: Any) -> Notification | InvalidNotification:
    ack_token = content.get("key") if isinstance(content, dict) else None
    try:
        permit = Permit.model_validate(content)
        return notification(permit.key, answer(permit), ack_token)
    except ValueError as error:
        return InvalidNotification(unparseable(error, json.dumps(content).encode()), ack_token)
