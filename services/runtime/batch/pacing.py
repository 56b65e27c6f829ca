"""The interval between batches."""

import asyncio
import time

from services.runtime.batch.cpu_pressure import CpuPressure

FIRST_INTERVAL_S = 0.02
"""Machine seconds from one batch to the next while the size of the batch is not known yet."""

IDLE_INTERVAL_S, BUSY_INTERVAL_S, LONGEST_INTERVAL_S = 0.004, 0.03, 0.2
"""Shortest interval with idle CPU and with a busy CPU, and the longest interval; machine seconds."""

INTERVAL_FACTOR = 3e-8
"""After a batch of n messages the next one begins after the cube root of ``INTERVAL_FACTOR * n * n`` machine seconds at
the earliest.

Each batch costs a commit and a few round trips, at least a millisecond of CPU however small it is. At r messages a
second the interval settles at ``INTERVAL_FACTOR * r * r``: 60 ms at 1,400 messages a second, where many messages must
share the cost of a batch. At a low rate the last batch is long past and no message waits.
"""

IDLE_PRESSURE, BUSY_PRESSURE = 0.5, 0.7
"""Shares of CPU pressure between which the shortest interval rises from ``IDLE_INTERVAL_S`` to ``BUSY_INTERVAL_S``.

With idle CPU there is nothing to gain from batching: use the short interval. On a busy machine a dozen processes that
commit message by message spend their CPU on commits at a tenth of the load that they could carry.
"""


class BatchPacer:
    """Keeps the batches of one loop apart, so that messages gather under load. Without load nothing waits."""

    def __init__(self) -> None:
        self._began = 0.0
        self._next = 0.0
        self._pressure = CpuPressure()

    async def wait(self) -> None:
        """Wait until the next batch may begin. It begins now."""
        wait = self._next - time.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        self._began = time.monotonic()
        self._next = self._began + FIRST_INTERVAL_S

    def batch_done(self, messages: int) -> None:
        """Set the interval after a batch of so many messages."""
        busy = (self._pressure.share(self._began) - IDLE_PRESSURE) / (BUSY_PRESSURE - IDLE_PRESSURE)
        shortest = IDLE_INTERVAL_S + min(1.0, max(0.0, busy)) * (BUSY_INTERVAL_S - IDLE_INTERVAL_S)
        by_size = min(LONGEST_INTERVAL_S, (INTERVAL_FACTOR * messages * messages) ** (1 / 3))
        self._next = self._began + max(shortest, by_size)

    async def wait_for_more(self) -> None:
        """Wait for most of the interval, so that more records are at hand when the next batch begins."""
        now = time.monotonic()
        if now < self._next:
            await asyncio.sleep(0.7 * (self._next - now))
