"""Ranks and pools, by examples and against sorting."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.monitor.core.board.ranks import Pool, Rank, pool_of, ranks

values = st.dictionaries(st.text(min_size=1), st.one_of(st.none(), st.integers(0, 5).map(float)))


@given(values, st.booleans())
def test_a_rank_is_one_more_than_those_that_are_better(of: dict[str, float | None], best_is_most: bool) -> None:
    found = ranks(of, best_is_most=best_is_most)
    known = {name: value for name, value in of.items() if value is not None}
    assert found.keys() == known.keys()
    for name, value in known.items():
        more = sum(other > value for other in known.values())
        less = sum(other < value for other in known.values())
        better, worse = (more, less) if best_is_most else (less, more)
        assert found[name] == Rank(better + 1, worse + 1, len(known))


def test_equal_values_share_a_rank() -> None:
    assert ranks({"a": 3.0, "b": 3.0, "c": 1.0, "d": None}, best_is_most=True) == {
        "a": Rank(1, 2, 3),
        "b": Rank(1, 2, 3),
        "c": Rank(3, 1, 3),
    }


@pytest.mark.parametrize(
    ("region", "pool"),
    [
        ("450000", Pool.PROVINCES),
        ("450900", Pool.CITIES),
        ("450902", Pool.DISTRICTS),
        ("450921", Pool.COUNTIES),
        ("450981", Pool.COUNTIES),  # a city by its name, a county by its rank
        ("450971", Pool.DISTRICTS),
        ("429004", Pool.COUNTIES),  # a city under the province itself
    ],
)
def test_the_code_tells_the_pool(region: str, pool: Pool) -> None:
    assert pool_of(region, {}) is pool


def test_the_longest_settled_code_counts() -> None:
    settled = {"45": Pool.COUNTIES, "450903": Pool.DISTRICTS}
    assert pool_of("450903", settled) is Pool.DISTRICTS
    assert pool_of("450900", settled) is Pool.COUNTIES
    assert pool_of("440305", settled) is Pool.DISTRICTS
