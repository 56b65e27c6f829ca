"""What a process remembers."""

from contracts.values import Value
from services.runtime.batch.case_cache import Memory
from services.runtime.batch.reducer import Known
from services.runtime.store.cases import Row


def known(case_id: str, version: int, weight: int) -> Known[Value]:
    return Known(Row(case_id, version, "x" * weight, b""), Value())


def test_the_one_written_longest_ago_is_forgotten_when_there_is_too_much() -> None:
    memory: Memory[Value] = Memory(most=100)
    for case_id in "abc":
        memory.keep(known(case_id, 1, 30))
    memory.keep(known("a", 2, 30))
    memory.keep(known("d", 1, 40))
    assert [memory.get(case_id) is not None for case_id in "abcd"] == [True, False, True, True]
    kept = memory.get("a")
    assert kept is not None and kept.row.version == 2


def test_one_that_weighs_more_than_all_is_not_remembered() -> None:
    memory: Memory[Value] = Memory(most=100)
    memory.keep(known("a", 1, 30))
    memory.keep(known("b", 1, 101))
    assert memory.get("a") is None and memory.get("b") is None
    memory.keep(known("c", 1, 100))
    assert memory.get("c") is not None


def test_what_is_forgotten_weighs_nothing() -> None:
    memory: Memory[Value] = Memory(most=100)
    memory.keep(known("a", 1, 100))
    memory.forget(["a", "never known"])
    memory.keep(known("b", 1, 60))
    memory.keep(known("b", 2, 100))
    assert memory.get("b") is not None and memory.get("a") is None


def test_what_was_before_a_row_is_known_if_nobody_came_between() -> None:
    memory: Memory[Value] = Memory()
    memory.keep(known("a", 3, 10))
    before = memory.before(known("a", 4, 10).row)
    assert before is not None and before.row.version == 3
    assert memory.before(known("a", 5, 10).row) is None
    assert memory.before(known("b", 4, 10).row) is None
