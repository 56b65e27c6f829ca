"""The HTTP server of a process: it looks after its signals itself, and lets no client hold it up.

uvicorn and httptools are fast, and trusting: a client may take for ever over its request, send a head without end, or
open connections until nobody else gets one. Here everything that is waited for from a client has a deadline and a
size, and when there are too many connections, whoever has kept us waiting longest makes room. A second look at all
connections once a second is enough, so that a request costs no timers.
"""

import asyncio
import json
import resource
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from math import inf
from typing import Any

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from services.runtime import telemetry

MOST_CONNECTIONS = 2000
"""Open at a time. One more, and the connection that has kept us waiting longest is closed."""

HEAD_S = 10.0
"""Machine seconds a client may take over the head of a request, and before its first one."""

BODY_S = 20.0
"""Machine seconds it may take over the body."""

READ_S = 20.0
"""Machine seconds in which it must read some of an answer that does not fit into the buffers."""

LINGER_S = 2.0
"""Machine seconds in which a client that is still sending can hear that it has been refused."""

MOST_HEAD_BYTES = 32 * 1024
MOST_HEADERS = 100

MOST_BODY_BYTES = 2 * 1024 * 1024
"""What no endpoint wants to read; most want far less and say so themselves, as problems with their own words."""

MOST_LINGERING_BYTES = 4 * 1024 * 1024
"""Read and thrown away after a refusal: closed at once, many a client would see a broken connection instead of it."""

PIECE_BYTES = 1024
"""Parsed at a time: so many requests, of 18 bytes at the least, may wait for the answer to another."""

MOST_HELD_BYTES = 1024 * 1024
"""Behind them, not parsed."""

OTHER_FILES = 256
"""What a process opens besides connections from clients: to Kafka, to PostgreSQL, files."""

log = telemetry.logger(__name__)


class _State(ServerState):
    """What all connections share."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: OrderedDict[Connection, None] = OrderedDict()
        """Connections of which we want something, the rest of a request or the next one; the longest waiting first."""
        self.most = MOST_CONNECTIONS


class _TooManyHeaders(Exception):
    """The head has more lines than anybody needs."""


class _Ending:
    """A connection's transport, closed so that a client that is still sending hears the answer first."""

    __slots__ = ("_transport", "close", "is_closing")

    def __init__(self, connection: "Connection", transport: asyncio.Transport) -> None:
        self._transport = transport
        self.close = connection.end
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        # uvicorn learns of a lost connection a little later than the transport, which would raise.
        if not self._transport.is_closing():
            self._transport.write(data)


class Connection(HttpToolsProtocol):
    """One connection from a client, with deadlines and sizes for all that is waited for."""

    server_state: _State

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._raw = transport
        self.transport = _Ending(self, transport)  # type: ignore[assignment]
        self.deadline = self.loop.time() + HEAD_S
        """When this connection is given up; a time of the loop."""
        self._arriving = self._in_body = False
        """A request has begun and has not arrived whole; its head has."""
        self._bytes = 0
        """Bytes of the head, or of the body, that have come so far, and how many there may be."""
        self._most = MOST_HEAD_BYTES
        self._held = b""
        """What came with a request that has to wait for the answer to another, and has not been parsed."""
        self._keep_alive = False
        self._lingering = self._stopping = False
        waiting = self.server_state.waiting
        waiting[self] = None
        if len(self.connections) > self.server_state.most:
            longest, _ = waiting.popitem(last=False)
            longest.give_up("too many connections")

    def connection_lost(self, exc: Exception | None) -> None:
        self.server_state.waiting.pop(self, None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._lingering:
            self._bytes += len(data)
            if self._bytes > MOST_LINGERING_BYTES:
                self._raw.abort()
        elif self._held or self.pipeline:
            self._hold(data)
        else:
            self._take(data)

    def _take(self, data: bytes) -> None:
        """Parse a little at a time, and no more once there is a request that has to wait for another's answer."""
        for start in range(0, len(data), PIECE_BYTES):
            if self.pipeline:
                self._hold(data[start:])
                return
            if not self._parse(data[start : start + PIECE_BYTES]):
                return

    def _hold(self, data: bytes) -> None:
        self._held += data
        self.flow.pause_reading()
        if len(self._held) > MOST_HELD_BYTES:
            self.give_up("too much at once")

    def _parse(self, data: bytes) -> bool:
        """Whether all is well with what has been sent so far."""
        self._bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # nothing here speaks another protocol: the request is answered as any other
        except httptools.HttpParserError as error:
            if isinstance(error.__context__, _TooManyHeaders):
                self._refuse(431, "head too large")
            else:
                self._refuse(400, "not HTTP")
            return False
        if self._arriving and self._bytes > self._most:
            self._refuse(*((413, "body too large") if self._in_body else (431, "head too large")))
            return False
        return True

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._arriving = True
        self.deadline = self.loop.time() + HEAD_S
        self.server_state.waiting[self] = None

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_body:
            return  # a trailer: what comes behind the body has no say in what the request is
        if len(self.headers) >= MOST_HEADERS:
            raise _TooManyHeaders
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._in_body, self._bytes, self._most = True, 0, MOST_BODY_BYTES
        self.deadline = self.loop.time() + BODY_S
        # Answered before its body has come whole, a request is the connection's last.
        self._keep_alive, self.cycle.keep_alive = self.cycle.keep_alive, False

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._arriving = self._in_body = False
        self._bytes, self._most = 0, MOST_HEAD_BYTES
        if not self.flow.write_paused:
            self.deadline = inf
        self.server_state.waiting.pop(self, None)
        self.cycle.keep_alive = self._keep_alive and not self._stopping

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self._lingering or self._raw.is_closing():
            return
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        held, self._held = self._held, b""
        self._take(held)
        if self._held or self.pipeline or self._lingering or self._raw.is_closing():
            return
        self.flow.resume_reading()
        if not self._arriving and self.cycle.response_complete:
            self.deadline = self.loop.time() + self.timeout_keep_alive
            self.server_state.waiting[self] = None

    def pause_writing(self) -> None:
        super().pause_writing()
        self.deadline = self.loop.time() + READ_S

    def resume_writing(self) -> None:
        super().resume_writing()
        self.deadline = self.loop.time() + BODY_S if self._arriving else inf

    def shutdown(self) -> None:
        """Answer what has been asked, and close."""
        self._stopping = True
        super().shutdown()

    def expire(self) -> None:
        """The deadline has passed."""
        if self.flow.write_paused or self._lingering or self._raw.is_closing():
            self.give_up("answer not read")
        elif self._arriving:
            self._refuse(408, "too slow")
        else:
            self.give_up("silent")

    def give_up(self, reason: str) -> None:
        """Cut the connection off."""
        telemetry.HTTP_REFUSED.labels(reason).inc()
        self._raw.abort()

    def end(self) -> None:
        """Close the connection once what has been written is sent. A client that is still sending is heard out."""
        if self._lingering:
            return
        self.deadline = self.loop.time() + LINGER_S
        if not self._arriving or self._stopping:
            self._raw.close()
            return
        self._lingering, self._bytes = True, 0
        self.server_state.waiting[self] = None
        self.flow.resume_reading()
        if self._raw.can_write_eof():
            self._raw.write_eof()

    def _refuse(self, status: int, reason: str) -> None:
        """The last word on this connection, as a problem (RFC 9457)."""
        if self.cycle is not None and not self.cycle.response_complete:
            if self.pipeline or not self._in_body or self.cycle.response_started:
                self.give_up(reason)  # another request's answer is under way, and would be taken for this one's
                return
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        telemetry.HTTP_REFUSED.labels(reason).inc()
        body = json.dumps({"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}).encode()
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: application/problem+json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        self._raw.write(head.encode() + body)
        self._arriving = True  # whatever is being sent, its end has not been seen
        self.end()


class Server(uvicorn.Server):
    """A server that leaves the process's signals to the process: it stops when ``should_exit`` is set."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        config.http = Connection
        config.ws = "none"
        config.limit_concurrency = 2 * MOST_CONNECTIONS  # requests under way: their clients may have left
        self.server_state: _State = _State()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: Any = None) -> None:
        self.server_state.most = _connections_allowed()
        await super().startup(sockets)

    async def on_tick(self, counter: int) -> bool:
        if counter % 10 == 0:  # ten ticks are a second
            now = asyncio.get_running_loop().time()
            for connection in [one for one in self.server_state.connections if one.deadline < now]:  # type: ignore[union-attr]
                connection.expire()  # type: ignore[union-attr]
        return await super().on_tick(counter)


def _connections_allowed() -> int:
    """How many connections this process may have open, after asking the system for as many files as they need."""
    wanted = MOST_CONNECTIONS + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return MOST_CONNECTIONS
    allowed = max(1, soft - OTHER_FILES)
    log.warning("the system allows few open files; fewer connections are taken", files=soft, connections=allowed)
    return allowed
