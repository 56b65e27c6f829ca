"""One transaction a batch: load, fold the core, save, say, commit, publish.

Everything a service does to a case goes through `Batches.run`, whether it came from Kafka, by HTTP, from an
alarm or from the outside world. The number of statements does not grow with the number of messages, and one
bad message never fails its batch.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Generic, TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from contracts.codec import encode
from contracts.envelope import Envelope, Impossible, Message, Step, Value, Woken, derive_id, envelop
from contracts.topics import topic_of
from services.runtime import store, telemetry
from services.runtime.clock import Clock
from services.runtime.service import Service
from services.runtime.store import DeadLetter, Overtaken, Row, Said

S = TypeVar("S", bound=Value)

Publish = Callable[[Sequence[Said]], Awaitable[Sequence[Said]]]
"""Publishes messages and returns those that Kafka acknowledged."""

PUBLICATIONS = 8
"""Most batches whose messages are on their way to Kafka while the next one is handled."""

NOT_WOKEN = timedelta(minutes=1)
"""Machine time after which a case that could not be woken is tried again."""

log = telemetry.logger(__name__)


@dataclass(slots=True)
class Received:
    """A message on its way into the core.

    ``origin``, ``topic`` and ``raw`` say where a Kafka record came from; a message of our own has none and its
    ``answer`` is told what became of it. ``answers_call``: it is what the outside world said to the open question.
    """

    envelope: Envelope[Message]
    origin: str = ""
    topic: str = ""
    raw: bytes | None = None
    answer: "asyncio.Future[Value] | None" = None
    answers_call: bool = False

    @property
    def from_kafka(self) -> bool:
        return self.raw is not None


@dataclass(slots=True)
class _Outcome:
    """What a batch has led to so far; thrown away and made anew if the batch has to be done again."""

    changed: list[Row] = field(default_factory=list)
    said: list[Envelope[Message]] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    answers: list[tuple["asyncio.Future[Value]", Value | Exception]] = field(default_factory=list)
    wakes: list[datetime] = field(default_factory=list)
    calls: int = 0
    duplicates: int = 0


class Batches(Generic[S]):
    """Runs a service's core over batches of messages against its own database."""

    def __init__(self, service: Service[S], database: AsyncEngine, clock: Clock, publish: Publish) -> None:
        self.service = service
        self.source = f"/onedoor/{service.name}"
        self.database = database
        self.clock = clock
        self.alarm = asyncio.Event()
        """Set when a batch has left an alarm behind that comes sooner than the next one known."""
        self.next_wake = datetime.max.replace(tzinfo=UTC)
        """The next alarm known of."""
        self.call_due = asyncio.Event()
        """Set when a batch has left a question to the outside world behind."""
        self._publish = publish
        self._publishing: set[asyncio.Task[None]] = set()
        self._published: list[Said] = []

    async def run(self, received: Sequence[Received], letters: Sequence[DeadLetter] = ()) -> None:
        """Handle these messages and park these letters in one commit, then publish what was said.

        Raises what the database raises; then nothing has happened, and the batch can be run again.
        """
        by_case: dict[str, list[Received]] = defaultdict(list)
        for one in received:
            by_case[one.envelope.subject].append(one)

        async def load(connection: AsyncConnection) -> _Outcome:
            rows = await store.load(connection, list(by_case)) if by_case else {}
            stopped = await store.blocked(connection, by_case) if by_case else set()
            outcome = _Outcome(letters=list(letters))
            for case_id in sorted(by_case):
                self._fold(case_id, rows.get(case_id), by_case[case_id], outcome, stopped=case_id in stopped)
            return outcome

        await self._commit(load)

    async def wake(self, limit: int) -> int:
        """Wake the cases whose alarm has come, at most ``limit``; how many there were."""
        woken = 0

        async def load(connection: AsyncConnection) -> _Outcome:
            nonlocal woken
            now = self.clock.now()
            rows = await store.load_due(connection, now, limit)
            woken = len(rows)
            stopped = await store.blocked(connection, rows) if rows else set()
            outcome = _Outcome()
            for case_id, row in sorted(rows.items()):
                cause = _woken_id(case_id, row.version)
                envelope = envelop(Woken(), id=cause, source=self.source, subject=case_id, time=now)
                self._fold(case_id, row, [Received(envelope)], outcome, stopped=case_id in stopped)
            # A case that could not be woken is looked at again later, and does not keep the others from waking.
            missed = rows.keys() - {row.case_id for row in outcome.changed}
            outcome.changed += [_later(rows[case_id], self.clock.after(NOT_WOKEN)) for case_id in sorted(missed)]
            return outcome

        await self._commit(load)
        return woken

    async def flush(self) -> None:
        """Take the mark off published messages now, rather than with the next batch."""
        if published := self._take_published():
            async with self.database.begin() as connection:
                await store.mark_published(connection, published)

    async def drain(self) -> None:
        """Wait until all that was said is published, or known to be left to the relay; then flush."""
        while self._publishing:
            await asyncio.wait(self._publishing)
        await self.flush()

    def _take_published(self) -> list[Said]:
        published, self._published = self._published, []
        return published

    async def _commit(self, load: Callable[[AsyncConnection], Awaitable[_Outcome]]) -> None:
        # That earlier messages are in Kafka rides along in this commit. Should it fail, they are published once
        # more by the relay, which does no harm.
        published = self._take_published()
        while True:
            try:
                async with self.database.begin() as connection:
                    outcome = await load(connection)
                    said = [_said(envelope) for envelope in outcome.said]
                    if outcome.changed:
                        await store.save(connection, outcome.changed)
                    if said:
                        await store.say(connection, said)
                        if self.service.project is not None:
                            await self.service.project(connection, outcome.said)
                    if outcome.letters:
                        await store.park(connection, outcome.letters)
                    if published:
                        await store.mark_published(connection, published)
                break
            except Overtaken:
                log.info("batch overtaken; doing it again")
        self._tell(outcome)
        if said:
            await self._send(said)

    def _tell(self, outcome: _Outcome) -> None:
        """Tell those who wait that the batch is committed."""
        for letter in outcome.letters:
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
        if outcome.wakes and (soonest := min(outcome.wakes)) < self.next_wake:
            self.next_wake = soonest
            self.alarm.set()
        if outcome.calls:
            self.call_due.set()
        for answer, result in outcome.answers:
            if answer.done():
                continue
            if isinstance(result, Exception):
                answer.set_exception(result)
            else:
                answer.set_result(result)

    async def _send(self, said: Sequence[Said]) -> None:
        """Publish beside the next batches; wait only when too many publications are under way."""

        async def publish() -> None:
            acknowledged = await self._publish(said)
            self._published.extend(acknowledged)  # only now: the list is another one after every commit

        task = asyncio.create_task(publish())
        self._publishing.add(task)
        task.add_done_callback(self._publishing.discard)
        if len(self._publishing) >= PUBLICATIONS:
            await asyncio.wait(self._publishing, return_when=asyncio.FIRST_COMPLETED)

    def _fold(
        self, case_id: str, row: Row | None, received: Iterable[Received], outcome: _Outcome, *, stopped: bool
    ) -> None:
        """Fold one case's messages into its state, in the order in which they came."""
        seen = row.seen if row else b""
        heard = {seen[at : at + 16] for at in range(0, len(seen), 16)}
        loaded = self.service.state.model_validate_json(row.state) if row and row.state is not None else None
        state = loaded
        last: tuple[Step[S], Envelope[Message]] | None = None
        answered = False
        for one in received:
            envelope = one.envelope
            if one.from_kafka and envelope.id.bytes in heard:
                outcome.duplicates += 1
                continue
            if stopped:
                self._refuse(one, "waits behind an earlier message of its case", outcome, blocking=True)
                continue
            try:
                step = self.service.core(state, envelope)
            except Impossible as error:
                self._refuse(one, str(error), outcome, error=error)
                continue
            except Exception as error:
                log.exception("the core failed", case_id=case_id, message_id=str(envelope.id), type=envelope.type)
                self._refuse(one, f"the core failed: {type(error).__name__}", outcome, blocking=True, error=error)
                stopped = one.from_kafka
                continue
            state = step.state
            last = step, envelope
            answered = answered or one.answers_call
            if one.from_kafka:
                heard.add(envelope.id.bytes)
                seen += envelope.id.bytes
            outcome.said.extend(self._envelop(message, envelope, index) for index, message in enumerate(step.out))
            if one.answer is not None:
                outcome.answers.append((one.answer, step.state))
        if last is not None:
            changed = self._row(case_id, row, loaded, *last, seen, outcome)
            if row is not None and changed.call == row.call and not answered:
                changed.call_at = row.call_at  # the same question, being put or planned already
            outcome.changed.append(changed)

    def _row(
        self,
        case_id: str,
        row: Row | None,
        loaded: S | None,
        step: Step[S],
        envelope: Envelope[Message],
        seen: bytes,
        outcome: _Outcome,
    ) -> Row:
        """The case's row after its last step."""
        unchanged = row is not None and step.state is loaded
        wake_at = self._wake_at(row, step)
        if wake_at is not None:
            outcome.wakes.append(wake_at)
        call = call_at = None
        if step.call is not None:
            call = step.call.model_dump_json()
            call_at = self.clock.after(step.call_after)
            outcome.calls += 1
        closed_at = None
        if step.closed:
            closed_at = row.closed_at if row and row.closed_at else envelope.time
        return Row(
            case_id=case_id,
            version=row.version + 1 if row else 1,
            state=row.state if row is not None and unchanged else step.state.model_dump_json(exclude_defaults=True),
            seen=seen[-16 * store.SEEN_KEPT :],
            closed_at=closed_at,
            wake_at=wake_at,
            call=call,
            call_at=call_at,
        )

    def _wake_at(self, row: Row | None, step: Step[S]) -> datetime | None:
        """When to wake the case next: at its deadline, or when it has waited long enough for an answer.

        An alarm that leaves at least half of the patience stays as it is: PostgreSQL writes a row whose indexed
        columns have not changed at a fraction of the price (heap-only tuples).
        """
        if step.again is None:
            return step.wake
        wanted = self.clock.after(step.again)
        if step.wake is not None:
            wanted = min(wanted, step.wake)
        if row is not None and row.wake_at is not None and self.clock.after(step.again / 2) <= row.wake_at <= wanted:
            return row.wake_at
        return wanted

    def _envelop(self, message: Message, cause: Envelope[Message], index: int) -> Envelope[Message]:
        return envelop(
            message,
            id=derive_id(cause.id, self.source, index),
            source=self.source,
            subject=cause.subject,
            time=cause.time,
            cause=cause.id,
        )

    def _refuse(
        self, one: Received, reason: str, outcome: _Outcome, *, blocking: bool = False, error: Exception | None = None
    ) -> None:
        """A message that the core will not take: a dead letter, and an answer to whoever waits for one."""
        if one.answer is not None:
            outcome.answers.append((one.answer, error or Impossible(reason)))
        if one.raw is not None:
            subject = one.envelope.subject
            letter = dead_letter(reason, one.topic, one.origin, subject.encode(), one.raw, subject, blocking)
            outcome.letters.append(replace(letter, message_id=one.envelope.id))
        elif one.answer is None:
            log.error(
                "not taken",
                case_id=one.envelope.subject,
                message_id=str(one.envelope.id),
                type=one.envelope.type,
                reason=reason,
            )


def dead_letter(
    reason: str,
    topic: str,
    origin: str,
    key: bytes | None,
    value: bytes | None,
    case_id: str = "",
    blocking: bool = False,
) -> DeadLetter:
    """A letter with an id of its content, so that the same record parked twice is one letter."""
    digest = blake2b(digest_size=16)
    for part in (topic.encode(), key or b"", value or b""):
        digest.update(len(part).to_bytes(4, "big") + part)
    return DeadLetter(UUID(bytes=digest.digest()), case_id, reason, topic, origin, key, value, blocking)


def _later(row: Row, wake_at: datetime) -> Row:
    return replace(row, version=row.version + 1, wake_at=wake_at)


def _said(envelope: Envelope[Message]) -> Said:
    return Said(envelope.subject, envelope.id, topic_of(envelope.data), encode(envelope))


def _woken_id(case_id: str, version: int) -> UUID:
    return UUID(bytes=blake2b(b"%b/%d" % (case_id.encode(), version), digest_size=16).digest())
