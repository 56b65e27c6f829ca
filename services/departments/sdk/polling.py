"""Pauses between polls for an answer of the department."""

import time
from collections.abc import Iterator

STEP_S = 0.01
"""Seconds of the first pause; each is longer than the one before by as much.

An early answer is found early, and a department that takes a second is polled 14 times, not 100.
"""


def pauses(wait_s: float) -> Iterator[float]:
    """Seconds to wait before each poll, until ``wait_s`` machine seconds have passed."""
    ends = time.monotonic() + wait_s
    pause = STEP_S
    while (left := ends - time.monotonic()) > 0:
        yield min(pause, left)
        pause += STEP_S
