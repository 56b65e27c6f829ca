"""CPU pressure: the share of time in which a runnable task waited for a processor.

Linux counts it (pressure stall information, since kernel 4.20). Where it is not counted, the pressure is taken as full.
"""

import time
from pathlib import Path

PRESSURE_FILE = Path("/proc/pressure/cpu")

INTERVAL_S = 0.5
"""Machine seconds between two readings."""

MICROSECONDS = 1_000_000


class CpuPressure:
    """Reads the pressure at most once per interval."""

    def __init__(self, file: Path = PRESSURE_FILE) -> None:
        self._file = file
        self._read_at = time.monotonic()
        self._waited = self._total()
        self._share = 1.0 if self._waited is None else 0.0

    def share(self, now: float) -> float:
        """The pressure as of the last reading, from 0, no task waits, to 1. ``now`` is machine time."""
        if self._waited is not None and now >= self._read_at + INTERVAL_S:
            total = self._total()
            if total is None:
                self._waited, self._share = None, 1.0
            else:
                self._share = min(1.0, (total - self._waited) / (MICROSECONDS * (now - self._read_at)))
                self._waited, self._read_at = total, now
        return self._share

    def _total(self) -> int | None:
        """Microseconds of waiting since the machine was started; None where it is not counted."""
        try:
            first, _, _ = self._file.read_text().partition("\n")
            return int(first.rpartition("total=")[2])
        except (OSError, ValueError):
            return None
