"""What a batch leads to: each case's messages folded into its state by the core, and what follows from that.

No statement is made here: `batch` reads the cases before and writes the outcome after.
"""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import blake2b
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from contracts.core import Impossible, Step
from contracts.envelope import Envelope, Message, follow
from contracts.registry import topic_of
from contracts.values import Value
from services.runtime import telemetry
from services.runtime.clock import machine_now
from services.runtime.service import Call, Service
from services.runtime.store import cases
from services.runtime.store.cases import Row
from services.runtime.store.dead_letters import DeadLetter

S = TypeVar("S", bound=Value)

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

    def letter(self, reason: str, *, blocking: bool) -> DeadLetter:
        """This message, which came from Kafka, as a dead letter."""
        case_id = self.envelope.subject
        letter = dead_letter(reason, self.topic, self.origin, case_id.encode(), self.raw, case_id, blocking)
        return replace(letter, message_id=self.envelope.id)


class Caller(Protocol):
    """Who puts questions to the outside world, and may take one on in the very commit that opens it."""

    def reserve(self) -> datetime | None:
        """Room for one more question: the end of its lease, or None when there is none now."""

    def start(self, calls: Sequence[Call]) -> None:
        """Put these questions: the commit that leases them is done."""

    def release(self, calls: Sequence[Call]) -> None:
        """These will not be put: the commit failed."""


@dataclass(slots=True)
class Known(Generic[S]):
    """A case as it was last written: its row, and its state decoded."""

    row: Row
    state: S


@dataclass(slots=True)
class Outcome(Generic[S]):
    """What a batch has led to so far; thrown away and made anew if the batch has to be done again."""

    touched: Sequence[str] = ()
    changed: list[Known[S]] = field(default_factory=list)
    blocked: set[str] = field(default_factory=set)
    """Cases with a parked message that later ones wait behind. They are not remembered."""
    said: list[Envelope[Message]] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    answers: list[tuple["asyncio.Future[Value]", Value | Exception]] = field(default_factory=list)
    wakes: list[datetime] = field(default_factory=list)
    waits: list[datetime] = field(default_factory=list)
    leased: list[Call] = field(default_factory=list)
    calls: int = 0
    duplicates: int = 0


class Folder(Generic[S]):
    """Folds messages with a service's core. ``topics``: those there are to say something on; None for all."""

    def __init__(self, service: Service[S], topics: Collection[str] | None) -> None:
        self.service = service
        self.core = service.core
        """By the edition of the rules that is in force."""
        self._topics = topics
        self.source = f"/onedoor/{service.name}"
        self.caller: Caller | None = None

    def fold(self, case_id: str, known: Known[S] | None, received: Iterable[Received], outcome: Outcome[S]) -> bool:
        """Fold one case's messages into its state, in the order in which they came; whether any was taken."""
        seen = known.row.seen if known else b""
        heard = {seen[at : at + 16] for at in range(0, len(seen), 16)}
        state = known.state if known else None
        last: tuple[Step[S], Envelope[Message]] | None = None
        stopped = case_id in outcome.blocked
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
                step = self.core(state, envelope)
                self._must_be_sayable(step.out)
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
            outcome.said.extend(follow(message, envelope, self.source, index) for index, message in enumerate(step.out))
            if one.answer is not None:
                outcome.answers.append((one.answer, step.state))
        if last is not None:
            outcome.changed.append(self._changed(case_id, known, *last, seen, outcome, answered=answered))
        if stopped:
            outcome.blocked.add(case_id)
        return last is not None

    def _changed(
        self,
        case_id: str,
        known: Known[S] | None,
        step: Step[S],
        envelope: Envelope[Message],
        seen: bytes,
        outcome: Outcome[S],
        *,
        answered: bool,
    ) -> Known[S]:
        """The case after its last step."""
        row = known.row if known else None
        unchanged = known is not None and step.state is known.state
        again_at = _again_at(row, step)
        if step.wake is not None:
            outcome.wakes.append(step.wake)
        if again_at is not None:
            outcome.waits.append(again_at)
        closed_at = None
        if step.closed:
            closed_at = row.closed_at if row and row.closed_at else envelope.time
        changed = Row(
            case_id=case_id,
            version=row.version + 1 if row else 1,
            state=row.state if row is not None and unchanged else step.state.model_dump_json(exclude_defaults=True),
            seen=seen[-16 * cases.SEEN_KEPT :],
            wake_at=step.wake,
            again_at=again_at,
            call_at=self._call_at(case_id, None if answered else known, step, outcome),
            closed_at=closed_at,
        )
        return Known(changed, step.state)

    def _call_at(self, case_id: str, known: Known[S] | None, step: Step[S], outcome: Outcome[S]) -> datetime | None:
        """When to put the case's question. One that is wanted now is taken on in this commit if there is room.

        ``known``: the case before, unless its question has just been answered.
        """
        if step.call is None:
            return None
        if known is not None and known.row.call_at is not None and self.service.asks(known.state) == step.call:
            return known.row.call_at  # being put or planned already
        if not step.call_after and self.caller is not None and (lease_until := self.caller.reserve()):
            outcome.leased.append(Call(case_id, step.call))
            return lease_until
        outcome.calls += 1
        return machine_now() + step.call_after

    def _must_be_sayable(self, messages: Iterable[Message]) -> None:
        """Raise `Impossible` for a message on a topic that this installation does not have: nobody would hear it."""
        for message in messages:
            if self._topics is not None and (topic := topic_of(message)) not in self._topics:
                raise Impossible(f"{topic} is no topic of this installation")

    def _refuse(
        self,
        one: Received,
        reason: str,
        outcome: Outcome[S],
        *,
        blocking: bool = False,
        error: Exception | None = None,
    ) -> None:
        """A message that the core will not take: a dead letter, and an answer to whoever waits for one."""
        if one.answer is not None:
            outcome.answers.append((one.answer, error or Impossible(reason)))
        if one.from_kafka:
            outcome.letters.append(one.letter(reason, blocking=blocking))
        elif one.answer is None:
            log.error(
                "not taken",
                case_id=one.envelope.subject,
                message_id=str(one.envelope.id),
                type=one.envelope.type,
                reason=reason,
            )


def _again_at(row: Row | None, step: Step[S]) -> datetime | None:
    """Until when to wait for an answer.

    An alarm that leaves at least half of the patience stays as it is: PostgreSQL writes a row whose indexed columns
    have not changed at a fraction of the price (heap-only tuples).
    """
    if step.again is None:
        return None
    now = machine_now()
    if row is not None and row.again_at is not None and now + step.again / 2 <= row.again_at <= now + step.again:
        return row.again_at
    return now + step.again


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
