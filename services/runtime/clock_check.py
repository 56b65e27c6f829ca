"""Checks whether the clocks by which data is deleted or signed for good, and deadlines are due, may be wrong by days.

Data that was deleted, or signed, by a wrong clock stays so when the clock is set right, and people have been notified
of deadlines that have not passed. So such work waits after a jump of the machine's clock, and while that clock differs
from the one of the database's server.
"""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from services.runtime.clock import Clock, SystemClock, machine_now

MOST_DIFFERENCE = timedelta(days=1)
"""Deadlines, retention times and the days of the journal lose their meaning by a clock that is wrong by more."""


class ClockInDoubt(Exception):
    """A clock may be wrong by days. The message says which, and what to do."""


def _since_boot() -> float:
    """Machine seconds since the machine was started, with those that it slept."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))  # the former only on Linux


class ClockCheck:
    """Compares the clocks. ``machine``: the machine's clock; ``elapsed``: seconds that no setting of it changes."""

    def __init__(
        self, machine: Callable[[], datetime] = machine_now, elapsed: Callable[[], float] = _since_boot
    ) -> None:
        self._machine = machine
        self._elapsed = elapsed
        self._booted_at = self._boot()

    def check(self, of_database: datetime | None = None) -> None:
        """Raise `ClockInDoubt` if the machine's clock has jumped ahead since this was made, or differs from that of the
        database's server, where it is given."""
        if (jump := self._boot() - self._booted_at) > MOST_DIFFERENCE:
            raise ClockInDoubt(
                f"the clock of this machine has jumped ahead by {jump.days} days, and this work waits: set it right, "
                "or restart the service if it is right now"
            )
        if of_database is not None and abs(of_database - self._machine()) > MOST_DIFFERENCE:
            raise ClockInDoubt(
                "the clocks of this machine and of the database's server differ by more than a day, and this work "
                "waits: set the wrong one right"
            )

    def _boot(self) -> datetime:
        """The moment at which the machine was started, by its clock. It moves when the clock is set."""
        return self._machine() - timedelta(seconds=self._elapsed())


def check_for(clock: Clock) -> ClockCheck | None:
    """The check of work that is due by this clock. None for a clock file, which the machine's clock does not move, and
    which jumps on purpose."""
    return ClockCheck() if isinstance(clock, SystemClock) else None
