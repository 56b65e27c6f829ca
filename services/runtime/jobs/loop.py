"""Background loops: run a job while it has something to do, then wait for a signal or a pause."""

import asyncio
from collections.abc import Awaitable, Callable

from contracts.core import backoff
from services.runtime import telemetry

FIRST_BACKOFF_S, LONGEST_BACKOFF_S = 0.2, 2.0
"""Machine seconds after the first failure of a job, and after any later one: an attempt costs little, and the end of an
outage should be noticed soon."""

log = telemetry.logger(__name__)


async def run_periodically(
    name: str,
    run_once: Callable[[], Awaitable[bool]],
    pause: Callable[[], float],
    signal: asyncio.Event | None = None,
) -> None:
    """Call ``run_once`` until cancelled.

    It returns whether there may be more to do at once. If not, the loop waits ``pause()`` seconds of machine time, or
    for ``signal``. A failure is logged and retried, with a longer wait each time.
    """
    failures = 0
    while True:
        if signal is not None:
            signal.clear()
        try:
            more = await run_once()
            failures = 0
        except Exception:
            failures += 1
            backoff_s = backoff(failures, FIRST_BACKOFF_S, LONGEST_BACKOFF_S)
            log.exception("loop failed; retrying", loop=name, failures=failures, backoff_s=backoff_s)
            await asyncio.sleep(backoff_s)
            continue
        if more:
            continue
        if signal is None:
            await asyncio.sleep(pause())
        else:
            try:
                async with asyncio.timeout(pause()):
                    await signal.wait()
            except TimeoutError:
                pass  # the pause is over
