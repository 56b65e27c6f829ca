"""Rates, means and changes, by examples and against exact fractions."""

from datetime import date
from fractions import Fraction
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.monitor.core.board.board import Group, Present, total
from services.monitor.core.board.figures import COUNTED, PRESENT, Counts, change, figures_of, rate, ratio
from services.monitor.core.board.periods import LINE, Period

counts = st.builds(Counts, **{name: st.integers(0, 10**6) for name in COUNTED})


@pytest.mark.parametrize(
    ("part", "of", "expected"),
    [
        (1, 3, 33.33),
        (2, 3, 66.67),
        (1, 1600, 0.06),  # 0.0625
        (1, 800, 0.13),  # exactly 0.125: halves go away from zero
        (3, 800, 0.38),  # exactly 0.375
        (-1, 800, -0.13),
        (0, 7, 0.0),
        (7, 7, 100.0),
        (0, 0, None),
        (5, 0, None),
    ],
)
def test_a_rate_has_two_decimals_and_needs_something_to_divide_by(part: int, of: int, expected: float | None) -> None:
    assert rate(part, of) == expected


@given(st.integers(-(10**12), 10**12), st.integers(1, 10**9), st.sampled_from((1, 100)))
def test_a_ratio_is_that_of_exact_fractions(part: int, of: int, scale: int) -> None:
    hundredths = floor(abs(Fraction(100 * scale * part, of)) + Fraction(1, 2))
    assert ratio(part, of, scale) == (hundredths if part >= 0 else -hundredths) / 100


@given(st.lists(counts, min_size=1, max_size=4))
def test_counts_of_all_parts_add_up(parts: list[Counts]) -> None:
    whole = Counts.total(parts)
    assert all(getattr(whole, name) == sum(getattr(part, name) for part in parts) for name in COUNTED)
    assert figures_of(whole, 1)["late"] == whole.closed - whole.on_time


def test_the_row_of_all_is_that_of_their_sums() -> None:
    one = Group(Counts(closed=3, on_time=3), Counts(closed=1), (Counts(closed=2),) * LINE, Present(1, 0, 1))
    other = Group(Counts(closed=1), Counts(closed=4), (Counts(closed=5, on_time=2),) * LINE, Present(2, 1, 0))
    row = total([one, other], Period(date(2026, 1, 1), date(2026, 1, 31), 1))
    assert (row.figures["on_time_rate"], row.change["closed"]) == (75.0, -1)
    assert {name: row.figures[name] for name in PRESENT} == {"open": 3, "due_today": 1, "overdue": 1}
    assert [one["closed"] for one in row.line] == [7] * LINE
    assert total([], Period(date(2026, 1, 1), date(2026, 1, 31), 1)).figures["closed"] == 0


def test_nothing_has_no_rate_and_no_mean() -> None:
    found = figures_of(Counts(received=3), 0)
    empty = {name for name, value in found.items() if value is None}
    assert empty == {
        *("on_time_rate", "early_rate", "same_day_rate", "acknowledged_in_time_rate"),
        *("mean_days", "mean_days_committed", "mean_days_statutory", "closed_per_month"),
    }
    assert not empty & set(PRESENT)


def test_figures_of_a_period() -> None:
    period = Counts(
        received=9,
        closed=8,
        on_time=7,
        early=5,
        same_day=1,
        days_used=21,
        days_committed=40,
        days_statutory=160,
        warnings=3,
        acknowledged_in_time=2,
        appeals=3,
        appeals_upheld=1,
        appeals_rejected=1,
    )
    found = figures_of(period, 3)
    assert found["on_time_rate"] == 87.5
    assert found["early_rate"] == 62.5
    assert found["same_day_rate"] == 12.5
    assert (found["mean_days"], found["mean_days_committed"], found["mean_days_statutory"]) == (2.63, 5.0, 20.0)
    assert (found["days_saved"], found["days_saved_statutory"]) == (19, 139)
    assert found["acknowledged_in_time_rate"] == 66.67
    assert found["appeals_undecided"] == 1
    assert found["closed_per_month"] == 2.67


@pytest.mark.parametrize(
    ("now", "before", "expected"),
    [(66.67, 33.33, 33.34), (0.1, 0.3, -0.2), (5, 8, -3), (None, 3, None), (3, None, None)],
)
def test_a_change_is_the_difference_of_what_is_shown(
    now: float | None, before: float | None, expected: float | None
) -> None:
    assert change(now, before) == expected
