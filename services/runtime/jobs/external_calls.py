"""Calls to the external system: under a lease, outside any transaction, a bounded number at a time.

The row of a case holds when its external call is due. Claiming the call moves that time to the end of a lease. If the
process dies, the lease ends and any replica makes the call again, so the external system must tolerate repetition. A
new call is leased in the commit that opens it, as long as there is room. After several failures in a row the circuit
breaker opens: nothing is claimed for a while, then one call is tried. An external system that asks to wait
(`SystemAway`) is neither called nor polled until then.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Generic, TypeVar
from uuid import uuid4

from contracts.core import InvalidMessage
from contracts.envelope import Message, envelop
from contracts.values import Value
from services.runtime import telemetry
from services.runtime.batch.message import InboundMessage
from services.runtime.batch.processor import BatchProcessor
from services.runtime.batch.queue import BatchQueue
from services.runtime.clock import machine_now
from services.runtime.external_system import (
    ExternalCall,
    ExternalSystem,
    InvalidNotification,
    Notification,
    ParkedFailure,
    RequestRefused,
    SystemAway,
)
from services.runtime.jobs.circuit_breaker import CircuitBreaker
from services.runtime.store.database import TRANSACTION_S, transaction, try_lock
from services.runtime.store.dead_letters import EXTERNAL, DeadLetter, make_dead_letter

S = TypeVar("S", bound=Value)

POLL_LOCK = 0x0D00B
"""Advisory lock under which one replica at a time polls the external system."""

CHECK_INTERVAL_S = 0.5
"""Machine seconds between two checks for planned calls that are due. New calls signal it sooner."""

log = telemetry.logger(__name__)


class NotificationsHeld(Exception):
    """As many notifications stay as are polled at a time, so that others may wait for them."""


class ExternalCalls(Generic[S]):
    """Makes the external calls of a service's cases and brings replies and notifications to the core."""

    def __init__(
        self,
        system: ExternalSystem,
        processor: BatchProcessor[S],
        queue: BatchQueue,
        slots: int,
        timeout: timedelta,
    ) -> None:
        """``slots``: the most calls under way at a time. ``timeout``: machine time after which a call has failed.

        Raises `TypeError` for a service without ``call_failed``.
        """
        service = processor.service
        if service.call_failed is None:
            raise TypeError(f"{service.name} has an external system, so it needs call_failed")
        self._call_failed = service.call_failed
        self._source = service.source
        self._system = system
        self._processor = processor
        self._queue = queue
        self._slots = self._free_slots = slots
        self._turned_away = False
        """Whether calls are due for which there was no room."""
        self._timeout = timeout
        self._staying = 0
        """Notifications that came again and again: they cannot be acknowledged, or could not be processed."""
        self.breaker = CircuitBreaker()
        self._tasks: set[asyncio.Task[None]] = set()
        processor.reducer.call_scheduler = self

    @property
    def under_way(self) -> int:
        """The calls that are being made."""
        return self._slots - self._free_slots

    def reserve(self) -> datetime | None:
        """Reserve room for one call; see `CallScheduler`."""
        if self.breaker.open or not self._free_slots:
            self._turned_away = True
            return None
        self._free_slots -= 1
        return self._lease_end()

    def start(self, calls: Sequence[ExternalCall]) -> None:
        """Make these calls. Their leases are committed."""
        size = self._system.batch_size
        for first in range(0, len(calls), size):
            task = asyncio.create_task(self._make(calls[first : first + size]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def release(self, calls: Sequence[ExternalCall]) -> None:
        """Give back the room of calls that are done or are not made."""
        self._free_slots += len(calls)
        if self._turned_away:
            self._processor.call_due.set()

    async def call_once(self) -> bool:
        """Claim and start as many due calls as may be made. Returns whether more may be due."""
        permitted = self.breaker.permits(self._free_slots, time.monotonic())
        telemetry.BREAKER_OPEN.set(self.breaker.open)
        self._turned_away = False
        if not permitted:
            self._turned_away = not self._free_slots
            return False
        self._free_slots -= permitted
        calls: Sequence[ExternalCall] = ()
        try:
            calls = await self._processor.claim_calls(self._lease_end(), permitted)
        finally:
            self._free_slots += permitted - len(calls)
        self.start(calls)
        return len(calls) == permitted

    async def poll_once(self, limit: int) -> bool:
        """Process new notifications, one replica at a time. Returns whether there may be more.

        Notifications that stay hold back no others, up to ``limit`` of them. Raises `NotificationsHeld` from then on.
        """
        if self.breaker.held(time.monotonic()):
            return False
        timeout_s = self._timeout.total_seconds()
        async with transaction(self._processor.database, timeout_s + TRANSACTION_S) as connection:
            if not await try_lock(connection, POLL_LOCK):
                return False
            try:
                async with asyncio.timeout(timeout_s):
                    notifications = await self._system.poll(limit + self._staying)
                if not notifications:
                    self._staying = 0
                    return False
                done = await asyncio.gather(*(self._process(one) for one in notifications))
                ack_tokens = [
                    one.ack_token
                    for one, is_done in zip(notifications, done, strict=True)
                    if is_done and one.ack_token is not None
                ]
                if ack_tokens:
                    await self._system.acknowledge(ack_tokens)
                self._staying = min(len(notifications) - len(ack_tokens), limit)
            except SystemAway as away:
                self._hold(away)
                raise
        if self._staying >= limit:
            raise NotificationsHeld(f"{self._staying} notifications cannot be processed or acknowledged")
        return len(ack_tokens) >= limit

    async def drain(self) -> None:
        """Wait for the calls under way."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    def cancel(self) -> None:
        """Cancel the calls under way. Another process makes them again when their leases end."""
        for task in self._tasks:
            task.cancel()

    async def _make(self, calls: Sequence[ExternalCall]) -> None:
        replies: Sequence[Message | Exception]
        try:
            async with asyncio.timeout(self._timeout.total_seconds()):
                replies = await self._system.call(calls)
        except Exception as error:
            replies = [error] * len(calls)
        finally:
            self.release(calls)
        letters: list[DeadLetter] = []
        results = [self._result(call, reply, letters) for call, reply in zip(calls, replies, strict=True)]
        if letters:
            await self._processor.run([], letters)
        await self._submit(calls, results)

    def _lease_end(self) -> datetime:
        return machine_now() + 2 * self._timeout

    def _result(self, call: ExternalCall, reply: Message | Exception, letters: list[DeadLetter]) -> InboundMessage:
        """The message for the core: the reply, or that the call failed.

        A failure that a person must settle becomes a dead letter. Any other exception counts for the circuit breaker.
        """
        if not isinstance(reply, Exception):
            self.breaker.succeeded(time.monotonic())
            telemetry.CALLS.labels("answered").inc()
            return self._inbound(call.case_id, reply, is_call_result=True)
        call_wait = timedelta()
        if isinstance(reply, ParkedFailure):
            telemetry.CALLS.labels("refused" if isinstance(reply, RequestRefused) else "unparseable").inc()
            letters.append(self._letter(str(reply), reply.raw, call.case_id))
        else:
            self.breaker.failed(time.monotonic())
            if isinstance(reply, SystemAway):
                self._hold(reply)
                call_wait = timedelta(seconds=reply.retry_after_s)
            telemetry.CALLS.labels("failed").inc()
            log.warning("external call failed", case_id=call.case_id, error=reply)
        return self._inbound(call.case_id, self._call_failed(call, reply), is_call_result=True, call_wait=call_wait)

    def _hold(self, away: SystemAway) -> None:
        if away.retry_after_s:
            self.breaker.hold(time.monotonic(), away.retry_after_s)

    async def _submit(self, calls: Sequence[ExternalCall], results: Sequence[InboundMessage]) -> None:
        """Bring results to the core. A result that the core rejects becomes a dead letter, and the call stays open."""
        for call, result, outcome in zip(calls, results, await self._queue.submit(results), strict=True):
            if isinstance(outcome, InvalidMessage):
                await self._park(str(outcome), result.envelope.data.model_dump_json().encode(), call.case_id)
                failed = self._inbound(call.case_id, self._call_failed(call, outcome), is_call_result=True)
                await self._queue.submit([failed])
            elif isinstance(outcome, BaseException):
                log.warning("call result not processed; the call is made again", error=outcome)

    async def _process(self, one: Notification | InvalidNotification) -> bool:
        """Bring one notification to the core. Returns whether it can be acknowledged."""
        if isinstance(one, InvalidNotification):
            telemetry.CALLS.labels("unparseable").inc()
            await self._park(str(one.error), one.error.raw, one.case_id or "")
            return True
        (outcome,) = await self._queue.submit([self._inbound(one.case_id, one.message)])
        if isinstance(outcome, InvalidMessage):
            await self._park(str(outcome), one.message.model_dump_json().encode(), one.case_id)
        elif isinstance(outcome, BaseException):
            log.warning("notification not processed; it is polled again", error=outcome)
            return False
        telemetry.CALLS.labels("notified").inc()
        return True

    async def _park(self, reason: str, raw: bytes, case_id: str) -> None:
        await self._processor.run([], [self._letter(reason, raw, case_id)])

    def _letter(self, reason: str, raw: bytes, case_id: str) -> DeadLetter:
        return make_dead_letter(reason, EXTERNAL, self._source, case_id.encode(), raw, case_id)

    def _inbound(
        self, case_id: str, message: Message, *, is_call_result: bool = False, call_wait: timedelta = timedelta()
    ) -> InboundMessage:
        envelope = envelop(message, id=uuid4(), source=self._source, subject=case_id, time=self._processor.clock.now())
        return InboundMessage(envelope, is_call_result=is_call_result, call_wait=call_wait)
