"""The roll-out of new rules: every open case is recalculated by the version in force.

Batches apply the newest version from the moment it is in force (`documents.put`). Cases without a message of their own
are recalculated here, in the background, in bounded transactions. All replicas share in the work: the case numbers are
divided into lanes, and a transaction claims one lane at a time.
"""

from hashlib import blake2b
from typing import Generic, TypeVar
from uuid import UUID

from contracts.envelope import RulesChanged, envelop
from contracts.values import Value
from services.runtime import telemetry
from services.runtime.batch.message import InboundMessage
from services.runtime.batch.processor import BatchProcessor
from services.runtime.batch.result import BatchResult
from services.runtime.store import cases, documents
from services.runtime.store.cases import LoadedRows
from services.runtime.store.database import Driver, transaction

S = TypeVar("S", bound=Value)

log = telemetry.logger(__name__)


class Rollout(Generic[S]):
    """Recalculates the open cases of one service, at most ``limit`` cases a transaction."""

    def __init__(self, processor: BatchProcessor[S], limit: int) -> None:
        self._processor = processor
        self._limit = limit
        self._under_way = False
        """Whether open cases did not follow the rules in force yet when this process last looked."""

    async def run_once(self) -> bool:
        """Recalculate the next open cases. Returns whether there may be more to do at once."""
        processor, service = self._processor, self._processor.service
        if service.core_for is None:
            return False
        async with processor.exclusive() as driver:
            number, behind = await documents.stands(driver)
            if number != processor.rules_version:
                await processor.reload_rules(driver)
        if number == 0 and service.shipped_rules is not None:
            # A newer program may ship with other rules: it goes on with these until an operator applies others.
            async with transaction(processor.database) as connection:
                await documents.put(connection, service.shipped_rules(), "what onedoor came with", first=True)
            return True
        if self._under_way and not behind:
            log.info("every open case follows the rules in force", edition=number)
        self._under_way = behind
        return behind and await self._recalculate_stretch(number)

    async def _recalculate_stretch(self, number: int) -> bool:
        """Claim a lane and recalculate its next cases in one transaction. Returns whether there was a lane to claim."""
        processor, claimed = self._processor, False

        async def reduce(driver: Driver, outcome: BatchResult[S]) -> None:
            nonlocal claimed
            lane = await documents.claim(driver, number) if number == processor.rules_version else None
            claimed = lane is not None
            if lane is None:
                return
            last, count = await documents.stretch(driver, lane, self._limit)
            if last is not None:
                self._recalculate(await cases.load_open(driver, lane.reached, last), number, outcome)
            await documents.mark(driver, number, lane, last, count, len(outcome.changed), done=count < self._limit)

        await processor.commit(reduce, locking=True)
        return claimed

    def _recalculate(self, loaded: LoadedRows, number: int, outcome: BatchResult[S]) -> None:
        """Reduce `RulesChanged` into each case. A case in which nothing changes is not written."""
        processor = self._processor
        now = processor.clock.now()
        outcome.case_ids = list(loaded.rows)
        for case_id, row in loaded.rows.items():
            if case_id in loaded.blocked:
                continue  # it follows with its next message, since the parked ones may change all of it
            known = processor.decode(row)
            cause = UUID(bytes=blake2b(b"%b/edition %d" % (case_id.encode(), number), digest_size=16).digest())
            envelope = envelop(RulesChanged(), id=cause, source=processor.source, subject=case_id, time=now)
            taken = processor.reducer.reduce(case_id, known, [InboundMessage(envelope)], outcome)
            if taken and outcome.changed[-1].state is known.state:
                outcome.changed.pop()
