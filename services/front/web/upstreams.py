"""Sends requests on to the processes of the services, as they come, and their responses back.

Of the libraries that do this for ASGI, asgiproxy and fastapi-proxy-lib, none serves: both decode the path before they
send it on, pass headers of one connection on, and know one address a service (docs/decisions/0028).
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    ConnectionTimeoutError,
    DummyCookieJar,
    TCPConnector,
)
from starlette.types import Receive, Send
from yarl import URL

from services.front.core.headers import back
from services.front.web.figures import FORWARDED
from services.front.web.visit import Visit
from services.runtime import telemetry

CONNECT_S = 2.0
"""Machine seconds to connect to a process. Then the next one is tried."""

ANSWER_S = 60.0
"""Machine seconds until a response begins."""

SILENCE_S = 60.0
"""Machine seconds between two parts of a response. Server-sent events may be silent for longer."""

LONGEST_S = 900.0
"""Machine seconds for a whole response, except for server-sent events."""

IDLE_S = 60.0
"""Machine seconds for which an open connection waits for its next request: shorter than the server's own limit, which
could close it while a request is on its way."""

AVOIDED_S = 5.0
"""Machine seconds for which a process that could not be reached is tried last."""

_STREAM = "text/event-stream"

_NO_AUTOMATIC = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
"""Headers that the client would add by itself."""

log = telemetry.logger(__name__)


class Away(Exception):
    """No process of the service can be reached, or its answer is none of HTTP. Nothing was sent to the client."""


class Slow(Exception):
    """The service has not begun to answer in time. Nothing was sent to the client."""


class _Left(Exception):
    """The client has left."""


class StreamEnd:
    """When server-sent events end: at a time of the event loop, or at once by `come`. The client may ask anew."""

    def __init__(self, at: float | None) -> None:
        self._at = at
        self._timeout: asyncio.Timeout | None = None

    def limit(self, longest: float | None) -> asyncio.Timeout:
        """A limit for the time in which the parts come. ``longest`` takes the place of this end for other responses."""
        self._timeout = asyncio.timeout_at(self._at if longest is None else longest)
        return self._timeout

    def come(self) -> None:
        """End the stream now."""
        self._at = 0.0
        if self._timeout is not None:
            with suppress(RuntimeError):  # it has ended already
                self._timeout.reschedule(0.0)


class Upstreams:
    """The processes of all services. To be made and closed inside the event loop.

    ``answer_s`` and ``silence_s``: see `ANSWER_S` and `SILENCE_S`.
    """

    def __init__(
        self, addresses: Mapping[str, Sequence[str]], answer_s: float = ANSWER_S, silence_s: float = SILENCE_S
    ) -> None:
        self.answer_s = answer_s
        self._silence_s = silence_s
        self._addresses = addresses
        self._turn = dict.fromkeys(addresses, 0)
        self._avoided: dict[str, float] = {}
        self._client = ClientSession(
            connector=TCPConnector(limit=0, keepalive_timeout=IDLE_S),
            cookie_jar=DummyCookieJar(),
            auto_decompress=False,
            timeout=ClientTimeout(total=None, sock_connect=CONNECT_S),
            skip_auto_headers=_NO_AUTOMATIC,
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()

    async def forward(
        self,
        service: str,
        visit: Visit,
        headers: list[tuple[str, str]],
        cookies: frozenset[str],
        receive: Receive,
        send: Send,
        end: "StreamEnd | None" = None,
    ) -> None:
        """Send a request on with these headers, and its response back with those of its cookies.

        Raises `Away` or `Slow`. When the client leaves, the request ends.
        """
        body = _Body(visit, receive)
        work = asyncio.ensure_future(
            self._exchange(service, visit, headers, cookies, body, send, end or StreamEnd(None))
        )
        left = asyncio.ensure_future(body.left())
        try:
            await asyncio.wait((work, left), return_when=asyncio.FIRST_COMPLETED)
        finally:
            left.cancel()
            if not work.done():
                work.cancel()
                FORWARDED.labels(service, "left").inc()
                with suppress(asyncio.CancelledError, Exception):
                    await work
        if not work.cancelled():
            with suppress(_Left):
                work.result()

    async def _exchange(
        self,
        service: str,
        visit: Visit,
        headers: list[tuple[str, str]],
        cookies: frozenset[str],
        body: "_Body",
        send: Send,
        end: "StreamEnd",
    ) -> None:
        try:
            async with asyncio.timeout(self.answer_s):
                response = await self._response(service, visit, headers, body)
        except TimeoutError:
            FORWARDED.labels(service, "slow").inc()
            raise Slow from None
        try:
            answer = back(response.raw_headers, cookies)
            await send({"type": "http.response.start", "status": response.status, "headers": answer})
            await self._pass_on(response, send, end)
            await send({"type": "http.response.body", "body": b""})
            FORWARDED.labels(service, "answered").inc()
        except (ClientError, TimeoutError, OSError, ValueError) as error:
            # The server closes the connection, so that the client sees that the response is not complete.
            FORWARDED.labels(service, "broken").inc()
            log.warning("a response was broken off", service_asked=service, error=error)
        finally:
            response.close()

    async def _pass_on(self, response: ClientResponse, send: Send, end: "StreamEnd") -> None:
        """Pass the parts of a response on as they come, until it is complete or a stream of events ends."""
        loop = asyncio.get_running_loop()
        is_stream = response.content_type == _STREAM
        longest = loop.time() + LONGEST_S
        parts = response.content.iter_any().__aiter__()
        try:
            async with end.limit(longest=None if is_stream else longest):
                while True:
                    async with asyncio.timeout(None if is_stream else self._silence_s):
                        part = await anext(parts, None)
                    if part is None:
                        return
                    await send({"type": "http.response.body", "body": part, "more_body": True})
        except TimeoutError:
            if not is_stream:
                raise

    async def _response(
        self, service: str, visit: Visit, headers: list[tuple[str, str]], body: "_Body"
    ) -> ClientResponse:
        """The head of the response of a process that can be reached."""
        target = visit.path + (f"?{visit.query}" if visit.query else "")
        reason: Exception | None = None
        for address in self._in_turn(service):
            try:
                return await self._client.request(
                    visit.method,
                    URL(address + target, encoded=True),
                    headers=headers,
                    data=body.parts() if body.expected else None,
                    allow_redirects=False,
                )
            except (ClientConnectorError, ConnectionTimeoutError) as error:
                reason = error  # nothing was sent, so that another process may be asked
                self._avoided[address] = time.monotonic() + AVOIDED_S
            except (ClientError, OSError, ValueError) as error:
                if body.client_left:
                    raise _Left from None
                reason = error
                break
        FORWARDED.labels(service, "away").inc()
        log.warning("a service does not answer", service_asked=service, error=reason)
        raise Away from None

    def _in_turn(self, service: str) -> list[str]:
        addresses = self._addresses[service]
        if len(addresses) == 1:
            return list(addresses)
        self._turn[service] = turn = (self._turn[service] + 1) % len(addresses)
        now = time.monotonic()
        return sorted([*addresses[turn:], *addresses[:turn]], key=lambda address: self._avoided.get(address, 0.0) > now)


class _Body:
    """The body of a request while it arrives, and the leave of the client afterwards."""

    def __init__(self, visit: Visit, receive: Receive) -> None:
        self.expected = any(name in (b"content-length", b"transfer-encoding") for name, _ in visit.headers)
        self.client_left = False
        self._receive = receive
        self._complete = asyncio.Event()
        if not self.expected:
            self._complete.set()

    async def parts(self) -> AsyncIterator[bytes]:
        """The parts as they arrive. Raises `_Left`."""
        while not self._complete.is_set():
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self.client_left = True
                raise _Left
            if not message.get("more_body"):
                self._complete.set()
            if part := message.get("body"):
                yield part

    async def left(self) -> None:
        """Return when the client has left, after its request was received."""
        await self._complete.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass
