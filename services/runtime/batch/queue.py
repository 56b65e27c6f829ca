"""One batch loop a process: what comes from Kafka, by HTTP and from the outside world is handled together.

While one batch commits, what arrives meanwhile waits and makes the next. Nobody waits for a batch to fill.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from contracts.values import Value
from services.runtime import telemetry
from services.runtime.batch.pacing import BatchPacer
from services.runtime.batch.processor import BatchProcessor
from services.runtime.batch.reducer import InboundMessage
from services.runtime.store.database import ERRORS, is_away
from services.runtime.store.dead_letters import DeadLetter

FULL = 10

log = telemetry.logger(__name__)


class Overloaded(Exception):
    """More is waiting than can be handled soon; come again later."""


class Unavailable(Exception):
    """The database is away; nothing has happened."""


@dataclass(slots=True)
class _Submission:
    """What is handled in one commit, and who is told when it is committed."""

    received: Sequence[InboundMessage]
    letters: Sequence[DeadLetter] = ()
    done: "asyncio.Future[None]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def succeed(self) -> None:
        """Tell whoever waits that all is committed. The messages' own answers have been told already."""
        if not self.done.done():
            self.done.set_result(None)

    def fail(self, error: Exception) -> None:
        """Tell whoever waits that nothing has happened."""
        for one in self.received:
            if one.reply is not None and not one.reply.done():
                one.reply.set_exception(error)
        if not self.done.done():
            self.done.set_exception(error)

    def cancel(self) -> None:
        for one in self.received:
            if one.reply is not None:
                one.reply.cancel()
        self.done.cancel()


class BatchQueue:
    """Gathers messages into batches and tells each sender what became of its own."""

    def __init__(self, batches: BatchProcessor, limit: int) -> None:  # type: ignore[type-arg]
        self._batches = batches
        self._limit = limit
        self._waiting: deque[_Submission] = deque()
        self._messages = 0
        self._arrived = asyncio.Event()
        self.pace = BatchPacer()

    @property
    def full(self) -> bool:
        """Whether ten batches are waiting already. Who can be sent away is sent away then."""
        return self._messages >= FULL * self._limit

    async def put(self, received: Sequence[InboundMessage]) -> list[Value | BaseException]:
        """Handle these, in this order within a case; for each, the state that it led to or what went wrong."""
        loop = asyncio.get_running_loop()
        for one in received:
            one.reply = loop.create_future()
        self._add(_Submission(received))
        return await asyncio.gather(*(one.reply for one in received if one.reply), return_exceptions=True)

    async def take(self, received: Sequence[InboundMessage], letters: Sequence[DeadLetter]) -> None:
        """Handle these records and park these letters. Raises `Unavailable`; then nothing has happened."""
        work = _Submission(received, letters)
        self._add(work)
        await work.done

    async def run(self) -> None:
        """Handle what arrives, until cancelled."""
        while True:
            await self._arrived.wait()
            await self.pace.wait()
            batch = self._next()
            try:
                await self._handle(batch)
            except asyncio.CancelledError:
                for work in batch:
                    work.cancel()
                raise
            self.pace.handled(sum(len(work.received) for work in batch))

    def _add(self, work: _Submission) -> None:
        # Most of those who put wait for their answers instead; a failure that nobody asks for is no fault of theirs.
        work.done.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._waiting.append(work)
        self._messages += len(work.received)
        self._arrived.set()

    def _next(self) -> list[_Submission]:
        batch: list[_Submission] = []
        messages = 0
        while self._waiting and messages < self._limit:
            work = self._waiting.popleft()
            batch.append(work)
            messages += len(work.received)
        self._messages -= messages
        if not self._waiting:
            self._arrived.clear()
        return batch

    async def _handle(self, batch: Sequence[_Submission]) -> None:
        received = [one for work in batch for one in work.received]
        try:
            await self._batches.run(received, [letter for work in batch for letter in work.letters])
        except Exception as error:
            if is_away(error):
                log.warning("the database is away", error=repr(error), messages=len(received))
                for work in batch:
                    work.fail(Unavailable("the database is away"))
                return
            log.exception("batch failed; handling its messages one by one", messages=len(received))
            for work in batch:
                await self._handle_singly(work)
            return
        for work in batch:
            work.succeed()

    async def _handle_singly(self, work: _Submission) -> None:
        """Find the message that cannot be stored: it is parked, or its sender told, and the others go on."""
        try:
            for one in work.received:
                try:
                    await self._batches.run([one])
                except Exception as error:
                    if is_away(error):
                        raise
                    log.exception("a message cannot be stored", message_id=str(one.envelope.id), type=one.envelope.type)
                    if one.reply is not None and not one.reply.done():
                        one.reply.set_exception(error)
                    if one.from_kafka:
                        reason = f"what follows from it cannot be stored: {type(error).__name__}"
                        await self._batches.run([], [one.dead_letter(reason, blocking=True)])
            await self._batches.run([], work.letters)
        except ERRORS as error:
            log.warning("the database is away", error=repr(error))
            work.fail(Unavailable("the database is away"))
        else:
            work.succeed()
