"""Checks single cases, and repeats the check until a fault is explained or stays."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from services.operator.audit.case_record import CaseRecord, case_records
from services.operator.audit.checks.case_checks import check_case
from services.operator.audit.checks.replay import replay
from services.operator.audit.invariants import Fault, Invariant, Moments
from services.operator.audit.report import Report
from services.operator.audit.targets import Connections, Targets

BATCH = 500
"""Cases that are read with one statement a table. A ledger may lack an index by case: then it is read whole."""

REPLAY_BATCH = 100
"""The same for a replay, which reads no ledger and makes a model of every message."""

MAX_PENDING = 20_000
"""Number of faulty cases that are checked again together. It bounds the memory of an audit that finds many."""

FIRST_PAUSE_S = 1.0
"""The databases are read one after another. A second later the others have caught up with one that was ahead."""
MAX_PAUSE_S = 8.0

RECHECKS = 2
"""A contradiction that stays the same in so many rechecks does not come from reading at different moments."""

MAX_QUERY_INTERVAL = timedelta(hours=1)
"""Machine time within which monitor repeats its query for a card."""


@dataclass(frozen=True, slots=True)
class Recheck:
    """Checks cases. A message not processed after ``lost_after_s`` machine seconds counts as lost.

    With ``replay``, their messages are replayed instead, without the ledgers.
    """

    tables: Connections
    targets: Targets
    moments: Moments
    report: Report
    lost_after_s: float
    replay: bool = False

    @property
    def _batch_size(self) -> int:
        return REPLAY_BATCH if self.replay else BATCH

    async def check(self, case_ids: AsyncIterator[str], on_progress: Callable[[int], None]) -> None:
        """Check these cases and report the faults that stay. ``on_progress`` gets the number of cases checked."""
        batch: list[str] = []
        pending: dict[str, set[Fault]] = {}
        checked = 0

        async def check_batch() -> None:
            nonlocal checked
            pending.update(await self._check_batch(batch, count=True))
            checked += len(batch)
            batch.clear()
            on_progress(checked)
            if len(pending) >= MAX_PENDING:
                await self._settle(pending)
                pending.clear()

        async for case_id in case_ids:
            batch.append(case_id)
            if len(batch) == self._batch_size:
                await check_batch()
        if batch:
            await check_batch()
        await self._settle(pending)

    async def _settle(self, pending: dict[str, set[Fault]]) -> None:
        """Check the faulty cases again, after growing pauses, until each fault has gone or has stayed long enough."""
        pending = dict(pending)
        found: dict[str, list[Fault]] = {}
        rechecks, pause, began = 0, FIRST_PAUSE_S, time.monotonic()
        while pending:
            await asyncio.sleep(pause)
            rechecks, pause = rechecks + 1, min(2 * pause, MAX_PAUSE_S)
            lost = time.monotonic() - began >= self.lost_after_s
            left: dict[str, set[Fault]] = {}
            ordered = sorted(pending)
            for first in range(0, len(ordered), self._batch_size):
                batch = ordered[first : first + self._batch_size]
                for case_id, faults in (await self._check_batch(batch)).items():
                    stayed = faults & pending[case_id]
                    if not stayed:
                        continue
                    firm = {fault for fault in stayed if (lost if fault.in_transit else rechecks >= RECHECKS)}
                    found.setdefault(case_id, []).extend(firm)
                    if stayed - firm:
                        left[case_id] = stayed - firm
            pending = left
        for case_id in sorted(found):
            if faults_of_case := found[case_id]:
                self.report.add(sorted(set(faults_of_case), key=lambda fault: (fault.invariant, fault.what)))

    async def _check_batch(self, case_ids: Sequence[str], *, count: bool = False) -> dict[str, set[Fault]]:
        """Check these cases once; the faulty ones with their faults. With ``count`` they count as examined."""
        now = self.targets.clock.now()
        soon = datetime.now(UTC) + MAX_QUERY_INTERVAL
        moments = Moments(now, soon, self.moments.kept_since, self.moments.closed_since)
        wrong = {}
        found = await case_records(
            self.tables, self.targets, case_ids, with_ledgers=not self.replay, with_rules=self.replay
        )
        for case_id, record in found.items():
            faults = self._replayed(record, moments, count) if self.replay else check_case(record, moments)
            if faults:
                wrong[case_id] = set(faults)
        if count and not self.replay:
            self.report.checked_singly += len(case_ids)
        return wrong

    def _replayed(self, record: CaseRecord, moments: Moments, count: bool) -> list[Fault]:
        examined, faults = replay(record, moments)
        if count:
            self.report.findings[Invariant.REPLAYED].examined += examined
        return faults
