"""A lot that is refused is divided until the bad part stands alone."""

import math
import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.departments.sdk.lots import NotDivided, put_lot


class Refused(Exception):
    pass


class Department:
    """Takes a lot as a whole, unless there is a bad part in it."""

    def __init__(self, *bad: int) -> None:
        self.bad = set(bad)
        self.taken: set[int] = set()
        self.puts = 0

    async def put(self, lot: Sequence[int]) -> None:
        self.puts += 1
        if self.bad & set(lot):
            raise Refused
        self.taken |= set(lot)

    async def given(self, parts: Sequence[int], until: float = math.inf) -> list[tuple[int, Exception]]:
        return await put_lot(parts, self.put, lambda error: isinstance(error, Refused), until)


@given(st.sets(st.integers(0, 99)), st.integers(0, 100))
async def test_all_good_parts_are_taken_and_all_bad_ones_found(bad: set[int], size: int) -> None:
    department = Department(*bad)
    refused = await department.given(range(size))
    assert [part for part, _ in refused] == sorted(part for part in bad if part < size)
    assert department.taken == set(range(size)) - bad


async def test_a_good_lot_is_put_once_and_one_bad_part_is_found_quickly() -> None:
    department = Department()
    assert await department.given(range(500)) == [] and department.puts == 1
    department = Department(321)
    assert [part for part, _ in await department.given(range(500))] == [321]
    assert department.puts <= 1 + 2 * math.log2(512)


async def test_when_the_time_is_over_the_rest_is_left_for_later() -> None:
    department = Department(3)
    refused = await department.given(range(10), until=time.monotonic() - 1)
    assert {type(error) for _, error in refused} == {NotDivided} and len(refused) == 10
    assert department.puts == 1


async def test_an_error_that_is_no_refusal_is_raised() -> None:
    async def put(_: Sequence[int]) -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await put_lot([1, 2], put, lambda error: isinstance(error, Refused), math.inf)
