"""The tax department's REST interface: one connection pool, one token, bounded requests at a time.

Tokens are fetched with client credentials (RFC 6749, section 4.4). Posting is idempotent by
``Idempotency-Key``, which is the task id: the first answer is 201, later ones 200 with the present truth.
"""

import asyncio
import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx2
from authlib.integrations.httpx_client import AsyncOAuth2Client
from pydantic import ValidationError

from contracts.tasks import TaskRequested
from services.departments.sdk.adapter import heard, not_understood
from services.departments.sdk.messages import Answer
from services.departments.tax.settings import TaxSettings
from services.departments.tax.translate import Feed, FeedEntry, Standing, answer, application
from services.runtime.service import Heard, Misheard, Unheard


class TaxAway(Exception):
    """The tax department's interface did not do what it was asked to; the status says why."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the tax department answered {status}")


class TaxAdapter:
    """Speaks to the tax department. See `services.departments.sdk.adapter.Adapter` for the promises."""

    bulk = 1

    def __init__(self, settings: TaxSettings) -> None:
        self._settings = settings
        base = str(settings.url).rstrip("/")
        self._token_url = base + "/oauth/token"
        # Parsed once: it costs as much as sending a request.
        self._applications = httpx2.URL(base + "/applications")
        self._decided = httpx2.URL(base + "/applications/decided")
        self._acknowledged = httpx2.URL(base + "/applications/decided/acknowledged")
        self._client: Any = None
        self._slots = asyncio.Semaphore(settings.connections)
        self._fetching = asyncio.Lock()

    async def open(self) -> None:
        limits = httpx2.Limits(
            max_connections=self._settings.connections, max_keepalive_connections=self._settings.connections
        )
        self._client = AsyncOAuth2Client(
            client_id=self._settings.client_id,
            client_secret=self._settings.client_secret.get_secret_value(),
            token_endpoint=self._token_url,
            token_endpoint_auth_method="client_secret_basic",  # noqa: S106  # a method, not a secret
            grant_type="client_credentials",
            leeway=5,
            timeout=httpx2.Timeout(self._settings.timeout_s),
            limits=limits,
            trust_env=False,
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def submit(self, tasks: Sequence[TaskRequested]) -> Sequence[Answer | Exception]:
        return await asyncio.gather(*(self._submit(task) for task in tasks))

    async def listen(self, limit: int) -> Sequence[Heard | Misheard]:
        response = await self._request("GET", self._decided, params={"limit": limit})
        try:
            feed = Feed.model_validate_json(response.content)
        except ValidationError as error:
            raise not_understood(error, response.content) from None
        return [_heard(entry) for entry in feed.entries]

    async def acknowledge(self, receipts: Sequence[Any]) -> None:
        await self._request("POST", self._acknowledged, json={"entries": list(receipts)})

    async def _submit(self, task: TaskRequested) -> Answer | Exception:
        body = application(task).model_dump_json(by_alias=True, exclude_none=True)
        # A task id may hold characters that a header may not.
        headers = {"Idempotency-Key": quote(task.task_id, safe="/"), "Content-Type": "application/json"}
        try:
            response = await self._request("POST", self._applications, content=body.encode(), headers=headers)
        except Exception as error:
            return error
        try:
            standing = Standing.model_validate_json(response.content)
        except ValidationError as error:
            return not_understood(error, response.content)
        if standing.task_id != task.task_id:
            return Unheard("the tax department answered about another task", response.content)
        return answer(standing)

    async def _request(self, method: str, url: httpx2.URL, **kwargs: Any) -> httpx2.Response:
        """A request with a token; with a new one, once, where the old is no longer honoured.

        Raises `TaxAway` for an answer that is not a success, and what the client raises when there is none.
        """
        async with self._slots:
            if not self._client.token:
                await self._fetch_token(None)
            token = self._client.token
            response: httpx2.Response = await self._client.request(method, url, **kwargs)
            if response.status_code == HTTPStatus.UNAUTHORIZED:
                await self._fetch_token(token)
                response = await self._client.request(method, url, **kwargs)
        if not response.is_success:
            raise TaxAway(response.status_code)
        return response

    async def _fetch_token(self, refused: Any) -> None:
        """Get a token, unless another request has just replaced the refused one."""
        async with self._fetching:
            if not self._client.token or self._client.token is refused:
                await self._client.fetch_token(self._token_url, grant_type="client_credentials")


def _heard(entry: FeedEntry) -> Heard | Misheard:
    try:
        standing = Standing.model_validate(entry.standing)
        return heard(standing.task_id, answer(standing), entry.entry)
    except ValueError as error:
        raw = json.dumps(entry.standing, ensure_ascii=False).encode()
        return Misheard(not_understood(error, raw), entry.entry)
