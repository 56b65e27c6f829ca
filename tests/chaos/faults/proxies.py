"""A small TCP proxy between a service and a dependency, whose connections can be made to fail."""

import asyncio
import contextlib
import struct
from collections.abc import Callable
from enum import StrEnum
from typing import Self

from deploy.local.site import HOST

CHUNK_BYTES = 64 * 1024
_SIZE = struct.Struct(">i")


class ProxyMode(StrEnum):
    """How a proxy treats its connections."""

    NORMAL = "normal"
    REFUSED = "refused"
    """The port is closed, and open connections are aborted."""
    HANGING = "hanging"
    """Connections are accepted and stay open, but carry nothing, not even later: as behind a firewall that has
    dropped their state."""
    CUT = "cut"
    """Each connection ends in the middle of an answer."""
    DELAYED = "delayed"
    """Each answer arrives after the client has timed out."""


Rewrite = Callable[[bytes], bytes]
"""Changes one whole answer on its way to the client."""


class Proxy:
    """The connections from the services to one dependency.

    ``upstream`` returns the port of the dependency. ``rewrite``, if given, receives whole answers of a protocol that
    puts four bytes of length before each, as Kafka's does.
    """

    def __init__(self, name: str, upstream: Callable[[], int], rewrite: Rewrite | None = None) -> None:
        self.name = name
        self.port = 0
        self.delay_s = 12.0
        self.dropped_bytes = 0
        """Bytes of requests that hanging connections have swallowed."""
        self._upstream = upstream
        self._rewrite = rewrite
        self._mode = ProxyMode.NORMAL
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()

    async def __aenter__(self) -> Self:
        await self._listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.set_mode(ProxyMode.REFUSED)

    @property
    def connections(self) -> int:
        """Connections that are open now."""
        return len(self._connections)

    async def set_mode(self, mode: ProxyMode) -> None:
        """Treat all connections in this mode from now on, open ones included.

        A hanging connection hangs for ever: its two ends do not learn of the change.
        """
        self._mode = mode
        if mode is ProxyMode.REFUSED:
            if self._server is not None:
                self._server.close()
                self._server = None
            for connection in tuple(self._connections):
                connection.abort()
            return
        for connection in self._connections:
            connection.set_mode(mode)
        if self._server is None:
            await self._listen()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, HOST, self.port, limit=CHUNK_BYTES)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection(self, writer, self._mode, self._rewrite)
        self._connections.add(connection)
        try:
            with contextlib.suppress(OSError):  # the dependency does not listen
                await connection.forward(reader, self._upstream())
        finally:
            connection.close()
            self._connections.discard(connection)


class _Connection:
    """One client's connection and the matching connection to the dependency."""

    def __init__(self, proxy: Proxy, client: asyncio.StreamWriter, mode: ProxyMode, rewrite: Rewrite | None) -> None:
        self._proxy = proxy
        self._client = client
        self._upstream: asyncio.StreamWriter | None = None
        self._mode = mode
        self._rewrite = rewrite
        self._ended = asyncio.Event()

    def set_mode(self, mode: ProxyMode) -> None:
        if self._mode is not ProxyMode.HANGING:
            self._mode = mode

    def abort(self) -> None:
        self._ended.set()
        for writer in (self._client, self._upstream):
            if writer is not None:
                writer.transport.abort()

    def close(self) -> None:
        """Close both connections, unless they were aborted."""
        for writer in (self._client, self._upstream):
            if writer is not None:
                writer.close()

    async def forward(self, reader: asyncio.StreamReader, port: int) -> None:
        """Forward bytes in both directions until a side or the mode ends the connection."""
        answers, self._upstream = await asyncio.open_connection(HOST, port, limit=CHUNK_BYTES)
        directions = [
            asyncio.create_task(self._forward_requests(reader, self._upstream)),
            asyncio.create_task(self._forward_answers(answers, self._client)),
        ]
        try:
            await self._ended.wait()
        finally:
            for direction in directions:
                direction.cancel()
            await asyncio.gather(*directions, return_exceptions=True)

    async def _forward_requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while chunk := await reader.read(CHUNK_BYTES):
                if self._mode is ProxyMode.HANGING:
                    self._proxy.dropped_bytes += len(chunk)
                    continue
                writer.write(chunk)
                await writer.drain()
            writer.write_eof()  # the answer may still be on its way
        except OSError:
            self._ended.set()

    async def _forward_answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._copy_answers(reader, writer)
        finally:
            self._ended.set()

    async def _copy_answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await self._read_answer(reader):
            if self._mode is ProxyMode.DELAYED:
                await asyncio.sleep(self._proxy.delay_s)
            match self._mode:
                case ProxyMode.HANGING:
                    continue
                case ProxyMode.CUT:
                    writer.write(chunk[: (len(chunk) + 1) // 2])
                    await writer.drain()
                    return
            writer.write(chunk)
            await writer.drain()

    async def _read_answer(self, reader: asyncio.StreamReader) -> bytes:
        if self._rewrite is None:
            return await reader.read(CHUNK_BYTES)
        head = await reader.readexactly(_SIZE.size)
        return head + self._rewrite(await reader.readexactly(_SIZE.unpack(head)[0]))


def advertise_proxy(broker: Callable[[], int], proxy: Callable[[], int]) -> Rewrite:
    """Makes a broker advertise the port of the proxy instead of its own.

    In Kafka's answers of every version the port of a broker stands in four bytes after its host.
    """

    def rewrite(answer: bytes) -> bytes:
        host = HOST.encode()
        return answer.replace(host + _SIZE.pack(broker()), host + _SIZE.pack(proxy()))

    return rewrite
