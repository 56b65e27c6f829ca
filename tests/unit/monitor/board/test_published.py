"""Published figures of a prefecture come out to the last decimal."""

import pytest

from services.monitor.core.board.figures import rate

PRESENT = {
    "Yulin": (650, 499, 76.77),
    "Yuzhou": (358, 185, 51.68),
    "Beiliu": (369, 286, 77.51),
    "Rong": (634, 482, 76.03),
    "Luchuan": (609, 415, 68.14),
    "Bobai": (619, 250, 40.39),
    "Xingye": (272, 182, 66.91),
    "Fumian": (86, 34, 39.53),
}
"""Items that should be handled at the centre, those that are, and the published percentage (2009)."""


@pytest.mark.parametrize("place", PRESENT)
def test_the_share_of_items_present_is_the_published_one(place: str) -> None:
    due, present, published = PRESENT[place]
    assert rate(present, due) == published
