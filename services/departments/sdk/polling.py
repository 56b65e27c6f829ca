"""How long to wait between two looks whether the department has answered."""

import time
from collections.abc import Iterator

FIRST_LOOK_S = 0.01
"""Seconds until the first look, and by how much each wait is longer than the one before.

What comes soon is found soon; and a department that takes a second is looked at fourteen times, not a hundred.
"""


def pauses(wait_s: float) -> Iterator[float]:
    """Seconds to wait before each look: short ones first, until ``wait_s`` machine seconds have passed."""
    ends = time.monotonic() + wait_s
    pause = FIRST_LOOK_S
    while (left := ends - time.monotonic()) > 0:
        yield min(pause, left)
        pause += FIRST_LOOK_S
