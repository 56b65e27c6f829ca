"""The roll-out of a new version of the rules: every open case is recalculated by it.

Batches apply the newest version from the moment it is in force (`documents.put`). Cases without a message of their own
are recalculated here, in the background, in bounded transactions, and all replicas share in the work (`rollouts`).

The roll-out yields to the load: while messages arrive its transactions are small, and it pauses nineteen times as
long after each of them. In an idle service it runs at full speed.
"""

import time
from collections.abc import Callable
from hashlib import blake2b
from typing import Generic, TypeVar
from uuid import UUID

from contracts.envelope import RulesChanged, envelop
from contracts.values import Value
from services.runtime import telemetry
from services.runtime.batch.message import InboundMessage
from services.runtime.batch.processor import BatchProcessor
from services.runtime.batch.result import BatchResult
from services.runtime.clock_check import ClockCheck, check_for
from services.runtime.store import cases, rollouts
from services.runtime.store.cases import LoadedRows
from services.runtime.store.database import Driver

S = TypeVar("S", bound=Value)

CHECK_S = 1.0
"""Machine seconds between two checks for a new version of the rules."""

CASES_PER_TRANSACTION = 1000
"""Cases of one transaction in an idle service. Messages that arrive meanwhile wait for it."""

BUSY_CASES_PER_TRANSACTION = 100
"""Cases of one transaction while messages arrive."""

BUSY_PAUSE = 19.0
"""Pause after a transaction while messages arrive, in durations of the transaction: it takes 5% of the time."""

log = telemetry.logger(__name__)


class Rollout(Generic[S]):
    """Recalculates the open cases of one service.

    ``busy``: whether messages arrive. ``clocks``: instead of the usual check.
    """

    def __init__(
        self,
        processor: BatchProcessor[S],
        busy: Callable[[], bool] = lambda: False,
        cases_per_transaction: int = CASES_PER_TRANSACTION,
        clocks: ClockCheck | None = None,
    ) -> None:
        self._processor = processor
        self._busy = busy
        self._cases_per_transaction = cases_per_transaction
        self._clocks = clocks or check_for(processor.clock)
        self._pause_s = CHECK_S
        self._under_way = False
        """Whether open cases did not follow the rules in force yet at the last check of this process."""

    def pause(self) -> float:
        """Machine seconds to wait after `run_once` has returned False."""
        return self._pause_s

    async def run_once(self) -> bool:
        """Recalculate the next open cases. Returns whether there may be more to do at once.

        Raises `services.runtime.clock_check.ClockInDoubt`: a recalculated case acts on the deadlines that are due.
        """
        processor, document = self._processor, self._processor.service.rules
        self._pause_s = CHECK_S
        if document is None:
            return False
        async with processor.exclusive() as driver:
            if processor.rules_version is None:
                await processor.reload_rules(driver)
            number, behind = await rollouts.state(driver, document.kind)
            if number != processor.rules_version:
                await processor.reload_rules(driver)
        if self._under_way and not behind:
            log.info("every open case follows the rules in force", rules_version=number)
        self._under_way = behind
        if not behind:
            return False
        if self._clocks is not None:
            self._clocks.check()
        busy = self._busy()
        limit = min(self._cases_per_transaction, BUSY_CASES_PER_TRANSACTION) if busy else self._cases_per_transaction
        more, took_s = await self._recalculate(document.kind, number, limit)
        if busy and more:
            self._pause_s = BUSY_PAUSE * took_s
            return False
        return more

    async def _recalculate(self, kind: str, number: int, limit: int) -> tuple[bool, float]:
        """Claim a lane and recalculate its next cases in one transaction.

        Returns whether there was a lane to claim, and the machine seconds from the claim to the commit.
        """
        processor, claimed, began = self._processor, False, time.monotonic()

        async def reduce(driver: Driver, result: BatchResult[S]) -> None:
            nonlocal claimed, began
            began = time.monotonic()
            lane = await rollouts.claim(driver, kind, number) if number == processor.rules_version else None
            claimed = lane is not None
            if lane is None:
                return
            loaded, last = await cases.load_open(driver, lane.reached, lane.until, limit)
            self._reduce(loaded, number, result)
            count = len(loaded.rows)
            await rollouts.advance(driver, kind, number, lane, last, count, len(result.changed), done=count < limit)

        await processor.commit(reduce, locking=True)
        return claimed, time.monotonic() - began

    def _reduce(self, loaded: LoadedRows, number: int, result: BatchResult[S]) -> None:
        """Reduce `RulesChanged` into each case. A case in which nothing changes is not written."""
        processor = self._processor
        now = processor.clock.now()
        result.case_ids = list(loaded.rows)
        for case_id, row in sorted(loaded.rows.items()):  # the order that `cases.save` requires
            if case_id in loaded.blocked:
                continue  # it follows with its next message, since the parked ones may change all of it
            try:
                known = processor.decode(row)
            except ValueError:
                log.exception("the state of a case cannot be read, so that it keeps its deadlines", case_id=case_id)
                continue
            cause = UUID(bytes=blake2b(b"%b/rules %d" % (case_id.encode(), number), digest_size=16).digest())
            envelope = envelop(RulesChanged(), id=cause, source=processor.service.source, subject=case_id, time=now)
            taken = processor.reducer.reduce(case_id, known, [InboundMessage(envelope)], result)
            if taken and result.changed[-1].state is known.state:
                result.changed.pop()
