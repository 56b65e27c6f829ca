"""What a process remembers of the cases it wrote last, decoded."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Generic, TypeVar

from contracts.values import Value
from services.runtime.batch.reducer import LoadedCase
from services.runtime.store.cases import CaseRow

S = TypeVar("S", bound=Value)

MAX_BYTES = 2_000_000
"""How much is remembered, by the length of the states as they are stored: the cases of the last few seconds under
full load. Decoded they take four to six times as much."""


class CaseCache(Generic[S]):
    """Cases by their ids; the ones written longest ago are forgotten first."""

    def __init__(self, most: int = MAX_BYTES) -> None:
        self._most = most
        self._weight = 0
        self._cases: OrderedDict[str, LoadedCase[S]] = OrderedDict()

    def get(self, case_id: str) -> LoadedCase[S] | None:
        """The case as it was last written by this process, or None."""
        return self._cases.get(case_id)

    def predecessor(self, row: CaseRow) -> LoadedCase[S] | None:
        """The case as it was before this row was written, if that is what is remembered: nobody came between."""
        kept = self._cases.get(row.case_id)
        return kept if kept is not None and kept.row.version == row.version - 1 else None

    def put(self, known: LoadedCase[S]) -> None:
        """Remember this case as it was just written."""
        self.forget((known.row.case_id,))
        self._cases[known.row.case_id] = known
        self._weight += len(known.row.state)
        while self._weight > self._most:
            self.forget((next(iter(self._cases)),))

    def forget(self, case_ids: Iterable[str]) -> None:
        """Remember these no longer."""
        for case_id in case_ids:
            if (known := self._cases.pop(case_id, None)) is not None:
                self._weight -= len(known.row.state)
