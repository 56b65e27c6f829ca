"""Clients as no server wants them: endless, slow, silent, many."""

import asyncio
import resource
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

BLOCK = b"x" * 65536
FILES = 12_000


@dataclass(frozen=True, slots=True)
class Ended:
    """How a connection ended: the status the server gave, 0 for none; what it took; how long it bore with us."""

    status: int
    taken_bytes: int
    seconds: float
    closed: bool = True


def head(method: str, path: str, *lines: str) -> bytes:
    """The head of a request."""
    return "\r\n".join((f"{method} {path} HTTP/1.1", "Host: localhost", *lines, "", "")).encode()


async def stream(
    port: int, begin: bytes, parts: Iterable[bytes], pause_s: float = 0.0, patience_s: float = 60
) -> Ended:
    """Send the beginning and then part after part until the server has had enough, or all is sent."""
    began = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    reading = asyncio.create_task(_answer(reader))
    taken = 0
    try:
        async with asyncio.timeout(patience_s):
            with suppress(ConnectionError):
                writer.write(begin)
                for part in parts:
                    if reading.done():
                        break
                    writer.write(part)
                    await writer.drain()
                    taken += len(part)
                    if pause_s:
                        await asyncio.wait([reading], timeout=pause_s)
            return Ended(await reading, taken, time.monotonic() - began)
    except TimeoutError:
        return Ended(0, taken, time.monotonic() - began, closed=False)
    finally:
        reading.cancel()
        writer.transport.abort()


async def unread(port: int, questions: bytes) -> float:
    """Ask the same for ever and never look at an answer; the seconds until the server has had enough."""
    began = time.monotonic()
    _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
    try:
        with suppress(ConnectionError):
            while not writer.transport.is_closing():
                writer.write(questions)
                await writer.drain()  # for ever, once the server reads no more
                await asyncio.sleep(0.001)
    finally:
        writer.transport.abort()
    return time.monotonic() - began


async def _answer(reader: asyncio.StreamReader) -> int:
    """Read to the end of the connection; the status of the first answer."""
    said = b""
    with suppress(ConnectionError):
        while part := await reader.read(65536):
            said = (said + part)[:4096]
    return int(said.split(b" ", 2)[1]) if said.startswith(b"HTTP/1.1 ") else 0


def plain(size: int) -> Iterable[bytes]:
    """A body of so many bytes."""
    return (BLOCK for _ in range(size // len(BLOCK)))


def chunked(size: int) -> Iterable[bytes]:
    """The same in chunks (RFC 9112, section 7.1), without its end."""
    return (b"%x\r\n%b\r\n" % (len(BLOCK), BLOCK) for _ in range(size // len(BLOCK)))


def byte_by_byte(content: bytes) -> Iterable[bytes]:
    """As slowly as can be."""
    return (content[place : place + 1] for place in range(len(content)))


@asynccontextmanager
async def held(port: int, number: int) -> AsyncIterator[None]:
    """So many connections, open at once, none of which says a word."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(FILES, hard)), hard))
    writers: list[asyncio.StreamWriter] = []
    gate = asyncio.Semaphore(200)

    async def one() -> None:
        async with gate:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writers.append(writer)

    try:
        await asyncio.gather(*(one() for _ in range(number)))
        yield
    finally:
        for writer in writers:
            writer.transport.abort()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
