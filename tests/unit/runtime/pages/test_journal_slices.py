"""The entries on the pages of the journal: each entry is on exactly one page, in order."""

from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.runtime.http.pages.audit.journal_view import JournalQuery, sliced
from services.runtime.http.pages.audit.record_view import RecordPageQuery


class Head(NamedTuple):
    number: int
    entries: int


@given(st.lists(st.integers(1, 12), max_size=8), st.integers(1, 10))
def test_each_entry_is_on_one_page(sizes: list[int], most: int) -> None:
    heads = [Head(number, size) for number, size in enumerate(sizes, 1)]
    seen: list[tuple[int, int]] = []
    block, entry, pages = 1, 1, 0
    while True:
        here: list[Any] = [head for head in heads if head.number >= block]
        parts, following = sliced(here, entry, most)
        shown = [(part.head.number, one) for part in parts for one in range(part.first, part.last + 1)]
        assert len(shown) <= most
        seen += shown
        pages += 1
        if following is None:
            break
        assert len(shown) == most, "only the last page is short"
        block, entry = following
    assert seen == [(head.number, one) for head in heads for one in range(1, head.entries + 1)]
    assert pages == max(1, -(-sum(sizes) // most))


@pytest.mark.parametrize("value", ["20260302", "0", "1e3", "yesterday", "2026-02-30"])
def test_a_day_is_written_as_a_day(value: str) -> None:
    for query in (JournalQuery, RecordPageQuery):
        with pytest.raises(ValidationError):
            query.model_validate({"verify": value})


def test_the_last_day_of_a_search_is_included() -> None:
    found = RecordPageQuery.model_validate({"since": "2026-03-02", "until": "2026-03-02"}).filter
    assert found.since is not None and found.until is not None
    assert found.since.isoformat() == "2026-03-02T00:00:00+08:00"
    assert found.until.isoformat() == "2026-03-03T00:00:00+08:00"
