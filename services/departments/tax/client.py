"""Requests to the tax department: one connection pool, one token, a limit of concurrent requests and of answer size.

A token is fetched with client credentials (RFC 6749, section 4.4). It is replaced shortly before it expires, or when
the department refuses it.

No OAuth library is used here. authlib 1.9 renews a token under a lock and before it expires, but does not fetch the
first one, replace a refused one, form-encode the credentials (RFC 6749, section 2.3.1), check the token's characters
or limit the size of an answer.
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
"""Seconds before its expiry from which a token is not used: it must still be valid when the request arrives."""

MOST_BYTES = 16 * 1024 * 1024
"""The longest answer that is read. The longest feed that is requested has a third of it."""

KEPT_BYTES = 64 * 1024
"""The part of a longer answer that is kept."""


class TaxAway(Exception):
    """The interface answered with this status and not with success."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the tax department answered {status}")


REQUEST_REFUSED = frozenset({400, 409, 413, 415, 422})
"""Statuses about one request (RFC 9110, section 15.5): the department is available, and refuses this request."""


class NotHttp(Exception):
    """The answer is not HTTP."""


class TokenRefused(Exception):
    """The department grants no token. ``error`` is a code of RFC 6749, section 5.2."""

    def __init__(self, error: str) -> None:
        super().__init__(f"the tax department grants no token: {error}")
        self.error = error


class _Granted(BaseModel):
    """The answer that grants a token (RFC 6749, section 5.1)."""

    access_token: Annotated[str, Field(pattern=r"^[\x21-\x7e]+$")]
    token_type: Annotated[str, Field(pattern=r"^[Bb][Ee][Aa][Rr][Ee][Rr]$")]
    expires_in: Annotated[float, Field(gt=0)] = math.inf


class _Refused(BaseModel):
    """The answer that grants none (RFC 6749, section 5.2)."""

    error: Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")]


@dataclass(frozen=True, slots=True)
class _Token:
    header: str
    expires: float
    """Machine time from which it is not used."""


class TaxClient:
    """An HTTP client of the tax department. Limits of time and number are those of `TaxSettings`.

    Redirects are not followed, cookies not kept, proxies of the environment not used. Certificates are checked
    against the authorities that the machine trusts.
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
            # A short compressed answer could expand without limit.
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
            auto_decompress=False,
            trust_env=False,
        )

    async def close(self) -> None:
        await self._session.close()

    def url(self, path: str, **query: int) -> URL:
        """An address of the interface. Callers keep those they use often: making one costs as much as a request."""
        return URL(self._base + path).with_query(query or None)

    async def request(
        self, method: str, url: URL, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> bytes:
        """The body of the answer. If the token is refused, the request is sent once more with a new one.

        Raises `TaxAway` for an answer without success, `UnparseableReply` for one that is too long or refuses the
        request itself, `TokenRefused` when no token is granted, and `NotHttp`, `aiohttp.ClientError` or `TimeoutError`
        when there is no answer.
        """
        async with self._slots:
            token = await self._valid_token(None)
            status, answer = await self._send(method, url, body, {**(headers or {}), "Authorization": token.header})
            if status == HTTPStatus.UNAUTHORIZED:
                token = await self._valid_token(token)
                status, answer = await self._send(method, url, body, {**(headers or {}), "Authorization": token.header})
        if not HTTPStatus(200) <= status < HTTPStatus(300):
            if status in REQUEST_REFUSED:
                raise UnparseableReply(f"the tax department refuses the request: {status}", answer[:KEPT_BYTES])
            raise TaxAway(status)
        return answer

    async def _valid_token(self, refused: _Token | None) -> _Token:
        """The token in use; a new one when there is none, it expires, or it is the one that was refused."""
        token = self._token
        if token is not None and token is not refused and time.monotonic() < token.expires:
            return token
        async with self._fetching:
            current = self._token
            if current is token or current is None:  # otherwise another request has replaced it meanwhile
                current = self._token = await self._fetch_token()
            return current

    async def _fetch_token(self) -> _Token:
        requested_at = time.monotonic()
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
            # Nothing of the answer is kept: it may contain a token.
            raise TokenRefused("not understood") from None
        return _Token(f"Bearer {granted.access_token}", requested_at + granted.expires_in - LEEWAY_S)

    async def _send(self, method: str, url: URL, body: bytes | None, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Status and body of the answer."""
        try:
            async with self._session.request(
                method, url, data=body, headers=headers, allow_redirects=False
            ) as response:
                return response.status, await _read(response)
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
            raise UnparseableReply("the department's answer is too long", b"".join(parts)[:KEPT_BYTES])
    return b"".join(parts)


def _basic(name: str, secret: str) -> str:
    """The client's credentials (client_secret_basic, RFC 6749, section 2.3.1)."""
    return "Basic " + b64encode(f"{quote_plus(name)}:{quote_plus(secret)}".encode()).decode()


def _code(answer: bytes) -> str:
    try:
        return _Refused.model_validate_json(answer).error
    except ValidationError:
        return "not understood"
