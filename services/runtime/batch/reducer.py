"""What a batch leads to: each case's messages folded into its state by the core, and what follows from that.

No statement is made here: `batch` reads the cases before and writes the outcome after.
"""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from contracts.core import InvalidMessage, Step
from contracts.envelope import Envelope, Message, follow
from contracts.registry import topic_of
from contracts.values import Value
from services.runtime import telemetry
from services.runtime.clock import machine_now
from services.runtime.external_system import ExternalCall
from services.runtime.service import Service
from services.runtime.store import cases
from services.runtime.store.cases import CaseRow
from services.runtime.store.dead_letters import DeadLetter, make_dead_letter

S = TypeVar("S", bound=Value)

log = telemetry.logger(__name__)


@dataclass(slots=True)
class InboundMessage:
    """A message on its way into the core.

    ``origin``, ``topic`` and ``raw`` say where a Kafka record came from; a message of our own has none and its
    ``answer`` is told what became of it. ``is_call_result``: it is what the outside world said to the open question.
    """

    envelope: Envelope[Message]
    origin: str = ""
    topic: str = ""
    raw: bytes | None = None
    reply: "asyncio.Future[Value] | None" = None
    is_call_result: bool = False

    @property
    def from_kafka(self) -> bool:
        return self.raw is not None

    def dead_letter(self, reason: str, *, blocking: bool) -> DeadLetter:
        """This message, which came from Kafka, as a dead letter."""
        case_id = self.envelope.subject
        letter = make_dead_letter(reason, self.topic, self.origin, case_id.encode(), self.raw, case_id, blocking)
        return replace(letter, message_id=self.envelope.id)


class CallScheduler(Protocol):
    """Who puts questions to the outside world, and may take one on in the very commit that opens it."""

    def reserve(self) -> datetime | None:
        """Room for one more question: the end of its lease, or None when there is none now."""

    def start(self, calls: Sequence[ExternalCall]) -> None:
        """Put these questions: the commit that leases them is done."""

    def release(self, calls: Sequence[ExternalCall]) -> None:
        """These will not be put: the commit failed."""


@dataclass(slots=True)
class LoadedCase(Generic[S]):
    """A case as it was last written: its row, and its state decoded."""

    row: CaseRow
    state: S


@dataclass(slots=True)
class BatchResult(Generic[S]):
    """What a batch has led to so far; thrown away and made anew if the batch has to be done again."""

    case_ids: Sequence[str] = ()
    changed: list[LoadedCase[S]] = field(default_factory=list)
    blocked: set[str] = field(default_factory=set)
    """Cases with a parked message that later ones wait behind. They are not remembered."""
    messages: list[Envelope[Message]] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    replies: list[tuple["asyncio.Future[Value]", Value | Exception]] = field(default_factory=list)
    timers: list[datetime] = field(default_factory=list)
    retries: list[datetime] = field(default_factory=list)
    leased_calls: list[ExternalCall] = field(default_factory=list)
    planned_calls: int = 0
    duplicates: int = 0


class CaseReducer(Generic[S]):
    """Folds messages with a service's core. ``topics``: those there are to say something on; None for all."""

    def __init__(self, service: Service[S], topics: Collection[str] | None) -> None:
        self.service = service
        self.core = service.core
        """By the edition of the rules that is in force."""
        self._topics = topics
        self.source = f"/onedoor/{service.name}"
        self.caller: CallScheduler | None = None

    def reduce(
        self, case_id: str, known: LoadedCase[S] | None, received: Iterable[InboundMessage], outcome: BatchResult[S]
    ) -> bool:
        """Fold one case's messages into its state, in the order in which they came; whether any was taken."""
        processed_ids = known.row.processed_ids if known else b""
        heard = {processed_ids[at : at + 16] for at in range(0, len(processed_ids), 16)}
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
            except InvalidMessage as error:
                self._refuse(one, str(error), outcome, error=error)
                continue
            except Exception as error:
                log.exception("the core failed", case_id=case_id, message_id=str(envelope.id), type=envelope.type)
                self._refuse(one, f"the core failed: {type(error).__name__}", outcome, blocking=True, error=error)
                stopped = one.from_kafka
                continue
            state = step.state
            last = step, envelope
            answered = answered or one.is_call_result
            if one.from_kafka:
                heard.add(envelope.id.bytes)
                processed_ids += envelope.id.bytes
            outcome.messages.extend(
                follow(message, envelope, self.source, index) for index, message in enumerate(step.out)
            )
            if one.reply is not None:
                outcome.replies.append((one.reply, step.state))
        if last is not None:
            outcome.changed.append(self._changed(case_id, known, *last, processed_ids, outcome, answered=answered))
        if stopped:
            outcome.blocked.add(case_id)
        return last is not None

    def _changed(
        self,
        case_id: str,
        known: LoadedCase[S] | None,
        step: Step[S],
        envelope: Envelope[Message],
        processed_ids: bytes,
        outcome: BatchResult[S],
        *,
        answered: bool,
    ) -> LoadedCase[S]:
        """The case after its last step."""
        row = known.row if known else None
        unchanged = known is not None and step.state is known.state
        retry_at = _again_at(row, step)
        if step.timer_at is not None:
            outcome.timers.append(step.timer_at)
        if retry_at is not None:
            outcome.retries.append(retry_at)
        closed_at = None
        if step.closed:
            closed_at = row.closed_at if row and row.closed_at else envelope.time
        changed = CaseRow(
            case_id=case_id,
            version=row.version + 1 if row else 1,
            state=row.state if row is not None and unchanged else step.state.model_dump_json(exclude_defaults=True),
            processed_ids=processed_ids[-16 * cases.MAX_PROCESSED_IDS :],
            timer_at=step.timer_at,
            retry_at=retry_at,
            call_due_at=self._call_at(case_id, None if answered else known, step, outcome),
            closed_at=closed_at,
        )
        return LoadedCase(changed, step.state)

    def _call_at(
        self, case_id: str, known: LoadedCase[S] | None, step: Step[S], outcome: BatchResult[S]
    ) -> datetime | None:
        """When to put the case's question. One that is wanted now is taken on in this commit if there is room.

        ``known``: the case before, unless its question has just been answered.
        """
        if step.call is None:
            return None
        if (
            known is not None
            and known.row.call_due_at is not None
            and self.service.pending_request(known.state) == step.call
        ):
            return known.row.call_due_at  # being put or planned already
        if not step.call_after and self.caller is not None and (lease_until := self.caller.reserve()):
            outcome.leased_calls.append(ExternalCall(case_id, step.call))
            return lease_until
        outcome.planned_calls += 1
        return machine_now() + step.call_after

    def _must_be_sayable(self, messages: Iterable[Message]) -> None:
        """Raise `InvalidMessage` for a message on a topic that this installation does not have: it has no consumers."""
        for message in messages:
            if self._topics is not None and (topic := topic_of(message)) not in self._topics:
                raise InvalidMessage(f"{topic} is no topic of this installation")

    def _refuse(
        self,
        one: InboundMessage,
        reason: str,
        outcome: BatchResult[S],
        *,
        blocking: bool = False,
        error: Exception | None = None,
    ) -> None:
        """A message that the core will not take: a dead letter, and an answer to whoever waits for one."""
        if one.reply is not None:
            outcome.replies.append((one.reply, error or InvalidMessage(reason)))
        if one.from_kafka:
            outcome.dead_letters.append(one.dead_letter(reason, blocking=blocking))
        elif one.reply is None:
            log.error(
                "not taken",
                case_id=one.envelope.subject,
                message_id=str(one.envelope.id),
                type=one.envelope.type,
                reason=reason,
            )


def _again_at(row: CaseRow | None, step: Step[S]) -> datetime | None:
    """Until when to wait for an answer.

    An alarm that leaves at least half of the patience stays as it is: PostgreSQL writes a row whose indexed columns
    have not changed at a fraction of the price (heap-only tuples).
    """
    if step.retry_after is None:
        return None
    now = machine_now()
    if (
        row is not None
        and row.retry_at is not None
        and now + step.retry_after / 2 <= row.retry_at <= now + step.retry_after
    ):
        return row.retry_at
    return now + step.retry_after
