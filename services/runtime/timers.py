"""Alarms: cases that asked to be looked at are woken when the clock gets there, by whichever replica is first."""

import asyncio
from datetime import UTC, datetime

from sqlalchemy import text

from services.runtime.batch import Batches
from services.runtime.clock import FileClock

_NEXT_WAKE = text("SELECT min(wake_at) FROM cases WHERE wake_at IS NOT NULL")

IDLE_S = 1.0
"""Longest machine time between two looks at the table: another replica may have left something there."""

WATCH_S = 0.02
"""Machine time between two looks at a settable clock."""

NEVER = datetime.max.replace(tzinfo=UTC)


class Timers:
    """Wakes due cases in bounded transactions."""

    def __init__(self, batches: Batches, limit: int) -> None:  # type: ignore[type-arg]
        self._batches = batches
        self._limit = limit

    async def run_once(self) -> bool:
        """Wake at most ``limit`` due cases; whether there may be more."""
        batches = self._batches
        if await batches.wake(self._limit) == self._limit:
            return True
        batches.next_wake = NEVER  # batches that commit meanwhile make it sooner
        async with batches.database.connect() as connection:
            found = await connection.scalar(_NEXT_WAKE)
        batches.next_wake = min(batches.next_wake, found or NEVER)
        return False

    def pause(self) -> float:
        """Machine seconds until the next alarm, as far as is known now."""
        return min(IDLE_S, max(0.0, self._batches.clock.machine_seconds(self._batches.next_wake)))


async def watch(clock: FileClock, *signals: asyncio.Event) -> None:
    """Give the signals whenever the clock has been set."""
    generation = clock.generation
    while True:
        await asyncio.sleep(WATCH_S)
        if clock.generation != generation:
            generation = clock.generation
            for signal in signals:
                signal.set()
