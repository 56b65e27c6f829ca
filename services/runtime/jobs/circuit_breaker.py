"""A circuit breaker: stop calling a system that keeps failing or asks to wait, and try it again after a while."""

from contracts.core import backoff


class CircuitBreaker:
    """Opens after ``failures`` failures in a row, for ``first_s`` machine seconds, or when the system asks to wait.

    Each failed trial doubles the wait, up to ``longest_s``. Times are machine time.
    """

    def __init__(self, failures: int = 5, first_s: float = 1.0, longest_s: float = 15.0) -> None:
        self._max_failures = failures
        self._longest_s = longest_s
        self._first_s = first_s
        self._failures = 0
        self._trials = 0
        self._open_until = 0.0
        self._held_until = 0.0

    def permits(self, wanted: int, now: float) -> int:
        """How many of the wanted calls may be made at ``now``: all, one as a trial, or none."""
        if not self.open:
            return wanted
        return 0 if now < self._open_until or self.held(now) else min(1, wanted)

    def succeeded(self, now: float) -> None:
        """Count a success: the breaker closes, unless the system has asked to wait."""
        if not self.held(now):
            self._failures = self._trials = 0

    def failed(self, now: float) -> None:
        """Count a failure."""
        self._failures += 1
        # Failures of calls that were under way when the breaker opened are no news.
        if self.open and now >= self._open_until:
            self._trials += 1
            self._open_until = now + backoff(self._trials, self._first_s, self._longest_s)

    def hold(self, now: float, seconds: float) -> None:
        """Open at once, for so long as the system asks to wait; then one call is tried."""
        self._failures = max(self._failures, self._max_failures)
        self._held_until = max(self._held_until, now + seconds)

    def held(self, now: float) -> bool:
        """Whether the system has asked to wait and the time is not over."""
        return now < self._held_until

    @property
    def open(self) -> bool:
        """Whether calls are held back."""
        return self._failures >= self._max_failures
