"""How far batches are kept apart."""

import asyncio
import time

from services.runtime.batch.cpu_pressure import CpuPressure

PACE_S = 0.02
"""Machine time from one batch to the next where nothing is known of their size."""


SHORTEST_PACE_S, CROWDED_PACE_S, LONGEST_PACE_S = 0.004, 0.03, 0.2


GATHERING = 3e-8
"""How the pace follows the size of a batch: one of n messages is followed by the next after the cube root of
GATHERING * n * n, in machine seconds, at the least.

Each batch costs a commit and a few round trips, however small it is: a millisecond and more of the processor. At r
messages a second the pace so comes to GATHERING * r * r, 60 ms at 1,400 a second, when the price of a batch has to be
shared by many. When little is going on, the last batch is long past and nobody waits.
"""


ROOMY, CROWDED = 0.5, 0.7
"""The shortest pace follows how crowded the machine is: SHORTEST_PACE_S where somebody waits for a processor for less
than half of the time, CROWDED_PACE_S where it is more than seven tenths, and in between what lies between.

A dozen processes that handle messages one by one are busy with commits at a tenth of what they could carry, and then
everybody waits. Who finds a processor free whenever he wants one need not keep others waiting for him.
"""


class BatchPacer:
    """Keeps batches of one kind apart, so that the next one gathers. When little is going on, nobody waits."""

    def __init__(self) -> None:
        self._began = 0.0
        self._next = 0.0
        self._crowd = CpuPressure()

    async def wait(self) -> None:
        """Wait until the next batch may begin; it begins now."""
        wait = self._next - time.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        self._began = time.monotonic()
        self._next = self._began + PACE_S

    def handled(self, messages: int) -> None:
        """The batch is done: the more it held, the more the next one gathers."""
        crowded = (self._crowd.share(self._began) - ROOMY) / (CROWDED - ROOMY)
        shortest = SHORTEST_PACE_S + min(1.0, max(0.0, crowded)) * (CROWDED_PACE_S - SHORTEST_PACE_S)
        gathering = min(LONGEST_PACE_S, (GATHERING * messages * messages) ** (1 / 3))
        self._next = self._began + max(shortest, gathering)

    async def rest(self) -> None:
        """Wait for most of the time until the next batch, for whoever wants to bring what has gathered into it."""
        now = time.monotonic()
        if now < self._next:
            await asyncio.sleep(0.7 * (self._next - now))
