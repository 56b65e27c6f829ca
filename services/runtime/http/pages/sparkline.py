"""Small lines of a figure over the last periods, as points of an SVG polyline. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

FEWEST = 3
"""With fewer points there is no line: two points show a direction that may be chance."""

WIDTH, HEIGHT = 88, 22

_MARGIN = 3.0


class Sparkline(NamedTuple):
    """A line. ``label`` says in words what it shows; ``low`` and ``high`` are the ends of its scale."""

    points: str
    last_x: str
    last_y: str
    low: float
    high: float
    label: str
    width: int = WIDTH
    height: int = HEIGHT


def sparkline(values: Sequence[float | None], low: float, high: float, label: str) -> Sparkline | None:
    """The line of these values, oldest first, on a scale from ``low`` to ``high``; None for fewer than three of them.

    A period without a value has no point: the line goes on to the next one. Values outside the scale lie on its edge.
    """
    found = [(number, value) for number, value in enumerate(values) if value is not None]
    if len(found) < FEWEST:
        return None
    step = (WIDTH - 2 * _MARGIN) / (len(values) - 1)
    span = (high - low) or 1.0
    points = [
        (
            f"{_MARGIN + number * step:.1f}",
            f"{HEIGHT - _MARGIN - (min(max(value, low), high) - low) / span * (HEIGHT - 2 * _MARGIN):.1f}",
        )
        for number, value in found
    ]
    last_x, last_y = points[-1]
    return Sparkline(" ".join(f"{x},{y}" for x, y in points), last_x, last_y, low, high, label)
