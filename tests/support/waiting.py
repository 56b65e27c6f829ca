"""The one way in which tests wait for a condition that no signal announces."""

import asyncio
from collections.abc import Awaitable, Callable

LONGEST_POLL_S = 0.3
"""Seconds between two polls of a long wait: each may be a request or a connection to a database."""


async def eventually(
    condition: Callable[[], Awaitable[object]], seconds: float = 20.0, what: str = "", poll_s: float = 0.05
) -> None:
    """Poll until the condition holds, ever more slowly.

    Raises `TimeoutError` after so many seconds, with ``what`` was awaited or else the name of the condition.
    """
    loop = asyncio.get_running_loop()
    deadline, pause_s = loop.time() + seconds, poll_s
    while not await condition():
        if loop.time() > deadline:
            raise TimeoutError(f"still not so after {seconds:g} s: {what or getattr(condition, '__name__', condition)}")
        await asyncio.sleep(pause_s)
        pause_s = max(poll_s, min(1.2 * pause_s, LONGEST_POLL_S))
