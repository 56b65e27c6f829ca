"""A cache of the cases that this process wrote last, decoded."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Generic, TypeVar

from contracts.values import Value
from services.runtime.batch.result import LoadedCase
from services.runtime.store.cases import CaseRow

S = TypeVar("S", bound=Value)

MAX_BYTES = 2_000_000
"""Size of the cache, by the length of the states as they are stored: the cases of the last few seconds under full load.
Decoded they take four to six times as much memory."""


class CaseCache(Generic[S]):
    """Cases by id. The cases written longest ago are evicted first."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._cases: OrderedDict[str, LoadedCase[S]] = OrderedDict()

    def get(self, case_id: str) -> LoadedCase[S] | None:
        """The case as this process last wrote it, or None."""
        return self._cases.get(case_id)

    def predecessor(self, row: CaseRow) -> LoadedCase[S] | None:
        """The cached case if it is the version before this row, so that no other process has written in between."""
        cached = self._cases.get(row.case_id)
        return cached if cached is not None and cached.row.version == row.version - 1 else None

    def put(self, case: LoadedCase[S]) -> None:
        """Cache the case as it was just written."""
        self.forget((case.row.case_id,))
        self._cases[case.row.case_id] = case
        self._bytes += len(case.row.state)
        while self._bytes > self._max_bytes:
            self.forget((next(iter(self._cases)),))

    def forget(self, case_ids: Iterable[str]) -> None:
        """Remove these cases from the cache."""
        for case_id in case_ids:
            if (cached := self._cases.pop(case_id, None)) is not None:
                self._bytes -= len(cached.row.state)
