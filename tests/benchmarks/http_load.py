"""A load of applications over HTTP from a cheap client, which prepares its bytes and reuses connections."""

import asyncio
import time
from collections.abc import Sequence
from random import Random

from tests.support.cases.simulated_case import application

CONNECTIONS = 96


def build_requests(count: int, seed: int = 11) -> list[bytes]:
    """So many applications for the measured bundle, as whole HTTP requests."""
    random = Random(seed)
    made = []
    for number in range(count):
        body = application(random)
        head = (
            "POST /api/intake/cases HTTP/1.1\r\nHost: intake\r\nContent-Type: application/json\r\n"
            f"Idempotency-Key: bench-{seed}-{number}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        made.append(head.encode() + body)
    return made


async def post_all(port: int, made: Sequence[bytes], connections: int = CONNECTIONS) -> float:
    """Post all requests, one after another on each connection; machine seconds. Raises `RuntimeError` unless 201."""
    waiting = iter(made)
    began = time.perf_counter()

    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            for request in waiting:
                writer.write(request)
                head = await reader.readuntil(b"\r\n\r\n")
                if not head.startswith(b"HTTP/1.1 201"):
                    raise RuntimeError(f"intake answered {head[:200]!r}")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                await reader.readexactly(length)
        finally:
            writer.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(connection())
    return time.perf_counter() - began
