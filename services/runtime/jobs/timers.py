"""Alarms: cases that asked to be looked at are woken when the clock gets there, by whichever replica is first."""

import asyncio

from services.runtime.batch.processor import BatchProcessor
from services.runtime.clock import FileClock, machine_now

IDLE_S = 1.0
"""Longest machine time between two looks at the table: another replica may have left something there."""

SOON_S = 0.01
"""Shortest machine time between two looks: what is due may be in the hands of another replica."""

WATCH_S = 0.02
"""Machine time between two looks at a settable clock."""


class Timers:
    """Wakes due cases in bounded transactions."""

    def __init__(self, batches: BatchProcessor, limit: int) -> None:  # type: ignore[type-arg]
        self._batches = batches
        self._limit = limit

    async def run_once(self) -> bool:
        """Wake at most ``limit`` due cases; whether there may be more."""
        return await self._batches.load_next_timers() and await self._batches.fire_timers(self._limit) > 0

    def pause(self) -> float:
        """Machine seconds until the next alarm, as far as is known now."""
        batches = self._batches
        waits_s = (batches.next_retry_at - machine_now()).total_seconds()
        return max(SOON_S, min(IDLE_S, waits_s, batches.clock.machine_seconds(batches.next_timer_at)))


async def watch_clock(clock: FileClock, *signals: asyncio.Event) -> None:
    """Give the signals whenever the clock has been set."""
    generation = clock.generation
    while True:
        await asyncio.sleep(WATCH_S)
        if clock.generation != generation:
            generation = clock.generation
            for signal in signals:
                signal.set()
