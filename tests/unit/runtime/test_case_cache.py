"""What a process remembers."""

from contracts.values import Value
from services.runtime.batch.case_cache import CaseCache
from services.runtime.batch.reducer import LoadedCase
from services.runtime.store.cases import CaseRow


def known(case_id: str, version: int, weight: int) -> LoadedCase[Value]:
    return LoadedCase(CaseRow(case_id, version, "x" * weight, b""), Value())


def test_the_one_written_longest_ago_is_forgotten_when_there_is_too_much() -> None:
    memory: CaseCache[Value] = CaseCache(most=100)
    for case_id in "abc":
        memory.put(known(case_id, 1, 30))
    memory.put(known("a", 2, 30))
    memory.put(known("d", 1, 40))
    assert [memory.get(case_id) is not None for case_id in "abcd"] == [True, False, True, True]
    kept = memory.get("a")
    assert kept is not None and kept.row.version == 2


def test_one_that_weighs_more_than_all_is_not_remembered() -> None:
    memory: CaseCache[Value] = CaseCache(most=100)
    memory.put(known("a", 1, 30))
    memory.put(known("b", 1, 101))
    assert memory.get("a") is None and memory.get("b") is None
    memory.put(known("c", 1, 100))
    assert memory.get("c") is not None


def test_what_is_forgotten_weighs_nothing() -> None:
    memory: CaseCache[Value] = CaseCache(most=100)
    memory.put(known("a", 1, 100))
    memory.forget(["a", "never known"])
    memory.put(known("b", 1, 60))
    memory.put(known("b", 2, 100))
    assert memory.get("b") is not None and memory.get("a") is None


def test_what_was_before_a_row_is_known_if_nobody_came_between() -> None:
    memory: CaseCache[Value] = CaseCache()
    memory.put(known("a", 3, 10))
    before = memory.predecessor(known("a", 4, 10).row)
    assert before is not None and before.row.version == 3
    assert memory.predecessor(known("a", 5, 10).row) is None
    assert memory.predecessor(known("b", 4, 10).row) is None
