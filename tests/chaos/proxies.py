"""Connections that can be spoiled: a small TCP proxy between a service and what it depends on."""

import asyncio
import contextlib
import struct
from collections.abc import Callable
from enum import StrEnum
from typing import Self

from deploy.local.processes import HOST

LOT_BYTES = 64 * 1024
_SIZE = struct.Struct(">i")


class Manner(StrEnum):
    """How a link treats its connections."""

    WHOLE = "whole"
    REFUSED = "refused"
    """Nobody listens, and whoever was connected is cut off."""
    HANGING = "hanging"
    """Connections are taken and stay open, and nothing gets through: not even later, as behind a firewall that
    has forgotten them."""
    CUT = "cut"
    """Each connection ends in the middle of an answer."""
    LATE = "late"
    """Each answer is held back for longer than anybody waits for it."""


Rewrite = Callable[[bytes], bytes]
"""Changes one whole answer on its way to the client."""


class Link:
    """One way from the services to something they depend on.

    ``upstream`` gives the port to connect to. ``rewrite``, if there is one, is given whole answers of a protocol that
    puts four bytes of length before each, as Kafka's does.
    """

    def __init__(self, name: str, upstream: Callable[[], int], rewrite: Rewrite | None = None) -> None:
        self.name = name
        self.port = 0
        self.late_s = 12.0
        self._upstream = upstream
        self._rewrite = rewrite
        self._manner = Manner.WHOLE
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()

    async def __aenter__(self) -> Self:
        await self._listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.behave(Manner.REFUSED)

    async def behave(self, manner: Manner) -> None:
        """Treat connections in this manner from now on, those that are open included.

        What hangs goes on hanging when the manner changes: nobody tells its two ends that the way is free again.
        """
        self._manner = manner
        if manner is Manner.REFUSED:
            if self._server is not None:
                self._server.close()
                self._server = None
            for connection in tuple(self._connections):
                connection.abort()
            return
        for connection in self._connections:
            connection.become(manner)
        if self._server is None:
            await self._listen()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, HOST, self.port, limit=LOT_BYTES)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection(writer, self._manner, self.late_s, self._rewrite)
        self._connections.add(connection)
        try:
            with contextlib.suppress(OSError):  # nobody listens on the far side
                await connection.carry(reader, self._upstream())
        finally:
            connection.close()
            self._connections.discard(connection)


class _Connection:
    """One client's connection and its twin to the other side."""

    def __init__(self, client: asyncio.StreamWriter, manner: Manner, late_s: float, rewrite: Rewrite | None) -> None:
        self._client = client
        self._other: asyncio.StreamWriter | None = None
        self._manner = manner
        self._late_s = late_s
        self._rewrite = rewrite
        self._ended = asyncio.Event()

    def become(self, manner: Manner) -> None:
        if self._manner is not Manner.HANGING:
            self._manner = manner

    def abort(self) -> None:
        self._ended.set()
        for writer in (self._client, self._other):
            if writer is not None:
                writer.transport.abort()

    def close(self) -> None:
        """Close what is still open, in good order unless it has been aborted."""
        for writer in (self._client, self._other):
            if writer is not None:
                writer.close()

    async def carry(self, reader: asyncio.StreamReader, port: int) -> None:
        """Carry bytes both ways until either side, or the manner, ends it."""
        answers, self._other = await asyncio.open_connection(HOST, port, limit=LOT_BYTES)
        ways = [
            asyncio.create_task(self._ask(reader, self._other)),
            asyncio.create_task(self._answer(answers, self._client)),
        ]
        try:
            await self._ended.wait()
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while lot := await reader.read(LOT_BYTES):
                if self._manner is not Manner.HANGING:
                    writer.write(lot)
                    await writer.drain()
            writer.write_eof()  # the answer may still be on its way
        except OSError:
            self._ended.set()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._answers(reader, writer)
        finally:
            self._ended.set()

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while lot := await self._one_answer(reader):
            if self._manner is Manner.LATE:
                await asyncio.sleep(self._late_s)
            match self._manner:
                case Manner.HANGING:
                    continue
                case Manner.CUT:
                    writer.write(lot[: (len(lot) + 1) // 2])
                    await writer.drain()
                    return
            writer.write(lot)
            await writer.drain()

    async def _one_answer(self, reader: asyncio.StreamReader) -> bytes:
        if self._rewrite is None:
            return await reader.read(LOT_BYTES)
        head = await reader.readexactly(_SIZE.size)
        return head + self._rewrite(await reader.readexactly(_SIZE.unpack(head)[0]))


def advertising(broker: Callable[[], int], link: Callable[[], int]) -> Rewrite:
    """Has a broker name the link's port as its own, wherever it tells clients whom to connect to.

    In Kafka's answers, of whatever version, a broker's port follows its host in four bytes.
    """

    def rewrite(answer: bytes) -> bytes:
        host = HOST.encode()
        return answer.replace(host + _SIZE.pack(broker()), host + _SIZE.pack(link()))

    return rewrite
