"""Requests to the tax department: one connection pool, one token, a limit of concurrent requests and of answer size.

A token is fetched with client credentials (RFC 6749, section 4.4). `SharedToken` renews it before it expires, and
replaces one that the department refuses.

No OAuth library is used here. authlib 1.9 renews a token under a lock and before it expires, but does not fetch the
first one, replace a refused one, form-encode the credentials (RFC 6749, section 2.3.1), check the token's characters
or limit the size of an answer.
"""

import asyncio
import math
from base64 import b64encode
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, NamedTuple
from urllib.parse import quote_plus

from aiohttp import ClientResponse, ClientResponseError, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from pydantic import Field, ValidationError
from yarl import URL

from contracts.values import Model
from services.departments.sdk.tokens import Granted, SharedToken
from services.departments.tax.settings import TaxSettings
from services.runtime.external_system import RequestRefused, SystemAway, UnparseableReply
from services.runtime.http.retry_after import retry_after_s

MOST_BYTES = 16 * 1024 * 1024
"""The longest answer that is read. The longest feed that is requested has a third of it."""

KEPT_BYTES = 64 * 1024
"""The part of a longer answer that is kept."""

HEAD_BYTES = 64 * 1024
"""The longest line of an answer's head. Gateways with a login send long cookies; aiohttp's own limit is 8 KB."""


class TaxAway(SystemAway):
    """The interface answered with this status and not with success."""

    def __init__(self, status: int, retry_after_s: float = 0.0) -> None:
        super().__init__(f"the tax department answered {status}", retry_after_s)


REQUEST_REFUSED = frozenset({400, 409, 413, 415, 422})
"""Statuses about one request (RFC 9110, section 15.5): the department is available, and refuses this request."""


class NotHttp(Exception):
    """The answer is not HTTP."""


class TokenRefused(Exception):
    """The department grants no token. ``error`` is a code of RFC 6749, section 5.2."""

    def __init__(self, error: str) -> None:
        super().__init__(f"the tax department grants no token: {error}")
        self.error = error


class _Granted(Model):
    """The answer that grants a token (RFC 6749, section 5.1).

    Many servers leave out ``token_type``, though it is required. Without ``expires_in``, or with a negative one, which
    some servers have for a token without end, the token is used until it is refused.
    """

    access_token: Annotated[str, Field(pattern=r"^[\x21-\x7e]+$")]
    token_type: Annotated[str, Field(pattern=r"^[Bb][Ee][Aa][Rr][Ee][Rr]$")] | None = None
    expires_in: Annotated[float, Field(allow_inf_nan=False)] | None = None

    @property
    def life_s(self) -> float:
        """The seconds for which it is valid."""
        return self.expires_in if self.expires_in is not None and self.expires_in >= 0 else math.inf


class _Refused(Model):
    """The answer that grants none (RFC 6749, section 5.2)."""

    error: Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")]


class _Answer(NamedTuple):
    status: int
    body: bytes
    retry_after_s: float


class TaxClient:
    """An HTTP client of the tax department. Limits of time and number are those of `TaxSettings`.

    Redirects are not followed, cookies not kept, proxies of the environment not used. Certificates are checked
    against the authorities that the machine trusts.
    """

    def __init__(self, settings: TaxSettings) -> None:
        self._settings = settings
        self._base = str(settings.url).rstrip("/")
        self._slots = asyncio.Semaphore(settings.connections)
        self._token = SharedToken(self._fetch_token)
        self._session: ClientSession

    async def open(self) -> None:
        self._session = ClientSession(
            connector=TCPConnector(limit=self._settings.connections),
            timeout=ClientTimeout(total=self._settings.timeout_s),
            cookie_jar=DummyCookieJar(),
            # A short compressed answer could expand without limit.
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
            auto_decompress=False,
            trust_env=False,
            max_line_size=HEAD_BYTES,
            max_field_size=HEAD_BYTES,
        )

    async def close(self) -> None:
        await self._token.close()
        await self._session.close()

    def url(self, path: str, **query: int) -> URL:
        """An address of the interface. Callers keep those they use often: making one costs as much as a request."""
        return URL(self._base + path).with_query(query or None)

    async def request(
        self, method: str, url: URL, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> bytes:
        """The body of the answer. If the token is refused, the request is sent once more with a new one.

        Raises `TaxAway` for an answer without success, `RequestRefused` for one that refuses the request itself,
        `UnparseableReply` for one that is too long, `TokenRefused` when no token is granted, and `NotHttp`,
        `aiohttp.ClientError` or `TimeoutError` when there is no answer.
        """
        async with self._slots:
            granted = await self._token.get()
            answer = await self._send(method, url, body, _bearing(granted, headers))
            if answer.status == HTTPStatus.UNAUTHORIZED:
                refused, granted = granted, await self._token.get(refused=granted)
                if granted.token != refused.token:
                    answer = await self._send(method, url, body, _bearing(granted, headers))
        if not HTTPStatus(200) <= answer.status < HTTPStatus(300):
            if answer.status in REQUEST_REFUSED:
                raise RequestRefused(
                    f"the tax department refuses the request with status {answer.status}: settle it with the "
                    "department by its answer below. The request is sent again by itself; then drop this letter",
                    f"税务部门以状态 {answer.status} 拒绝请求：请按下面的答复与部门解决。"
                    "请求会自动重发，随后请丢弃此死信",
                    answer.body[:KEPT_BYTES],
                )
            raise TaxAway(answer.status, answer.retry_after_s)
        return answer.body

    async def _fetch_token(self) -> Granted:
        headers = {
            "Authorization": _basic(self._settings.client_id, self._settings.client_secret.get_secret_value()),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        answer = await self._send("POST", self.url("/oauth/token"), b"grant_type=client_credentials", headers)
        if answer.status in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED):
            raise TokenRefused(_code(answer.body))
        if answer.status != HTTPStatus.OK:
            raise TaxAway(answer.status, answer.retry_after_s)
        try:
            granted = _Granted.model_validate_json(answer.body)
        except ValidationError:
            # Nothing of the answer but an error code is kept: it may contain a token. Some servers refuse with 200.
            raise TokenRefused(_code(answer.body)) from None
        return Granted(granted.access_token, granted.life_s)

    async def _send(self, method: str, url: URL, body: bytes | None, headers: Mapping[str, str]) -> _Answer:
        try:
            async with self._session.request(
                method, url, data=body, headers=headers, allow_redirects=False
            ) as response:
                wait_s = retry_after_s(response.status, response.headers)
                return _Answer(response.status, await _read(response), wait_s)
        except ClientResponseError:
            # The text of the error repeats the request with its token.
            raise NotHttp from None


async def _read(response: ClientResponse) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > MOST_BYTES:
            # The connection is closed, since the answer has not been read to its end.
            raise UnparseableReply(
                "the department's answer is too long", "部门的答复过长", b"".join(parts)[:KEPT_BYTES]
            )
    return b"".join(parts)


def _bearing(granted: Granted, headers: Mapping[str, str] | None) -> dict[str, str]:
    return {**(headers or {}), "Authorization": f"Bearer {granted.token}"}


def _basic(name: str, secret: str) -> str:
    """The client's credentials (client_secret_basic, RFC 6749, section 2.3.1)."""
    return "Basic " + b64encode(f"{quote_plus(name)}:{quote_plus(secret)}".encode()).decode()


def _code(answer: bytes) -> str:
    try:
        return _Refused.model_validate_json(answer).error
    except ValidationError:
        return "not understood"
