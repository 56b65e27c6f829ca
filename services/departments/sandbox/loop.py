"""The work loop of a sandbox."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import structlog

from services.runtime.store.database import DATABASE_ERRORS

INTERVAL_S = 0.02
"""Machine seconds between the beginnings of two rounds. A round costs the same for one application as for many."""

RETRY_S = 1.0
"""Seconds that a sandbox waits after a fault, which is usually of its database."""

log = structlog.get_logger(__name__)


@asynccontextmanager
async def working(
    work_once: Callable[[], Awaitable[bool]], poll_s: float, arrived: asyncio.Event
) -> AsyncIterator[None]:
    """Call ``work_once`` beside the body: every ``poll_s`` seconds, sooner while it returns True or on ``arrived``."""
    task = asyncio.create_task(_work(work_once, poll_s, arrived))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _work(work_once: Callable[[], Awaitable[bool]], poll_s: float, arrived: asyncio.Event) -> None:
    while True:
        started = time.monotonic()
        arrived.clear()
        try:
            busy = await work_once()
        except Exception as error:
            foreseen = isinstance(error, DATABASE_ERRORS)
            log.warning("the sandbox cannot work; trying again", error=type(error).__name__, exc_info=not foreseen)
            await asyncio.sleep(RETRY_S)
            continue
        if not busy:
            with suppress(TimeoutError):
                async with asyncio.timeout(poll_s):
                    await arrived.wait()
        elif (rest := started + min(poll_s, INTERVAL_S) - time.monotonic()) > 0:
            await asyncio.sleep(rest)
