"""One HTTP connection, with a deadline and a size limit for everything that the client must send or read.

uvicorn and httptools have no such limits. A client could take for ever over its request, or send a head without end. A
proxy in front of a service usually limits both; this module does so without one.
"""

import asyncio
import json
from collections import OrderedDict
from http import HTTPStatus
from math import inf
from typing import NamedTuple

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from services.runtime import telemetry
from services.runtime.http.problems import TITLES_ZH

MAX_CONNECTIONS = 2000
"""Open connections of a process. One more closes the connection whose client has kept the server waiting longest."""

IDLE_S = 120.0
"""Machine seconds for which an open connection may wait for its next request.

Longer than proxies and load balancers keep theirs, 60 to 90 s by default: where the server closes first, a request that
is just on its way is lost, and the proxy answers 502."""

LINGER_S = 2.0
"""Machine seconds in which a client that is still sending can read the response that rejects its request."""

MAX_HEAD_BYTES = 32 * 1024
MAX_HEADERS = 100

MAX_REQUEST_BODY_BYTES = 2 * 1024 * 1024
"""The largest body of any endpoint. Most endpoints accept far less and answer with problems of their own."""

MAX_LINGER_BYTES = 4 * 1024 * 1024
"""Bytes read and discarded after a rejection. If the connection were closed at once, many clients would report a broken
connection instead of the response."""

CHUNK_BYTES = 1024
"""Bytes parsed at a time. It bounds the number of pipelined requests, of at least 18 bytes each, that wait for an
earlier response."""

MAX_HELD_BYTES = 1024 * 1024
"""Most bytes that are kept unparsed behind those requests."""


class TimeLimits(NamedTuple):
    """How long the server waits for a client, in machine seconds."""

    head_s: float = 10.0
    """For the head of a request, and before the first request."""

    transfer_s: float = 20.0
    """For the body, and to read some of a response that does not fit into the buffers."""


class SharedState(ServerState):
    """The state that all connections of the server share."""

    def __init__(self, limits: TimeLimits) -> None:
        super().__init__()
        self.limits = limits
        self.waiting: OrderedDict[Connection, None] = OrderedDict()
        """Connections from which the server expects data, in the order since when."""
        self.max_connections = MAX_CONNECTIONS


class _TooManyHeaders(Exception):
    """The head has more than `MAX_HEADERS` lines."""


class _LingeringTransport:
    """The transport of a connection. `close` lets a client that is still sending read the response first."""

    __slots__ = ("_transport", "close", "is_closing")

    def __init__(self, connection: "Connection", transport: asyncio.Transport) -> None:
        self._transport = transport
        self.close = connection.end
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        # uvicorn notices a lost connection a little later than the transport, which would raise.
        if not self._transport.is_closing():
            self._transport.write(data)


class Connection(HttpToolsProtocol):
    """One connection from a client. `Server` checks the deadline once a second, so that a request costs no timers."""

    server_state: SharedState

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._raw_transport = transport
        self.transport = _LingeringTransport(self, transport)  # type: ignore[assignment]
        self.deadline = self.loop.time() + self.server_state.limits.head_s
        """The time of the event loop at which `expire` is called."""
        self._receiving = self._in_body = False
        """Whether a request is arriving, and whether its head is complete."""
        self._bytes = 0
        """Bytes of the present head or body so far, and their limit."""
        self._limit = MAX_HEAD_BYTES
        self._held = b""
        """Unparsed bytes that wait for the response to an earlier request."""
        self._keep_alive = False
        self._lingering = self._shutting_down = False
        waiting = self.server_state.waiting
        waiting[self] = None
        if len(self.connections) > self.server_state.max_connections:
            longest, _ = waiting.popitem(last=False)
            longest.abort("too many connections")

    def connection_lost(self, exc: Exception | None) -> None:
        self.server_state.waiting.pop(self, None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._lingering:
            self._bytes += len(data)
            if self._bytes > MAX_LINGER_BYTES:
                self._raw_transport.abort()
        elif self._held or self.pipeline:
            self._hold(data)
        else:
            self._feed(data)

    def _feed(self, data: bytes) -> None:
        """Parse chunk by chunk, and stop when a pipelined request must wait for an earlier response."""
        for start in range(0, len(data), CHUNK_BYTES):
            if self.pipeline:
                self._hold(data[start:])
                return
            if not self._parse(data[start : start + CHUNK_BYTES]):
                return

    def _hold(self, data: bytes) -> None:
        self._held += data
        self.flow.pause_reading()
        if len(self._held) > MAX_HELD_BYTES:
            self.abort("too many pipelined bytes")

    def _parse(self, data: bytes) -> bool:
        """Parse some bytes. Returns whether the connection goes on."""
        self._bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # no other protocol is offered: the request is answered like any other
        except httptools.HttpParserError as error:
            if isinstance(error.__context__, _TooManyHeaders):
                self._reject(431, "head too large")
            else:
                self._reject(400, "not HTTP")
            return False
        if self._receiving and self._bytes > self._limit:
            self._reject(*((413, "body too large") if self._in_body else (431, "head too large")))
            return False
        return True

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._receiving = True
        self.deadline = self.loop.time() + self.server_state.limits.head_s
        self.server_state.waiting[self] = None

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_body:
            return  # a trailer must not change the request (RFC 9110, section 6.5.1)
        if len(self.headers) >= MAX_HEADERS:
            raise _TooManyHeaders
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._in_body, self._bytes, self._limit = True, 0, MAX_REQUEST_BODY_BYTES
        self.deadline = self.loop.time() + self.server_state.limits.transfer_s
        # A request that is answered before its body is complete is the last one of the connection.
        self._keep_alive, self.cycle.keep_alive = self.cycle.keep_alive, False

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._receiving = self._in_body = False
        self._bytes, self._limit = 0, MAX_HEAD_BYTES
        if not self.flow.write_paused:
            self.deadline = inf
        self.server_state.waiting.pop(self, None)
        self.cycle.keep_alive = self._keep_alive and not self._shutting_down

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self._lingering or self._raw_transport.is_closing():
            return
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        held, self._held = self._held, b""
        self._feed(held)
        if self._held or self.pipeline or self._lingering or self._raw_transport.is_closing():
            return
        self.flow.resume_reading()
        if not self._receiving and self.cycle.response_complete:
            self.deadline = self.loop.time() + self.timeout_keep_alive
            self.server_state.waiting[self] = None

    def pause_writing(self) -> None:
        super().pause_writing()
        self.deadline = self.loop.time() + self.server_state.limits.transfer_s

    def resume_writing(self) -> None:
        super().resume_writing()
        self.deadline = self.loop.time() + self.server_state.limits.transfer_s if self._receiving else inf

    def shutdown(self) -> None:
        """Answer the present request, then close."""
        self._shutting_down = True
        super().shutdown()

    def expire(self) -> None:
        """Reject or abort: the deadline has passed."""
        if self.flow.write_paused or self._lingering or self._raw_transport.is_closing():
            self.abort("response not read")
        elif self._receiving:
            self._reject(408, "too slow")
        else:
            self.abort("idle")

    def abort(self, reason: str) -> None:
        """Close the connection without a response."""
        telemetry.HTTP_REFUSED.labels(reason).inc()
        self._raw_transport.abort()

    def end(self) -> None:
        """Close the connection after the response is sent. A client that is still sending gets time to read it."""
        if self._lingering:
            return
        self.deadline = self.loop.time() + LINGER_S
        if not self._receiving or self._shutting_down:
            self._raw_transport.close()
            return
        self._lingering, self._bytes = True, 0
        self.server_state.waiting[self] = None
        self.flow.resume_reading()
        if self._raw_transport.can_write_eof():
            self._raw_transport.write_eof()

    def _reject(self, status: int, reason: str) -> None:
        """Send a problem (RFC 9457) as the last response of this connection."""
        if self.cycle is not None and not self.cycle.response_complete:
            if self.pipeline or not self._in_body or self.cycle.response_started:
                self.abort(reason)  # the client would take it for the response to an earlier request
                return
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        telemetry.HTTP_REFUSED.labels(reason).inc()
        title, title_zh = HTTPStatus(status).phrase, TITLES_ZH.get(status, "请求有误")
        problem = {"type": "about:blank", "title": title, "title_zh": title_zh, "status": status}
        body = json.dumps(problem, ensure_ascii=False).encode()
        is_head = self._in_body and self.scope["method"] == "HEAD"
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: application/problem+json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        self._raw_transport.write(head.encode() + (b"" if is_head else body))
        self._receiving = True  # the rest of the request is still to come
        self.end()
