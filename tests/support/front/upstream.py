"""A server in the place of a service: it keeps every request as it came, and answers as a test has it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Asked:
    """A request as it came."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes = b""

    def all(self, name: str) -> list[str]:
        """The values of a header."""
        return [value for known, value in self.headers if known.lower() == name.lower()]

    def one(self, name: str) -> str | None:
        """The value of a header that is given once, or None."""
        values = self.all(name)
        assert len(values) < 2, values
        return values[0] if values else None

    @property
    def subject(self) -> str | None:
        """The token with which it came."""
        return (self.one("Authorization") or "").removeprefix("Bearer ") or None


Handler = Callable[[Asked, asyncio.StreamWriter], Awaitable[None]]


def answer(body: bytes = b"well", status: str = "200 OK", head: str = "") -> bytes:
    """A response."""
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{head}\r\n".encode() + body


async def well(_: Asked, writer: asyncio.StreamWriter) -> None:
    """Answer that all is well."""
    writer.write(answer())


@dataclass
class Upstream:
    """A running server. ``handler`` answers each request; ``ended`` counts connections that the other side closed."""

    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    handler: Handler = well
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    connections: int = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def latest(self) -> Asked:
        """The request that came last."""
        return self.asked[-1]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of a connection."""
        self.connections += 1
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                asked = await _request(reader)
                self.asked.append(asked)
                self.arrived.set()
                gone = asyncio.ensure_future(self._gone(reader, writer))
                await self.handler(asked, writer)
                gone.cancel()
                if writer.is_closing():
                    break
                await writer.drain()
        writer.close()

    async def _gone(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Notice that the other side has left while it waits for the answer."""
        with suppress(ConnectionError):
            await reader.read(1)  # nothing comes before the answer, except the end
        self.left.set()
        writer.close()


async def _request(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip("\r\n").split("\r\n")
    method, target, _ = first.split(" ")
    headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    asked = Asked(method, target, headers)
    if length := asked.one("Content-Length"):
        asked.body = await reader.readexactly(int(length))
    elif asked.one("Transfer-Encoding"):
        while size := int(await reader.readline(), 16):
            asked.body += await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
    return asked


@asynccontextmanager
async def upstream(handler: Handler = well) -> AsyncIterator[Upstream]:
    """A server that answers until the end."""
    running = Upstream(handler=handler)
    server = await asyncio.start_server(running.serve, "127.0.0.1", 0)
    running.port = server.sockets[0].getsockname()[1]
    try:
        yield running
    finally:
        server.close()
