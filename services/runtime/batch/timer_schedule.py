"""When the next case is due: by a deadline of its own, or because it waits for an answer."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from services.runtime.clock import machine_now

NEVER = datetime.max.replace(tzinfo=UTC)

SUPPRESS_S = 30.0
"""Machine seconds without retries after our own messages were last held up. The answers are on their way by then."""

MAX_SUPPRESS_S = 600.0
"""Longest machine time without retries. The messages held up may belong to one partition only, and other cases wait for
other answers."""


class TimerSchedule:
    """The next moments at which a case of this database is due, as far as this process knows."""

    def __init__(self) -> None:
        self.next_timer_at = self.next_retry_at = NEVER
        """The next deadline, by the shared clock, and the next retry, in machine time."""
        self.changed = asyncio.Event()
        """Set when a batch has brought one of the two forward."""

    def forget(self) -> None:
        """Know of no moment. Batches that commit from now on bring their own."""
        self.next_timer_at = self.next_retry_at = NEVER

    def include(self, timer_at: datetime | None, retry_at: datetime | None) -> None:
        """Take these moments into account."""
        self.next_timer_at = min(self.next_timer_at, timer_at or NEVER)
        self.next_retry_at = min(self.next_retry_at, retry_at or NEVER)

    def bring_forward(self, timer_at: datetime, retry_at: datetime) -> None:
        """Take the moments of a committed batch into account, and signal if one is earlier than those known."""
        if timer_at < self.next_timer_at or retry_at < self.next_retry_at:
            self.include(timer_at, retry_at)
            self.changed.set()

    def delay_retries(self, seconds: float) -> None:
        """Let no retry be due for so many machine seconds."""
        self.next_retry_at = max(self.next_retry_at, machine_now() + timedelta(seconds=seconds))


class RetrySuppression:
    """Suppresses retries while the messages of this process are held up on their way to Kafka.

    A retry would only add to what is held up. Deadlines are not suppressed. ``now`` is a clock of machine seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._since = self._until = 0.0

    def extend(self) -> None:
        """Suppress retries for another `SUPPRESS_S`, but not for more than `MAX_SUPPRESS_S` in all."""
        now = self._now()
        if now > self._until:
            self._since = now
        if now < self._since + MAX_SUPPRESS_S:
            self._until = now + SUPPRESS_S

    @property
    def remaining_s(self) -> float:
        """Machine seconds until retries are due again; 0 if they are not suppressed."""
        return max(0.0, self._until - self._now())
