"""Requests to the tax department: one pool of connections, one token, so many at a time and no answer without end.

Tokens are fetched with client credentials (RFC 6749, section 4.4) and replaced shortly before they end, or when the
department no longer honours them.
"""

import asyncio
import math
import time
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated
from urllib.parse import quote_plus

from aiohttp import ClientResponse, ClientResponseError, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from pydantic import BaseModel, Field, ValidationError
from yarl import URL

from services.departments.tax.settings import TaxSettings
from services.runtime.external_system import UnparseableReply

LEEWAY_S = 5.0
"""Seconds before its end from which a token is no longer used: it must still be good when it arrives."""

MOST_BYTES = 16 * 1024 * 1024
"""The longest answer that is read; the longest feed asked for has a third of it."""

KEPT_BYTES = 64 * 1024
"""How much is kept of a longer one."""


class TaxAway(Exception):
    """The tax department's interface did not do what it was asked to; the status says why."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the tax department answered {status}")


ABOUT_WHAT_WAS_SENT = frozenset({400, 409, 413, 415, 422})
"""Statuses that speak of one request (RFC 9110, section 15.5): the department is there, and will not have this."""


class NotHttp(Exception):
    """What came back was no answer in HTTP."""


class TokenRefused(Exception):
    """The tax department gives us no token. ``error``: why, one of the codes of RFC 6749, section 5.2."""

    def __init__(self, error: str) -> None:
        super().__init__(f"the tax department gives no token: {error}")
        self.error = error


class _Granted(BaseModel):
    """The answer with a token (RFC 6749, section 5.1)."""

    access_token: Annotated[str, Field(pattern=r"^[\x21-\x7e]+$")]
    token_type: Annotated[str, Field(pattern=r"^[Bb][Ee][Aa][Rr][Ee][Rr]$")]
    expires_in: Annotated[float, Field(gt=0)] = math.inf


class _Refused(BaseModel):
    """The answer without one."""

    error: Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")]


@dataclass(frozen=True, slots=True)
class _Token:
    header: str
    end: float
    """Machine time from which it is no longer used."""


class TaxClient:
    """Speaks HTTP with the tax department. Times are those of `TaxSettings`.

    Redirects are not followed, cookies not kept, proxies of the environment not used; certificates are checked
    against those that the machine trusts.
    """

    def __init__(self, settings: TaxSettings) -> None:
        self._settings = settings
        self._base = str(settings.url).rstrip("/")
        self._slots = asyncio.Semaphore(settings.connections)
        self._fetching = asyncio.Lock()
        self._token: _Token | None = None
        self._session: ClientSession

    async def open(self) -> None:
        self._session = ClientSession(
            connector=TCPConnector(limit=self._settings.connections),
            timeout=ClientTimeout(total=self._settings.timeout_s),
            cookie_jar=DummyCookieJar(),
            # Compressed, a short answer could become one without end.
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
            auto_decompress=False,
            trust_env=False,
        )

    async def close(self) -> None:
        await self._session.close()

    def url(self, path: str, **query: int) -> URL:
        """An address of the interface. Kept by who uses it often: to make one costs as much as a request."""
        return URL(self._base + path).with_query(query or None)

    async def request(
        self, method: str, url: URL, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> bytes:
        """The answer to a request with a token; with a new one, once, where the old is no longer honoured.

        Raises `TaxAway` for an answer that is not a success, `UnparseableReply` for one that is too long or says that
        the department will not take what it was sent, `TokenRefused` when we are not let in, and `NotHttp`,
        `aiohttp.ClientError` or `TimeoutError` when there is no answer.
        """
        async with self._slots:
            token = await self._good_token(None)
            status, answer = await self._send(method, url, body, {**(headers or {}), "Authorization": token.header})
            if status == HTTPStatus.UNAUTHORIZED:
                token = await self._good_token(token)
                status, answer = await self._send(method, url, body, {**(headers or {}), "Authorization": token.header})
        if not HTTPStatus(200) <= status < HTTPStatus(300):
            if status in ABOUT_WHAT_WAS_SENT:
                raise UnparseableReply(
                    f"the tax department will not take what it was sent: {status}", answer[:KEPT_BYTES]
                )
            raise TaxAway(status)
        return answer

    async def _good_token(self, refused: _Token | None) -> _Token:
        """The token in use, or a new one: when there is none, or it ends, or it is the one that was refused."""
        token = self._token
        if token is not None and token is not refused and time.monotonic() < token.end:
            return token
        async with self._fetching:
            current = self._token
            if current is token or current is None:  # otherwise another request has just replaced it
                current = self._token = await self._fetch_token()
            return current

    async def _fetch_token(self) -> _Token:
        asked_at = time.monotonic()
        headers = {
            "Authorization": _basic(self._settings.client_id, self._settings.client_secret.get_secret_value()),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        status, answer = await self._send("POST", self.url("/oauth/token"), b"grant_type=client_credentials", headers)
        if status in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED):
            raise TokenRefused(_code(answer))
        if status != HTTPStatus.OK:
            raise TaxAway(status)
        try:
            granted = _Granted.model_validate_json(answer)
        except ValidationError:
            # Nothing of it is kept: somewhere in it may be a token.
            raise TokenRefused("not understood") from None
        return _Token(f"Bearer {granted.access_token}", asked_at + granted.expires_in - LEEWAY_S)

    async def _send(self, method: str, url: URL, body: bytes | None, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Status and body of the answer."""
        try:
            async with self._session.request(
                method, url, data=body, headers=headers, allow_redirects=False
            ) as response:
                return response.status, await _read(response)
        except ClientResponseError:
            # Its text repeats the request with the token in it.
            raise NotHttp from None


async def _read(response: ClientResponse) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > MOST_BYTES:
            # Unread to its end, the connection is closed and not used again.
            raise UnparseableReply("the department's answer is too long", b"".join(parts)[:KEPT_BYTES])
    return b"".join(parts)


def _basic(name: str, secret: str) -> str:
    """Who we are (client_secret_basic, RFC 6749, section 2.3.1)."""
    return "Basic " + b64encode(f"{quote_plus(name)}:{quote_plus(secret)}".encode()).decode()


def _code(answer: bytes) -> str:
    try:
        return _Refused.model_validate_json(answer).error
    except ValidationError:
        return "not understood"
