"""Timers: any replica fires the timers and retries that are due."""

import asyncio

from services.runtime.batch.processor import BatchProcessor
from services.runtime.clock import FileClock, machine_now
from services.runtime.clock_check import ClockCheck, check_for

MAX_PAUSE_S = 1.0
"""Longest machine seconds between two checks of the table, to which another replica may have added."""

MIN_PAUSE_S = 0.01
"""Shortest machine seconds between two checks: another replica may have locked the due cases."""

CLOCK_CHECK_S = 0.02
"""Machine seconds between two checks of a clock file."""


class Timers:
    """Fires due timers in bounded transactions, at most ``limit`` cases each. ``clocks``: not the usual check."""

    def __init__(self, processor: BatchProcessor, limit: int, clocks: ClockCheck | None = None) -> None:  # type: ignore[type-arg]
        self._processor = processor
        self._limit = limit
        self._clocks = clocks or check_for(processor.clock)

    async def run_once(self) -> bool:
        """Fire due timers. Returns whether there may be more.

        Raises `services.runtime.clock_check.ClockInDoubt`: an alert cannot be taken back from the people who have it. A
        retry waits as well, since the core takes the present moment from it.
        """
        processor = self._processor
        return await processor.load_next_timers(self._clocks) and await processor.fire_timers(self._limit) > 0

    def pause(self) -> float:
        """Machine seconds until the next timer or retry is due, as far as this process knows."""
        clock, schedule = self._processor.clock, self._processor.schedule
        retry_s = (schedule.next_retry_at - machine_now()).total_seconds()
        return max(MIN_PAUSE_S, min(MAX_PAUSE_S, retry_s, clock.machine_seconds(schedule.next_timer_at)))


async def watch_clock(clock: FileClock, *signals: asyncio.Event) -> None:
    """Set the signals whenever the clock has been set."""
    generation = clock.generation
    while True:
        await asyncio.sleep(CLOCK_CHECK_S)
        if clock.generation != generation:
            generation = clock.generation
            for signal in signals:
                signal.set()
