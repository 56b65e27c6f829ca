"""The small lines."""

from hypothesis import given
from hypothesis import strategies as st

from services.runtime.http.pages.formats import change, count, decimals
from services.runtime.http.pages.sparkline import FEWEST, HEIGHT, WIDTH, sparkline

VALUES = st.lists(st.none() | st.floats(0, 100), min_size=2, max_size=24)


def test_a_line_ends_at_the_last_value() -> None:
    line = sparkline([0, 50, None, 100], 0, 100, "rising")
    assert line is not None
    assert line.points == "3.0,19.0 30.3,11.0 85.0,3.0"
    assert (line.last_x, line.last_y) == ("85.0", "3.0")


def test_two_points_are_no_line() -> None:
    assert sparkline([None, 1, None, 2], 0, 2, "") is None
    assert sparkline([], 0, 2, "") is None


@given(VALUES)
def test_all_points_lie_in_the_picture(values: list[float | None]) -> None:
    line = sparkline(values, 20, 80, "")
    known = [value for value in values if value is not None]
    assert (line is None) == (len(known) < FEWEST)
    if line is not None:
        points = [tuple(map(float, point.split(","))) for point in line.points.split()]
        assert len(points) == len(known)
        assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points)
        assert [x for x, _ in points] == sorted(x for x, _ in points)


def test_numbers_as_pages_write_them() -> None:
    assert (count(41496), count(0), count(None), count(-3)) == ("41,496", "0", "–", "−3")
    assert (decimals(98.9), decimals(None), decimals(1234.5)) == ("98.90", "–", "1,234.50")
    assert (change(0.21), change(-0.97), change(0.0), change(None)) == ("+0.21", "−0.97", "0.00", "–")
    assert change(3, whole=True) == "+3"
