"""Clients that harm a server: with endless bodies, slow, silent, or too many."""

import asyncio
import re
import resource
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

BLOCK = b"x" * 65536
FILES = 12_000


@dataclass(frozen=True, slots=True)
class ConnectionEnd:
    """The end of a connection: the HTTP status (0 without one), the bytes accepted, the duration in seconds."""

    status: int
    accepted_bytes: int
    seconds: float
    closed: bool = True


def head(method: str, path: str, *lines: str) -> bytes:
    """The head of a request."""
    return "\r\n".join((f"{method} {path} HTTP/1.1", "Host: localhost", *lines, "", "")).encode()


async def stream(
    port: int, begin: bytes, parts: Iterable[bytes], pause_s: float = 0.0, timeout_s: float = 60
) -> ConnectionEnd:
    """Send the beginning and then part after part until the server answers or closes, or all is sent."""
    began = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    reading = asyncio.create_task(_answer(reader))
    taken = 0
    try:
        async with asyncio.timeout(timeout_s):
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
            return ConnectionEnd(await reading, taken, time.monotonic() - began)
    except TimeoutError:
        return ConnectionEnd(0, taken, time.monotonic() - began, closed=False)
    finally:
        reading.cancel()
        writer.transport.abort()


async def never_reads(port: int, requests: bytes) -> float:
    """Send requests for ever and never read an answer. Returns the seconds from the last request that the server still
    took to the end of the connection."""
    last_progress = time.monotonic()
    _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
    try:
        with suppress(ConnectionError):
            while not writer.transport.is_closing():
                writer.write(requests)
                await writer.drain()  # blocks once the server reads no more
                last_progress = time.monotonic()
                await asyncio.sleep(0.001)
    finally:
        writer.transport.abort()
    return time.monotonic() - last_progress


async def pipelined(port: int, request: bytes, number: int) -> Counter[int]:
    """Send a request so many times without waiting, on one connection. Returns the statuses of the answers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request * number)
    writer.write(head("GET", "/", "Connection: close"))
    answers = await reader.read()
    writer.close()
    statuses = Counter(map(int, re.findall(rb"HTTP/1\.1 (\d+)", answers)))
    assert statuses.total() == number + 1, statuses
    statuses[404] -= 1  # the last one
    return statuses


async def _answer(reader: asyncio.StreamReader) -> int:
    """Read to the end of the connection. Returns the status of the first answer."""
    answer = b""
    with suppress(ConnectionError):
        while part := await reader.read(65536):
            answer = (answer + part)[:4096]
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


def plain_body(size: int) -> Iterable[bytes]:
    """A body of so many bytes."""
    return (BLOCK for _ in range(size // len(BLOCK)))


def chunked_body(size: int) -> Iterable[bytes]:
    """A body of so many bytes in chunks (RFC 9112, section 7.1), without the last chunk."""
    return (b"%x\r\n%b\r\n" % (len(BLOCK), BLOCK) for _ in range(size // len(BLOCK)))


def byte_by_byte(content: bytes) -> Iterable[bytes]:
    """The content in parts of one byte."""
    return (content[place : place + 1] for place in range(len(content)))


@asynccontextmanager
async def idle_connections(port: int, number: int) -> AsyncIterator[None]:
    """So many connections, open at the same time, that send nothing."""
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
