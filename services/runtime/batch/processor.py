"""One transaction a batch: load, fold the core, save, say, commit, publish.

Everything a service does to a case goes through `BatchProcessor`, whether it came from Kafka, by HTTP, from an alarm
or from
the outside world, and one batch at a time in each process. The number of statements does not grow with the number of
messages, and one bad message never fails its batch.

What a process has written it remembers, decoded, for the cases it wrote last: a case's messages mostly come within
seconds of each other, to the same process. Whoever writes a case counts its version up and writes only over the
version that it knows, so that what is remembered is either still so or found out when the batch is saved.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
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
from services.runtime.batch.reducer import BatchResult, CallScheduler, CaseReducer, InboundMessage, LoadedCase
from services.runtime.clock import Clock, machine_now
from services.runtime.external_system import ExternalCall
from services.runtime.service import Service, Statement
from services.runtime.store import cases, dead_letters, documents, outbox
from services.runtime.store.cases import CaseRow, VersionConflict
from services.runtime.store.database import DedicatedConnection, Driver, transaction
from services.runtime.store.dead_letters import DeadLetter
from services.runtime.store.outbox import OutboxMessage

S = TypeVar("S", bound=Value)

Publish = Callable[[Sequence[OutboxMessage]], Awaitable[Sequence[OutboxMessage]]]
"""Publishes messages and returns those that Kafka acknowledged."""

MAX_PUBLICATIONS = 3
"""Most batches whose messages are on their way to Kafka while the next one is handled."""

NEVER = datetime.max.replace(tzinfo=UTC)

FAILED_TIMER_RETRY = timedelta(minutes=1)
"""Machine time after which a case that could not be woken is tried again."""

SUPPRESS_S, MAX_SUPPRESS_S = 30.0, 600.0
"""Machine seconds for which nobody is asked again once what we have said was held up: the answers are on their way. And
for how long at a stretch: what is held up may be for one partition alone, and others wait for other answers."""

log = telemetry.logger(__name__)


class BatchProcessor(Generic[S]):
    """Runs a service's core over batches of messages against its own database."""

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
        self.timers_changed = asyncio.Event()
        """Set when a batch has left an alarm behind that comes sooner than the next one known."""
        self.next_timer_at = self.next_retry_at = NEVER
        """The next alarm known of, by the settable clock and by the machine's."""
        self._suppressed_since = self._suppressed_until = 0.0
        """Machine times from and until which nobody is asked again."""
        self.call_due = asyncio.Event()
        """Set when a batch has left a question to the outside world behind."""
        self.rules_version: int | None = None
        """The version of the rules that the core applies; None until it is known, and where there are no rules."""
        self._connection = DedicatedConnection(database)
        self._writing = asyncio.Lock()
        self._began: float | None = None
        """Machine time at which what is in hand began."""
        self._cache: CaseCache[S] = CaseCache()
        self._publish = publish
        self._publishing: set[asyncio.Task[None]] = set()
        self._published: list[UUID] = []

    @property
    def source(self) -> str:
        """What our messages name as their source."""
        return self.reducer.source

    @property
    def caller(self) -> CallScheduler | None:
        """Who puts questions to the outside world, where the service has any."""
        return self.reducer.caller

    @caller.setter
    def caller(self, caller: CallScheduler) -> None:
        self.reducer.caller = caller

    @property
    def in_hand_s(self) -> float:
        """Machine seconds for which a batch, or a look for work, has been in hand; 0 without one."""
        return time.monotonic() - self._began if self._began is not None else 0.0

    async def run(self, received: Sequence[InboundMessage], letters: Sequence[DeadLetter] = ()) -> None:
        """Handle these messages and park these letters in one commit, then publish what was said.

        Raises what the database raises; then nothing has happened, and the batch can be run again.
        """
        by_case: dict[str, list[InboundMessage]] = defaultdict(list)
        for one in received:
            by_case[one.envelope.subject].append(one)
        blocking = {letter.case_id for letter in letters if letter.blocking}
        case_ids = sorted(by_case.keys() | blocking)

        async def fold(driver: Driver, outcome: BatchResult[S]) -> None:
            outcome.dead_letters += letters
            outcome.blocked |= blocking
            known, heard = await self._load(driver, case_ids, by_case, outcome.blocked)
            outcome.case_ids = case_ids
            outcome.duplicates += sum(len(by_case[case_id]) for case_id in heard)
            for case_id in case_ids:
                if case_id in heard:
                    continue
                before = known.get(case_id)
                taken = self.reducer.reduce(case_id, before, by_case.get(case_id, ()), outcome)
                if case_id in outcome.blocked and before is not None and not taken:
                    # Counting the version up tells whoever remembers this case that it is not as it was.
                    outcome.changed.append(
                        LoadedCase(replace(before.row, version=before.row.version + 1), before.state)
                    )

        await self.commit(fold)

    async def fire_timers(self, limit: int) -> int:
        """Wake the cases whose alarm has come, at most ``limit``; how many there were."""
        woken = 0

        async def fold(driver: Driver, outcome: BatchResult[S]) -> None:
            nonlocal woken
            now = self.clock.now()
            due = await cases.load_due(driver, now, None if self._suppressed_s > 0 else machine_now(), limit)
            woken = len(due.rows)
            outcome.case_ids = list(due.rows)
            outcome.blocked = due.blocked
            for case_id, row in sorted(due.rows.items()):
                known = self.decode(row)
                cause = _woken_id(case_id, row.version)
                envelope = envelop(TimerFired(), id=cause, source=self.reducer.source, subject=case_id, time=now)
                if not self.reducer.reduce(case_id, known, [InboundMessage(envelope)], outcome):
                    # It is looked at again later, and does not keep the others from waking.
                    later = replace(
                        row, version=row.version + 1, timer_at=None, retry_at=machine_now() + FAILED_TIMER_RETRY
                    )
                    outcome.changed.append(LoadedCase(later, known.state))

        await self.commit(fold, locking=True)
        return woken

    async def reload_rules(self, driver: Driver) -> None:
        """Apply the rules in force. Raises `documents.UnusableEdition`."""
        if self.service.core_for is None:
            return
        found = await documents.latest(driver)
        number = found.number if found else 0
        if number == self.rules_version:
            return
        try:
            self.reducer.core = self.service.core_for(found) if found else self.service.core
        except ValueError as error:
            raise documents.UnusableEdition(f"edition {number} of the rules cannot be used: {error}") from error
        self.rules_version = number
        log.info("keeping to the rules in force", edition=number)

    def suppress_retries(self) -> None:
        """What we have said is held up on its way to Kafka: to say it again would only make more of it.

        So nobody is asked again until some time after this was last so. Deadlines do not wait.
        """
        now = time.monotonic()
        if now > self._suppressed_until:
            self._suppressed_since = now
        if now < self._suppressed_since + MAX_SUPPRESS_S:
            self._suppressed_until = now + SUPPRESS_S

    @property
    def _suppressed_s(self) -> float:
        return self._suppressed_until - time.monotonic()

    async def load_next_timers(self) -> bool:
        """Read when the next alarms come, as far as this table says; whether one has come already."""
        self.next_timer_at = self.next_retry_at = NEVER  # batches that commit meanwhile make them sooner
        async with self.exclusive() as driver:
            timer_at, retry_at = await cases.next_timers(driver)
        self.next_timer_at = min(self.next_timer_at, timer_at or NEVER)
        self.next_retry_at = min(self.next_retry_at, retry_at or NEVER)
        if (patient_s := self._suppressed_s) > 0:
            self.next_retry_at = max(self.next_retry_at, machine_now() + timedelta(seconds=patient_s))
        return self.next_timer_at <= self.clock.now() or self.next_retry_at <= machine_now()

    async def claim_calls(self, lease_until: datetime, limit: int) -> list[ExternalCall]:
        """Take a lease on questions that are due, at most ``limit``."""
        async with self.exclusive() as driver:
            rows = await cases.claim_calls(driver, machine_now(), lease_until, limit)
            calls = []
            for row in rows:
                if before := self._cache.predecessor(row):
                    state = before.state
                    self._cache.put(LoadedCase(row, state))
                else:
                    state = self.decode(row).state
                    self._cache.forget((row.case_id,))  # it may have come to be blocked
                if (question := self.service.pending_request(state)) is None:
                    log.error("a case without a question was due to put one", case_id=row.case_id)
                else:
                    calls.append(ExternalCall(row.case_id, question))
        return calls

    async def flush(self) -> None:
        """Note that messages are published now, rather than with the next batch."""
        with self._noting() as published:
            if published:
                async with transaction(self.database) as connection:
                    await outbox.mark_published(connection, published)

    async def settle(self, seconds: float) -> None:
        """Let what is in hand be committed, in so much machine time at the most. Nothing is begun after that."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._writing.acquire()  # and nobody gives it back

    async def drain(self) -> None:
        """Wait until all that was said is published, or known to be left to the relay; flush, and let go of the
        connection."""
        while self._publishing:
            await asyncio.wait(self._publishing)
        try:
            await self.flush()
        finally:
            await self._connection.close()

    @contextmanager
    def _noting(self) -> Iterator[list[UUID]]:
        """The batches known to be in Kafka, to be noted now; if that fails or is broken off, another time."""
        published, self._published = self._published, []
        try:
            yield published
        except BaseException:
            self._published += published
            raise

    async def _load(
        self,
        driver: Driver,
        case_ids: Sequence[str],
        by_case: Mapping[str, Sequence[InboundMessage]],
        blocked: set[str],
    ) -> tuple[dict[str, LoadedCase[S]], set[str]]:
        """These cases as they stand, from memory or from their table, and which of them need not be looked at: they
        have heard all of this before. Those remembered were not ``blocked``.

        What is remembered may have been overtaken; then saving the batch fails and it is done again.
        """
        known = {case_id: kept for case_id in case_ids if (kept := self._cache.get(case_id)) is not None}
        heard: set[str] = set()
        if missing := [case_id for case_id in case_ids if case_id not in known]:
            loaded = await cases.load(driver, missing)
            blocked |= loaded.blocked
            for case_id, row in loaded.rows.items():
                # Where a topic is read again, nearly all of them: to decode their states would take most of the time.
                if case_id not in blocked and _is_heard(row, by_case.get(case_id, ())):
                    heard.add(case_id)
                else:
                    known[case_id] = self.decode(row)
        return known, heard

    def decode(self, row: CaseRow) -> LoadedCase[S]:
        """The case of this row, from the cache where the versions agree."""
        known = self._cache.get(row.case_id)
        if known is not None and known.row.version == row.version:
            return known
        return LoadedCase(row, self.service.state.model_validate_json(row.state))

    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator[Driver]:
        """The dedicated connection, for one user at a time."""
        async with self._writing:
            self._began = time.monotonic()
            try:
                async with self._connection.acquire() as driver:
                    yield driver
            finally:
                self._began = None

    async def commit(self, fold: Callable[[Driver, BatchResult[S]], Awaitable[None]], *, locking: bool = False) -> None:
        """Load and fold, write, commit; then remember, tell, publish. ``locking``: what is loaded is locked."""
        async with self.exclusive() as driver:
            batch, outcome, said = await self._write_whole(driver, fold, locking)
        self._complete(outcome)
        if said:
            await self._send(batch, said)

    async def _write_whole(
        self, driver: Driver, fold: Callable[[Driver, BatchResult[S]], Awaitable[None]], locking: bool
    ) -> tuple[UUID | None, BatchResult[S], list[OutboxMessage]]:
        """One transaction, which needs no words where it is one statement; done again for as long as another process
        comes between."""
        # That earlier messages are in Kafka rides along in this commit.
        with self._noting() as published:
            if self.rules_version is None:
                await self.reload_rules(driver)
            while True:
                outcome: BatchResult[S] = BatchResult()
                try:
                    async with AsyncExitStack() as stack:
                        if locking:
                            await stack.enter_async_context(driver.transaction())
                        await fold(driver, outcome)
                        said = [_said(envelope) for envelope in outcome.messages]
                        shown = self.service.projection(outcome.messages) if said and self.service.projection else ()
                        if not locking and (shown or outcome.dead_letters):
                            await stack.enter_async_context(driver.transaction())
                        batch = await self._write(driver, outcome, said, shown, published)
                    break
                except BaseException as error:
                    if self.caller is not None:
                        self.caller.release(outcome.leased_calls)
                    self._cache.forget(outcome.case_ids)  # what was remembered may be what was wrong
                    if not isinstance(error, VersionConflict):
                        raise
                    log.info("batch overtaken; doing it again")
                await self.reload_rules(driver)
        for known in outcome.changed:
            # Of the many that wake at the same minute, few are heard of soon; and one of another version than we know
            # may have come to be blocked.
            if not locking or self._cache.predecessor(known.row):
                self._cache.put(known)
            else:
                self._cache.forget((known.row.case_id,))
        self._cache.forget(outcome.blocked)
        return batch, outcome, said

    async def _write(
        self,
        driver: Driver,
        outcome: BatchResult[S],
        said: Sequence[OutboxMessage],
        shown: Sequence[Statement],
        published: Sequence[UUID],
    ) -> UUID | None:
        batch = None
        if outcome.changed or said or published:
            rows = [known.row for known in outcome.changed]
            batch = await cases.save(driver, rows, said, published, self.rules_version)
        for statement, arguments in shown:
            await driver.execute(statement, *arguments)
        if outcome.dead_letters:
            await dead_letters.park(driver, outcome.dead_letters)
        return batch

    def _complete(self, outcome: BatchResult[S]) -> None:
        """Tell those who wait that the batch is committed."""
        for letter in outcome.dead_letters:
            telemetry.DEAD_LETTERS.inc()
            log.error(
                "dead letter",
                case_id=letter.case_id,
                message_id=str(letter.message_id) if letter.message_id else None,
                letter_id=str(letter.letter_id),
                reason=letter.reason,
                origin=letter.origin,
            )
        telemetry.DUPLICATES.inc(outcome.duplicates)
        wake, wait = min(outcome.timers, default=NEVER), min(outcome.retries, default=NEVER)
        if wake < self.next_timer_at or wait < self.next_retry_at:
            self.next_timer_at, self.next_retry_at = min(wake, self.next_timer_at), min(wait, self.next_retry_at)
            self.timers_changed.set()
        if self.caller is not None and outcome.leased_calls:
            self.caller.start(outcome.leased_calls)
        if outcome.planned_calls:
            self.call_due.set()
        for answer, result in outcome.replies:
            if answer.done():
                continue
            if isinstance(result, Exception):
                answer.set_exception(result)
            else:
                answer.set_result(result)

    async def _send(self, batch: UUID | None, said: Sequence[OutboxMessage]) -> None:
        """Publish beside the next batches; wait only when too many publications are under way."""

        async def publish() -> None:
            acknowledged = await self._publish(said)
            if batch is not None and len(acknowledged) == len(said):
                self._published.append(batch)  # otherwise the relay publishes all of it again

        task = asyncio.create_task(publish())
        self._publishing.add(task)
        task.add_done_callback(self._publishing.discard)
        if len(self._publishing) >= MAX_PUBLICATIONS:
            await asyncio.wait(self._publishing, return_when=asyncio.FIRST_COMPLETED)


def _is_heard(row: CaseRow, received: Sequence[InboundMessage]) -> bool:
    """Whether the case remembers each of these messages."""
    processed_ids = {row.processed_ids[at : at + 16] for at in range(0, len(row.processed_ids), 16)}
    return bool(received) and all(one.from_kafka and one.envelope.id.bytes in processed_ids for one in received)


def _said(envelope: Envelope[Message]) -> OutboxMessage:
    return OutboxMessage(envelope.subject, envelope.id, topic_of(envelope.data), encode(envelope))


def _woken_id(case_id: str, version: int) -> UUID:
    return UUID(bytes=blake2b(b"%b/%d" % (case_id.encode(), version), digest_size=16).digest())
