"""One transaction a batch: load the cases, reduce the messages with the core, save, commit, publish.

Every change of a case goes through `BatchProcessor`, whether its cause is a Kafka record, an HTTP request, a timer or
an external system. A process runs one batch at a time. The number of statements does not grow with the number of
messages, and one bad message never fails its batch.

The process caches the cases that it wrote last, decoded: the messages of a case mostly come within seconds of each
other, to the same process. Each write increments the version of the case and succeeds only over the version that was
loaded, so a stale cache entry is found out when the batch is saved.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Generic, TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.codec import encode
from contracts.envelope import Envelope, Message, TimerFired, envelop
from contracts.registry import topic_of
from contracts.values import Value
from services.runtime import telemetry
from services.runtime.batch.case_cache import CaseCache
from services.runtime.batch.message import InboundMessage
from services.runtime.batch.publications import Publications, Publish
from services.runtime.batch.reducer import CaseReducer
from services.runtime.batch.result import BatchResult, LoadedCase
from services.runtime.batch.timer_schedule import NEVER, RetrySuppression, TimerSchedule
from services.runtime.clock import Clock, machine_now
from services.runtime.clock_check import ClockCheck
from services.runtime.external_system import ExternalCall
from services.runtime.service import Service, Statement
from services.runtime.store import cases, dead_letters, documents, outbox
from services.runtime.store.cases import CaseRow, LoadedRows, VersionConflict
from services.runtime.store.database import DedicatedConnection, Driver, is_unavailable, transaction
from services.runtime.store.dead_letters import DeadLetter
from services.runtime.store.outbox import OutboxMessage

S = TypeVar("S", bound=Value)

Reduce = Callable[[Driver, BatchResult[S]], Awaitable[None]]
"""Loads cases and reduces messages into the result of a batch. It is called again after a version conflict."""

FAILED_TIMER_RETRY = timedelta(minutes=1)
"""Machine time after which a timer that has failed is fired again."""

log = telemetry.logger(__name__)


class BatchProcessor(Generic[S]):
    """Runs the core of a service over batches of messages against its own database."""

    def __init__(
        self,
        service: Service[S],
        database: AsyncEngine,
        clock: Clock,
        publish: Publish,
        topics: Collection[str] | None = None,
    ) -> None:
        self.service = service
        self.database = database
        self.clock = clock
        self.reducer = CaseReducer(service, topics)
        self.schedule = TimerSchedule()
        self.retry_suppression = RetrySuppression()
        self.publications = Publications(publish)
        self.call_due = asyncio.Event()
        """Set when a batch has planned an external call."""
        self.rules_version: int | None = None
        """The version of the rules that the core applies; None until it is known, and where there are no rules."""
        self.connection = DedicatedConnection(database)
        self._lock = asyncio.Lock()
        self._busy_since: float | None = None
        """Machine time at which the present use of the connection began."""
        self._cache: CaseCache[S] = CaseCache()

    @property
    def busy_s(self) -> float:
        """Machine seconds for which the present batch or query has been running; 0 without one."""
        return time.monotonic() - self._busy_since if self._busy_since is not None else 0.0

    async def run(self, received: Sequence[InboundMessage], letters: Sequence[DeadLetter] = ()) -> Sequence[DeadLetter]:
        """Process these messages and park these letters in one commit, then publish the resulting messages.

        Returns all letters that were parked, those of messages that the core rejected included. Raises what the
        database raises. In that case nothing has happened, and the batch can be run again.
        """
        by_case: dict[str, list[InboundMessage]] = defaultdict(list)
        for one in received:
            by_case[one.envelope.subject].append(one)
        blocking = {letter.case_id for letter in letters if letter.blocking}
        case_ids = sorted(by_case.keys() | blocking)

        parked: Sequence[DeadLetter] = ()

        async def reduce(driver: Driver, result: BatchResult[S]) -> None:
            nonlocal parked
            parked = result.dead_letters
            result.dead_letters += letters
            result.blocked |= blocking
            loaded, processed, unreadable = await self._load(driver, case_ids, by_case, result.blocked)
            result.case_ids = case_ids
            result.duplicates += sum(len(by_case[case_id]) for case_id in processed)
            for case_id in case_ids:
                if case_id in processed:
                    continue
                if case_id in unreadable:
                    self.reducer.reject_all(by_case.get(case_id, ()), unreadable[case_id], result)
                    continue
                before = loaded.get(case_id)
                accepted = self.reducer.reduce(case_id, before, by_case.get(case_id, ()), result)
                if case_id in result.blocked and before is not None and not accepted:
                    # The new version invalidates the case in the caches of other processes: it is blocked now.
                    blocked = replace(before.row, version=before.row.version + 1)
                    result.changed.append(LoadedCase(blocked, before.state))

        await self.commit(reduce)
        return parked

    async def fire_timers(self, limit: int) -> int:
        """Fire the timers and retries that are due, of at most ``limit`` cases. Returns the number of cases.

        The timer of a case that cannot be read, or whose effects cannot be stored, is fired again later.
        """
        fired: list[str] = []

        async def reduce(driver: Driver, result: BatchResult[S]) -> None:
            nonlocal fired
            retries_until = None if self.retry_suppression.remaining_s else machine_now()
            due = await cases.load_due(driver, self.clock.now(), retries_until, limit)
            fired = list(due.rows)
            self._fire(due, result)

        try:
            await self.commit(reduce, locking=True)
        except Exception as error:
            if not fired or is_unavailable(error):
                raise
            log.exception("timers failed; firing them one by one", cases=len(fired))
            for case_id in fired:
                await self._fire_one(case_id)
        return len(fired)

    async def _fire_one(self, case_id: str) -> None:
        """Fire the timer of this case, or postpone it if its effects cannot be stored."""

        async def reduce(driver: Driver, result: BatchResult[S]) -> None:
            self._fire(await cases.load(driver, [case_id]), result)

        async def postpone(driver: Driver, result: BatchResult[S]) -> None:
            result.postponed += map(_postponed, (await cases.load(driver, [case_id])).rows.values())

        try:
            await self.commit(reduce)
        except Exception as error:
            if is_unavailable(error):
                raise
            log.exception("the effects of a timer cannot be stored", case_id=case_id)
            await self.commit(postpone)

    def _fire(self, due: LoadedRows, result: BatchResult[S]) -> None:
        now = self.clock.now()
        result.case_ids = list(due.rows)
        result.blocked = due.blocked
        for case_id, row in sorted(due.rows.items()):
            id = _timer_message_id(case_id, row.version)
            envelope = envelop(TimerFired(), id=id, source=self.service.source, subject=case_id, time=now)
            try:
                loaded = self.decode(row)
            except ValueError:
                log.exception("the state of a case cannot be read", case_id=case_id)
                result.postponed.append(_postponed(row))
                continue
            if not self.reducer.reduce(case_id, loaded, [InboundMessage(envelope)], result):
                result.postponed.append(_postponed(row))

    async def load_next_timers(self, clocks: ClockCheck | None = None) -> bool:
        """Read from the database when the next timer and retry are due. Returns whether one is due already.

        Raises `ClockInDoubt` by that check.
        """
        schedule = self.schedule
        schedule.forget()
        async with self.exclusive() as driver:
            timer_at, retry_at, now = await cases.next_timers(driver)
        schedule.include(timer_at, retry_at)
        if clocks is not None:
            clocks.check(now)
        if suppressed_s := self.retry_suppression.remaining_s:
            schedule.delay_retries(suppressed_s)
        return schedule.next_timer_at <= self.clock.now() or schedule.next_retry_at <= machine_now()

    async def claim_calls(self, lease_until: datetime, limit: int) -> list[ExternalCall]:
        """Take a lease on external calls that are due, at most ``limit``."""
        async with self.exclusive() as driver:
            rows = await cases.claim_calls(driver, machine_now(), lease_until, limit)
            calls = []
            for row in rows:
                if before := self._cache.predecessor(row):
                    state = before.state
                    self._cache.put(LoadedCase(row, state))
                else:
                    self._cache.forget((row.case_id,))  # the case may have become blocked
                    try:
                        state = self.decode(row).state
                    except ValueError:
                        log.exception("the state of a case cannot be read", case_id=row.case_id)
                        continue  # tried again when the lease ends
                if (request := self.service.pending_request(state)) is None:
                    log.error("external call due without a request", case_id=row.case_id)
                else:
                    calls.append(ExternalCall(row.case_id, request))
        return calls

    async def reload_rules(self, driver: Driver) -> None:
        """Apply the rules in force, at first those that the program ships with. Raises `documents.UnusableVersion`."""
        document = self.service.rules
        if document is None:
            return
        found = await documents.load_in_force(driver, document.kind)
        if found is None and document.shipped is not None:
            await documents.put_shipped(driver, document)
            found = await documents.load_in_force(driver, document.kind)
        number = found.number if found else 0
        if number == self.rules_version:
            return
        core = document.core(found.number, found.body) if found is not None else None
        self.reducer.core = core or self.service.core
        self.rules_version = number
        log.info("applying the rules in force", rules_version=number)

    async def flush(self) -> None:
        """Mark published messages in the outbox now rather than with the next batch."""
        with self.publications.take_published() as published:
            if published:
                async with transaction(self.database) as connection:
                    await outbox.mark_published(connection, published)

    async def finish_batch(self, seconds: float) -> None:
        """Wait for the commit of the present batch, for at most so many machine seconds. No batch begins after it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._lock.acquire()  # never released

    async def drain(self) -> None:
        """Wait until all messages are published or left to the outbox relay, mark them, and close the connection."""
        await self.publications.wait()
        try:
            await self.flush()
        finally:
            await self.connection.close()

    def decode(self, row: CaseRow) -> LoadedCase[S]:
        """The case of this row, from the cache where the versions agree. Raises `ValueError` for an invalid state."""
        cached = self._cache.get(row.case_id)
        if cached is not None and cached.row.version == row.version:
            return cached
        return LoadedCase(row, self.service.state.model_validate_json(row.state))

    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator[Driver]:
        """The dedicated connection, for one user at a time."""
        async with self._lock:
            self._busy_since = time.monotonic()
            try:
                async with self.connection.acquire() as driver:
                    yield driver
            finally:
                self._busy_since = None

    async def commit(self, reduce: Reduce[S], *, locking: bool = False) -> None:
        """Run one batch: reduce, save, commit; then cache, reply and publish.

        ``locking``: ``reduce`` locks the rows that it loads, so it needs an explicit transaction.
        """
        async with self.exclusive() as driver:
            batch_id, result, messages = await self._commit(driver, reduce, locking)
        self._complete(result)
        if messages:
            await self.publications.start(batch_id, messages)

    async def _commit(
        self, driver: Driver, reduce: Reduce[S], locking: bool
    ) -> tuple[UUID | None, BatchResult[S], list[OutboxMessage]]:
        """Load, reduce and save in one transaction (implicit for a single statement). Retry on version conflict."""
        with self.publications.take_published() as published:
            if self.rules_version is None:
                await self.reload_rules(driver)
            while True:
                result: BatchResult[S] = BatchResult()
                try:
                    async with AsyncExitStack() as stack:
                        if locking:
                            await stack.enter_async_context(driver.transaction())
                        await reduce(driver, result)
                        messages = [_outbox_message(envelope) for envelope in result.messages]
                        project = self.service.projection
                        statements = project(result.messages) if messages and project else ()
                        if not locking and (statements or result.dead_letters):
                            await stack.enter_async_context(driver.transaction())
                        batch_id = await self._save(driver, result, messages, statements, published)
                    break
                except BaseException as error:
                    if (scheduler := self.reducer.call_scheduler) is not None:
                        scheduler.release(result.leased_calls)
                    self._cache.forget(result.case_ids)  # the cached versions may be the stale ones
                    if not isinstance(error, VersionConflict):
                        raise
                    log.info("version conflict; retrying the batch")
                await self.reload_rules(driver)
        self._update_cache(result, timers=locking)
        return batch_id, result, messages

    async def _save(
        self,
        driver: Driver,
        result: BatchResult[S],
        messages: Sequence[OutboxMessage],
        statements: Sequence[Statement],
        published: Sequence[UUID],
    ) -> UUID | None:
        batch_id = None
        if result.changed or result.postponed or messages or published:
            rows = [case.row for case in result.changed]
            if result.postponed:
                rows = sorted([*rows, *result.postponed], key=lambda row: row.case_id)
            document, number = self.service.rules, self.rules_version
            rules = (document.kind, number) if document is not None and number is not None else None
            recorded = self.service.records_changes
            batch_id = await cases.save(driver, rows, messages, published, rules, record_changes=recorded)
        for statement, arguments in statements:
            await driver.execute(statement, *arguments)
        if result.dead_letters:
            await dead_letters.park(driver, result.dead_letters)
        return batch_id

    def _update_cache(self, result: BatchResult[S], *, timers: bool) -> None:
        for case in result.changed:
            # Few of the cases whose timers fire at the same minute have a message soon, so they are not added. A case
            # of another version than the cached one may have become blocked.
            if not timers or self._cache.predecessor(case.row):
                self._cache.put(case)
            else:
                self._cache.forget((case.row.case_id,))
        self._cache.forget(result.blocked)
        self._cache.forget(row.case_id for row in result.postponed)

    def _complete(self, result: BatchResult[S]) -> None:
        """Log, signal and reply after the commit."""
        for letter in result.dead_letters:
            telemetry.DEAD_LETTERS.inc()
            log.error(
                "dead letter",
                case_id=letter.case_id,
                message_id=str(letter.message_id) if letter.message_id else None,
                letter_id=str(letter.letter_id),
                reason=letter.reason,
                origin=letter.origin,
            )
        telemetry.DUPLICATES.inc(result.duplicates)
        self.schedule.bring_forward(min(result.timers, default=NEVER), min(result.retries, default=NEVER))
        if (scheduler := self.reducer.call_scheduler) is not None and result.leased_calls:
            scheduler.start(result.leased_calls)
        if result.planned_calls:
            self.call_due.set()
        for reply, outcome in result.replies:
            if reply.done():
                continue
            if isinstance(outcome, Exception):
                reply.set_exception(outcome)
            else:
                reply.set_result(outcome)

    async def _load(
        self,
        driver: Driver,
        case_ids: Sequence[str],
        by_case: Mapping[str, Sequence[InboundMessage]],
        blocked: set[str],
    ) -> tuple[dict[str, LoadedCase[S]], set[str], dict[str, ValueError]]:
        """These cases from the cache or the database, the ids of cases that have processed all of their messages, and
        the cases whose state cannot be read.

        Adds the blocked cases of the database to ``blocked``; cached cases are not blocked. A cached case may be stale:
        then the save fails with a version conflict.
        """
        loaded = {case_id: cached for case_id in case_ids if (cached := self._cache.get(case_id)) is not None}
        processed: set[str] = set()
        unreadable: dict[str, ValueError] = {}
        if missing := [case_id for case_id in case_ids if case_id not in loaded]:
            found = await cases.load(driver, missing)
            blocked |= found.blocked
            for case_id, row in found.rows.items():
                # When a topic is read again, these are nearly all cases. Decoding their states would take most of the
                # time.
                if case_id not in blocked and _has_processed(row, by_case.get(case_id, ())):
                    processed.add(case_id)
                    continue
                try:
                    loaded[case_id] = self.decode(row)
                except ValueError as error:
                    log.exception("the state of a case cannot be read", case_id=case_id)
                    unreadable[case_id] = error
        return loaded, processed, unreadable


def _has_processed(row: CaseRow, received: Sequence[InboundMessage]) -> bool:
    """Whether the case has processed each of these messages before."""
    processed_ids = {row.processed_ids[at : at + 16] for at in range(0, len(row.processed_ids), 16)}
    return bool(received) and all(one.from_kafka and one.envelope.id.bytes in processed_ids for one in received)


def _postponed(row: CaseRow) -> CaseRow:
    """The case with its failed timer later, so that it does not hold up the timers of other cases."""
    return replace(row, version=row.version + 1, timer_at=None, retry_at=machine_now() + FAILED_TIMER_RETRY)


def _outbox_message(envelope: Envelope[Message]) -> OutboxMessage:
    return OutboxMessage(envelope.subject, envelope.id, topic_of(envelope.data), encode(envelope))


def _timer_message_id(case_id: str, version: int) -> UUID:
    """The id of the `TimerFired` message of this version of the case. A retried batch gives the same id."""
    return UUID(bytes=blake2b(b"%b/%d" % (case_id.encode(), version), digest_size=16).digest())
