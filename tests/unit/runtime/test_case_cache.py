"""The cache of cases: size, eviction and versions."""

from contracts.values import Value
from services.runtime.batch.case_cache import CaseCache
from services.runtime.batch.result import LoadedCase
from services.runtime.store.cases import CaseRow


def loaded(case_id: str, version: int, size: int) -> LoadedCase[Value]:
    return LoadedCase(CaseRow(case_id, version, "x" * size, b""), Value())


def test_the_case_written_longest_ago_is_evicted_first() -> None:
    cache: CaseCache[Value] = CaseCache(max_bytes=100)
    for case_id in "abc":
        cache.put(loaded(case_id, 1, 30))
    cache.put(loaded("a", 2, 30))
    cache.put(loaded("d", 1, 40))
    assert [cache.get(case_id) is not None for case_id in "abcd"] == [True, False, True, True]
    cached = cache.get("a")
    assert cached is not None and cached.row.version == 2


def test_a_case_larger_than_the_cache_is_not_cached() -> None:
    cache: CaseCache[Value] = CaseCache(max_bytes=100)
    cache.put(loaded("a", 1, 30))
    cache.put(loaded("b", 1, 101))
    assert cache.get("a") is None and cache.get("b") is None
    cache.put(loaded("c", 1, 100))
    assert cache.get("c") is not None


def test_a_forgotten_case_takes_no_space() -> None:
    cache: CaseCache[Value] = CaseCache(max_bytes=100)
    cache.put(loaded("a", 1, 100))
    cache.forget(["a", "never cached"])
    cache.put(loaded("b", 1, 60))
    cache.put(loaded("b", 2, 100))
    assert cache.get("b") is not None and cache.get("a") is None


def test_the_predecessor_of_a_row_is_the_version_before_it() -> None:
    cache: CaseCache[Value] = CaseCache()
    cache.put(loaded("a", 3, 10))
    before = cache.predecessor(loaded("a", 4, 10).row)
    assert before is not None and before.row.version == 3
    assert cache.predecessor(loaded("a", 5, 10).row) is None
    assert cache.predecessor(loaded("b", 4, 10).row) is None
