"""How crowded the machine is: for what share of the time somebody who could run has waited for a processor.

Linux counts it (pressure stall information, from kernel 4.20 on). Where nobody does, the machine is taken for crowded.
"""

import time
from pathlib import Path

PRESSURE = Path("/proc/pressure/cpu")
LOOK_S = 0.5
"""Machine time between two looks."""

MICROSECONDS = 1_000_000


class CpuPressure:
    """Looks now and then."""

    def __init__(self, pressure: Path = PRESSURE) -> None:
        self._pressure = pressure
        self._looked = time.monotonic()
        self._waited = self._total()
        self._share = 1.0 if self._waited is None else 0.0

    def share(self, now: float) -> float:
        """From 0, nobody waits, to 1, somebody always does; as of the last look. ``now`` is machine time."""
        if self._waited is not None and now >= self._looked + LOOK_S:
            total = self._total()
            if total is None:
                self._waited, self._share = None, 1.0
            else:
                self._share = min(1.0, (total - self._waited) / (MICROSECONDS * (now - self._looked)))
                self._waited, self._looked = total, now
        return self._share

    def _total(self) -> int | None:
        """Microseconds of waiting since the machine was started, None where nobody counts them."""
        try:
            first, _, _ = self._pressure.read_text().partition("\n")
            return int(first.rpartition("total=")[2])
        except (OSError, ValueError):
            return None
