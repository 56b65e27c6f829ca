"""Looks at cases one by one, and again until a fault is explained or has stayed."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta

from services.operator.audit.case_checks import judge
from services.operator.audit.case_record import CaseRecord, case_records
from services.operator.audit.invariants import Fault, Grounds, Invariant
from services.operator.audit.replay import replay
from services.operator.audit.report import Report
from services.operator.audit.targets import Tables, Targets

LOT = 500
"""Cases that are read with one statement a table. Books may have no index by case: they are read through each time."""

LOT_FOLDED = 100
"""The same where messages are folded: without the books, and with models made of every message."""

PENDING = 20_000
"""Most cases whose faults are waited with at a time: what bounds the memory of an audit that finds much."""

FIRST_LOOK_AGAIN_S = 1.0
"""The databases are read one after another: by a second later whoever was ahead has been caught up with."""

LOOKS_AGAIN = 2
"""A contradiction that is still the same after so many more looks is no matter of reading at different moments."""

ASKED_AGAIN = timedelta(hours=1)
"""Machine time within which monitor asks again for a card, at the latest."""


class Recheck:
    """The looking. ``patience_s``: machine seconds after which what was said and not heard counts as lost."""

    def __init__(
        self, tables: Tables, places: Targets, grounds_since: Grounds, report: Report, patience_s: float
    ) -> None:
        self._tables = tables
        self._places = places
        self._since = grounds_since
        self._report = report
        self._patience_s = patience_s

    async def look(self, case_ids: AsyncIterator[str], say: Callable[[int], None], *, fold: bool = False) -> None:
        """Look at these cases; with ``fold``, fold their messages anew instead of judging what stands in the books."""
        lot: list[str] = []
        pending: dict[str, set[Fault]] = {}
        looked = 0

        async def take() -> None:
            nonlocal looked
            pending.update(await self._look(lot, fold, count=True))
            looked += len(lot)
            lot.clear()
            say(looked)
            if len(pending) >= PENDING:
                await self._settle(pending, fold)
                pending.clear()

        async for case_id in case_ids:
            lot.append(case_id)
            if len(lot) == (LOT_FOLDED if fold else LOT):
                await take()
        if lot:
            await take()
        await self._settle(pending, fold)

    async def _settle(self, pending: dict[str, set[Fault]], fold: bool) -> None:
        """Look again at what was wrong: sooner at first, until each fault has gone or has stayed long enough."""
        pending = dict(pending)
        found: dict[str, list[Fault]] = {}
        looks, pause, began = 0, FIRST_LOOK_AGAIN_S, time.monotonic()
        while pending:
            await asyncio.sleep(pause)
            looks, pause = looks + 1, min(2 * pause, 8.0)
            patient = time.monotonic() - began >= self._patience_s
            left: dict[str, set[Fault]] = {}
            ordered = sorted(pending)
            size = LOT_FOLDED if fold else LOT
            for first in range(0, len(ordered), size):
                lot = ordered[first : first + size]
                for case_id, faults in (await self._look(lot, fold)).items():
                    stayed = faults & pending[case_id]
                    if not stayed:
                        continue
                    firm = {fault for fault in stayed if (patient if fault.waits else looks >= LOOKS_AGAIN)}
                    found.setdefault(case_id, []).extend(firm)
                    if stayed - firm:
                        left[case_id] = stayed - firm
            pending = left
        for case_id in sorted(found):
            if faults_of_it := found[case_id]:
                self._report.add(sorted(set(faults_of_it), key=lambda fault: (fault.invariant, fault.what)))

    async def _look(self, case_ids: Sequence[str], fold: bool, *, count: bool = False) -> dict[str, set[Fault]]:
        """One look at these cases: those with whom something is wrong now, and what."""
        now = self._places.clock.now()
        soon = datetime.now(UTC) + ASKED_AGAIN
        grounds = Grounds(now, soon, self._since.kept_since, self._since.closed_since)
        wrong = {}
        found = await case_records(self._tables, self._places, case_ids, with_books=not fold, with_rules=fold)
        for case_id, dossier in found.items():
            faults = self._folded(dossier, grounds, count) if fold else judge(dossier, grounds)
            if faults:
                wrong[case_id] = set(faults)
        if not fold and count:
            self._report.looked_at += len(case_ids)
        return wrong

    def _folded(self, dossier: CaseRecord, grounds: Grounds, count: bool) -> list[Fault]:
        examined, faults = replay(dossier, grounds)
        if count:
            self._report.findings[Invariant.LEDGER].examined += examined
        return faults
