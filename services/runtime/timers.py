"""Alarms: cases that asked to be looked at are woken when the clock gets there, by whichever replica is first."""

from sqlalchemy import text

from services.runtime.batch import Batches

_NEXT = text("SELECT min(wake_at) FROM cases WHERE wake_at IS NOT NULL")

IDLE_S = 1.0
"""Longest machine time between two looks at the alarms."""

SETTABLE_IDLE_S = 0.02
"""The same when the clock may be set or sped up."""


class Timers:
    """Wakes due cases in bounded transactions."""

    def __init__(self, batches: Batches, limit: int) -> None:  # type: ignore[type-arg]
        self._batches = batches
        self._limit = limit
        self._pause = IDLE_S

    async def run_once(self) -> bool:
        """Wake at most ``limit`` due cases; whether there may be more."""
        if await self._batches.wake(self._limit) == self._limit:
            return True
        self._pause = await self._until_next()
        return False

    def pause(self) -> float:
        """Machine seconds until the next alarm, as far as is known now."""
        return self._pause

    async def _until_next(self) -> float:
        clock = self._batches.clock
        idle = SETTABLE_IDLE_S if clock.settable else IDLE_S
        async with self._batches.database.connect() as connection:
            wake_at = await connection.scalar(_NEXT)
        return idle if wake_at is None else min(idle, max(0.0, clock.machine_seconds(wake_at)))
