"""Background loops: do it while there is something to do, then wait for a signal or a while."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from services.runtime import telemetry

LONGEST_BACKOFF_S = 30.0

PACE_S = 0.02
"""Machine time from one batch to the next, at the least.

Each batch costs a commit and several round trips, however small it is. When much is going on, whoever has just
handled a batch lets the next one gather for the rest of this time; when little is, nobody waits.
"""

log = telemetry.logger(__name__)


class Pace:
    """Keeps batches of one kind apart: by ``PACE_S``, or by as long as the last one took if that is more."""

    def __init__(self) -> None:
        self._last = 0.0

    async def keep(self, took_s: float = 0.0) -> None:
        """Wait until the next batch may begin. ``took_s``: machine seconds that the last one took."""
        now = time.monotonic()
        wait = self._last + max(PACE_S, 2 * took_s) - now
        if wait > 0:
            await asyncio.sleep(wait)
        self._last = time.monotonic()


async def forever(
    name: str,
    run_once: Callable[[], Awaitable[bool]],
    pause: Callable[[], float],
    signal: asyncio.Event | None = None,
) -> None:
    """Call ``run_once`` until cancelled.

    It says whether there may be more to do at once; if not, the loop waits ``pause()`` seconds of machine time,
    or for ``signal``. A failure is logged and tried again, more slowly each time.
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
            backoff = min(LONGEST_BACKOFF_S, 0.1 * 2**failures)
            log.exception("loop failed; trying again", loop=name, failures=failures, backoff_s=backoff)
            await asyncio.sleep(backoff)
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
                pass  # nothing was signalled; time to look again
