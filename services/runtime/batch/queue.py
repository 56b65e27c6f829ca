"""The batch queue of a process: Kafka records, commands and results of external calls share the same batches.

Messages that arrive while one batch commits make the next one. No message waits for a batch to fill.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from contracts.bilingual import Bilingual, both
from contracts.values import Value
from services.runtime import telemetry
from services.runtime.batch.message import InboundMessage
from services.runtime.batch.pacing import BatchPacer
from services.runtime.batch.processor import BatchProcessor
from services.runtime.failures import Failures
from services.runtime.store.database import DATABASE_ERRORS, is_unavailable
from services.runtime.store.dead_letters import DeadLetter

WORK = "batches"
"""The name of the queue's work among the failures of its process."""

ADVICE = Bilingual(
    "the database is unavailable, see the reason in the log; nothing is lost, and batches are tried again",
    "数据库不可用，原因见日志；数据不会丢失，批次会自动重试",
)

FULL_BATCHES = 10
"""The queue is full when it holds so many batches."""

BUSY_S = 1.0
"""Machine seconds for which the queue counts as busy after its last batch."""

log = telemetry.logger(__name__)


class Overloaded(Exception):
    """Too many requests are waiting; try again later."""


class Unavailable(Exception):
    """The database is unavailable; nothing has been changed."""


class BatchQueue:
    """Gathers messages into batches and reports to each sender how its messages ended."""

    def __init__(self, processor: BatchProcessor, limit: int, failures: Failures) -> None:  # type: ignore[type-arg]
        self._processor = processor
        self._limit = limit
        self._failures = failures
        self._waiting: deque[_Submission] = deque()
        self._messages = 0
        self._arrived = asyncio.Event()
        self._processed_at = float("-inf")
        self.pacer = BatchPacer()

    @property
    def busy(self) -> bool:
        """Whether messages are waiting or a batch was processed within the last second. Background work yields then.

        A consumer that lags behind Kafka submits without a break, so its process is busy.
        """
        return bool(self._waiting) or time.monotonic() - self._processed_at < BUSY_S

    @property
    def full(self) -> bool:
        """Whether `FULL_BATCHES` are waiting. Requests are refused then; records and call results are not."""
        return self._messages >= FULL_BATCHES * self._limit

    async def submit(self, received: Sequence[InboundMessage]) -> list[Value | BaseException]:
        """Process messages, in this order within a case. Returns for each the state of its case after the commit, or
        the exception that it met."""
        loop = asyncio.get_running_loop()
        for one in received:
            one.reply = loop.create_future()
        self._add(_Submission(received))
        return await asyncio.gather(*(one.reply for one in received if one.reply), return_exceptions=True)

    async def submit_records(
        self, received: Sequence[InboundMessage], letters: Sequence[DeadLetter]
    ) -> Sequence[DeadLetter]:
        """Process Kafka records and park dead letters. Returns all letters that were parked, those of records that the
        core rejected included. Raises `Unavailable`; in that case nothing has happened."""
        submission = _Submission(received, letters)
        self._add(submission)
        return await submission.done

    async def run(self) -> None:
        """Process what arrives, until cancelled."""
        while True:
            await self._arrived.wait()
            await self.pacer.wait()
            batch = self._next()
            try:
                await self._process(batch)
            except asyncio.CancelledError:
                for submission in batch:
                    submission.cancel()
                raise
            self._processed_at = time.monotonic()
            self.pacer.batch_done(sum(len(submission.received) for submission in batch))

    def _add(self, submission: "_Submission") -> None:
        # Senders of commands wait for their replies instead of `done`; its exception must not be reported as unread.
        submission.done.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._waiting.append(submission)
        self._messages += len(submission.received)
        self._arrived.set()

    def _next(self) -> list["_Submission"]:
        batch: list[_Submission] = []
        messages = 0
        while self._waiting and messages < self._limit:
            submission = self._waiting.popleft()
            batch.append(submission)
            messages += len(submission.received)
        self._messages -= messages
        if not self._waiting:
            self._arrived.clear()
        return batch

    async def _process(self, batch: Sequence["_Submission"]) -> None:
        received = [one for submission in batch for one in submission.received]
        letters = [letter for submission in batch for letter in submission.letters]
        try:
            parked = await self._processor.run(received, letters)
        except Exception as error:
            if is_unavailable(error):
                self._fail(batch, error)
                return
            log.exception("batch failed; processing its messages one by one", messages=len(received))
            for submission in batch:
                await self._process_singly(submission)
            return
        self._failures.succeeded(WORK)
        for submission in batch:
            submission.succeed(parked)

    def _fail(self, batch: Sequence["_Submission"], error: Exception) -> None:
        """Report to the senders that the database is unavailable."""
        self._failures.failed(WORK, error, ADVICE)
        for submission in batch:
            submission.fail(Unavailable("the database is unavailable"))

    async def _process_singly(self, submission: "_Submission") -> None:
        """Find the message that cannot be stored: park it or report it to its sender, and process the others."""
        parked: list[DeadLetter] = []
        try:
            for one in submission.received:
                try:
                    parked += await self._processor.run([one])
                except Exception as error:
                    if is_unavailable(error):
                        raise
                    log.exception("message cannot be stored", message_id=str(one.envelope.id), type=one.envelope.type)
                    if one.reply is not None and not one.reply.done():
                        one.reply.set_exception(error)
                    if one.from_kafka:
                        kind = type(error).__name__
                        reason = both(
                            f"its effects cannot be stored: {kind}. Correct the fault or the record, then replay the "
                            "letters of the case",
                            f"其结果无法保存（{kind}）。请排除故障或更正记录，再重放该办件的死信",
                        )
                        parked += await self._processor.run([], [one.dead_letter(reason, blocking=True)])
            parked += await self._processor.run([], submission.letters)
        except DATABASE_ERRORS as error:
            self._fail([submission], error)
        else:
            submission.succeed(parked)


@dataclass(slots=True)
class _Submission:
    """Messages and dead letters for one commit, and the future that reports it to their sender."""

    received: Sequence[InboundMessage]
    letters: Sequence[DeadLetter] = ()
    done: "asyncio.Future[Sequence[DeadLetter]]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def succeed(self, parked: Sequence[DeadLetter]) -> None:
        """Report that everything is committed, and which letters were parked. The replies to the messages have been
        sent already."""
        if not self.done.done():
            self.done.set_result(parked)

    def fail(self, error: Exception) -> None:
        """Report that nothing has happened."""
        for one in self.received:
            if one.reply is not None and not one.reply.done():
                one.reply.set_exception(error)
        if not self.done.done():
            self.done.set_exception(error)

    def cancel(self) -> None:
        """Cancel the replies: the process ends."""
        for one in self.received:
            if one.reply is not None:
                one.reply.cancel()
        self.done.cancel()
