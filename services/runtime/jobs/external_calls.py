"""Calls to the outside world: under a lease, outside any transaction, a bounded number at a time.

When a case's open question is due stands in its row. Claiming it moves that time to the end of a lease; if the
process dies, the lease ends and any replica puts the question again, which the other side must bear. A new question is
claimed in the commit that opens it, as long as there is room. After several failures in a row the breaker opens:
nothing is claimed for a while, then one question is put to try.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Generic, TypeVar
from uuid import uuid4

from sqlalchemy import text

from contracts.core import InvalidMessage
from contracts.envelope import Message, envelop
from contracts.values import Value
from services.runtime import telemetry
from services.runtime.batch.processor import BatchProcessor
from services.runtime.batch.queue import BatchQueue
from services.runtime.batch.reducer import InboundMessage
from services.runtime.clock import Clock, machine_now
from services.runtime.external_system import (
    ExternalCall,
    ExternalSystem,
    InvalidNotification,
    Notification,
    UnparseableReply,
)
from services.runtime.service import Service
from services.runtime.store.database import TRANSACTION_S, transaction
from services.runtime.store.dead_letters import make_dead_letter

S = TypeVar("S", bound=Value)

POLL_LOCK = 0x0D00B
"""Advisory lock under which one replica at a time listens."""

LOOK_S = 0.5
"""Machine seconds between two looks whether a planned question is due. New questions and answers signal it sooner."""

log = telemetry.logger(__name__)


class CircuitBreaker:
    """Opens after ``failures`` failures in a row, for ``first_s`` seconds; each trial that fails doubles the wait."""

    def __init__(self, failures: int = 5, first_s: float = 1.0, longest_s: float = 15.0) -> None:
        self._allowed = failures
        self._longest_s = longest_s
        self._first_s = first_s
        self._failures = 0
        self._trials = 0
        self._open_until = 0.0

    def permits(self, wanted: int, now: float) -> int:
        """How many of the wanted calls may be made at machine time ``now``: all, one to try, or none."""
        if not self.open:
            return wanted
        return 0 if now < self._open_until else min(1, wanted)

    def succeeded(self) -> None:
        self._failures = self._trials = 0

    def failed(self, now: float) -> None:
        self._failures += 1
        # Calls that were under way when it opened fail too; they say nothing new.
        if self.open and now >= self._open_until:
            self._open_until = now + min(self._longest_s, self._first_s * 2 ** min(self._trials, 16))
            self._trials += 1

    @property
    def open(self) -> bool:
        return self._failures >= self._allowed


class ExternalCalls(Generic[S]):
    """Puts the questions of a service's cases to the outside world and brings the answers to the core."""

    def __init__(
        self,
        service: Service[S],
        outside: ExternalSystem,
        batches: BatchProcessor[S],
        funnel: BatchQueue,
        clock: Clock,
        slots: int,
        timeout: timedelta,
    ) -> None:
        if service.call_failed is None:
            raise TypeError(f"{service.name} has an outside, so it needs to say what a failed question is")
        self._failed = service.call_failed
        self._source = f"/onedoor/{service.name}"
        self._outside = outside
        self._batches = batches
        self._funnel = funnel
        self._clock = clock
        self._free = slots
        self._refused = False
        """Questions are due for which there was no room."""
        self._timeout = timeout
        self._breaker = CircuitBreaker()
        self._asking: set[asyncio.Task[None]] = set()
        batches.caller = self

    def reserve(self) -> datetime | None:
        """Room for one question more: the end of its lease. See `fold.CallScheduler`."""
        if self._breaker.open or not self._free:
            self._refused = True
            return None
        self._free -= 1
        return self._lease()

    def start(self, calls: Sequence[ExternalCall]) -> None:
        """Put these questions. Their leases are committed."""
        bulk = self._outside.batch_size
        for first in range(0, len(calls), bulk):
            task = asyncio.create_task(self._ask(calls[first : first + bulk]))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)

    def release(self, calls: Sequence[ExternalCall]) -> None:
        """These will not be put, or have been: there is room for others."""
        self._free += len(calls)
        if self._refused:
            self._batches.call_due.set()

    async def call_once(self) -> bool:
        """Claim and start as many due calls as may be made; whether more may be due."""
        permitted = self._breaker.permits(self._free, time.monotonic())
        telemetry.BREAKER_OPEN.set(self._breaker.open)
        self._refused = False
        if not permitted:
            self._refused = not self._free
            return False
        self._free -= permitted
        calls: Sequence[ExternalCall] = ()
        try:
            calls = await self._batches.claim_calls(self._lease(), permitted)
        finally:
            self._free += permitted - len(calls)
        self.start(calls)
        return len(calls) == permitted

    async def drain(self) -> None:
        """Wait for the calls under way."""
        if self._asking:
            await asyncio.wait(self._asking)

    async def _ask(self, calls: Sequence[ExternalCall]) -> None:
        answers: Sequence[Message | Exception]
        try:
            async with asyncio.timeout(self._timeout.total_seconds()):
                answers = await self._outside.call(calls)
        except Exception as error:
            answers = [error] * len(calls)
        finally:
            self.release(calls)
        await self._bring(calls, [await self._judged(*pair) for pair in zip(calls, answers, strict=True)])

    def _lease(self) -> datetime:
        return machine_now() + 2 * self._timeout

    async def _judged(self, call: ExternalCall, answer: Message | Exception) -> Message:
        """What the core is told: the answer, or that there is none. Nonsense is kept; the rest trips the breaker."""
        if not isinstance(answer, Exception):
            self._breaker.succeeded()
            telemetry.CALLS.labels("answered").inc()
            return answer
        if isinstance(answer, UnparseableReply):
            telemetry.CALLS.labels("not understood").inc()
            await self._park(answer, call.case_id)
        else:
            self._breaker.failed(time.monotonic())
            telemetry.CALLS.labels("failed").inc()
            log.warning("call failed", case_id=call.case_id, error=repr(answer))
        return self._failed(call, answer)

    async def _bring(self, calls: Sequence[ExternalCall], answers: Sequence[Message]) -> None:
        """Bring answers to the core. One that cannot be true of its case is parked, and the question stays open."""
        told = [
            self._received(call.case_id, answer, answers_call=True) for call, answer in zip(calls, answers, strict=True)
        ]
        for call, answer, outcome in zip(calls, answers, await self._funnel.put(told), strict=True):
            if isinstance(outcome, InvalidMessage):
                await self._park(UnparseableReply(str(outcome), answer.model_dump_json().encode()), call.case_id)
                failed = self._received(call.case_id, self._failed(call, outcome), answers_call=True)
                await self._funnel.put([failed])
            elif isinstance(outcome, BaseException):
                log.warning("an answer was not taken; the question is put again", error=repr(outcome))

    async def _park(self, error: UnparseableReply, case_id: str) -> None:
        letter = make_dead_letter(str(error), "outside", self._source, case_id.encode(), error.raw, case_id)
        await self._batches.run([], [letter])

    async def poll_once(self, limit: int) -> bool:
        """Take in what the outside world said by itself, one replica at a time; whether there may be more."""
        limit_s = self._timeout.total_seconds() + TRANSACTION_S
        async with transaction(self._batches.database, limit_s) as connection:
            # The lock is kept while the outside world is listened to, which may take longer than a statement should.
            await connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
            locked = await connection.scalar(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": POLL_LOCK})
            if not locked:
                return False
            async with asyncio.timeout(self._timeout.total_seconds()):
                said = await self._outside.poll(limit)
            if not said:
                return False
            taken = await asyncio.gather(*(self._take(one) for one in said))
            await self._outside.acknowledge([one.receipt for one, kept in zip(said, taken, strict=True) if kept])
        return len(said) >= limit

    async def _take(self, one: Notification | InvalidNotification) -> bool:
        """Hand one thing heard to the core; whether it is kept now, and need not be heard again."""
        if isinstance(one, InvalidNotification):
            telemetry.CALLS.labels("not understood").inc()
            await self._park(one.error, one.case_id or "")
            return True
        (outcome,) = await self._funnel.put([self._received(one.case_id, one.message)])
        if isinstance(outcome, InvalidMessage):
            await self._park(UnparseableReply(str(outcome), one.message.model_dump_json().encode()), one.case_id)
        elif isinstance(outcome, BaseException):
            log.warning("what was heard was not taken; it will be heard again", error=repr(outcome))
            return False
        telemetry.CALLS.labels("heard").inc()
        return True

    def _received(self, case_id: str, message: Message, *, answers_call: bool = False) -> InboundMessage:
        envelope = envelop(message, id=uuid4(), source=self._source, subject=case_id, time=self._clock.now())
        return InboundMessage(envelope, is_call_result=answers_call)
