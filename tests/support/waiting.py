"""The one way in which tests wait for a condition that no signal announces."""

import asyncio
from collections.abc import Awaitable, Callable


async def eventually(
    condition: Callable[[], Awaitable[object]], seconds: float = 20.0, what: str = "", poll_s: float = 0.05
) -> None:
    """Poll until the condition holds.

    Raises `TimeoutError` after so many seconds, with ``what`` was awaited or else the name of the condition.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not await condition():
        if loop.time() > deadline:
            raise TimeoutError(f"still not so after {seconds:g} s: {what or getattr(condition, '__name__', condition)}")
        await asyncio.sleep(poll_s)
