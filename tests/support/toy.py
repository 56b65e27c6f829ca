"""A service with no business, by which the host is tested.

It hears ``AlertWithdrawn`` and does what the reason says: count, say so many messages, wake, call, close, fail.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID, uuid4

from contracts.codec import encode
from contracts.core import InvalidMessage, Step
from contracts.envelope import Envelope, Instant, Message, TimerFired, envelop
from contracts.messages.alerts import AlertWithdrawn, Rung
from contracts.messages.cases import CaseStateRequested
from contracts.values import Value
from services.runtime.batch.message import InboundMessage
from services.runtime.external_system import ExternalCall, InvalidNotification, Notification
from services.runtime.service import Service
from services.runtime.settings import Settings

AT = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
TOPIC = "onedoor.alerts"


class Question(Message):
    """What the toy asks the outside world."""

    type: ClassVar[str] = "onedoor.toy.question.v1"

    asks: str


class Answer(Message):
    """What it is told."""

    type: ClassVar[str] = "onedoor.toy.answer.v1"

    says: str


class Tally(Value):
    """The toy's state."""

    heard: tuple[str, ...] = ()
    wake: Instant | None = None
    asking: str | None = None
    answers: tuple[str, ...] = ()
    woken: int = 0
    closed: bool = False


def question(tally: Tally) -> Question | None:
    """What the toy wants to know."""
    return Question(asks=tally.asking) if tally.asking else None


def handle(state: Tally | None, envelope: Envelope[Message]) -> Step[Tally]:
    """Do as the message says."""
    tally = state or Tally()
    out: tuple[Message, ...] = ()
    match envelope.data:
        case AlertWithdrawn(reason=reason):
            tally = tally.model_copy(update={"heard": (*tally.heard, reason)})
            word, _, argument = reason.partition(" ")
            if word == "impossible":
                raise InvalidMessage("the toy will not have it")
            if word == "fail":
                raise RuntimeError("a fault in the core")
            if word == "say":
                out = (CaseStateRequested(),) * int(argument)
            if word == "wake":
                tally = tally.model_copy(update={"wake": datetime.fromisoformat(argument)})
            if word == "ask":
                tally = tally.model_copy(update={"asking": argument})
            if word == "close":
                tally = tally.model_copy(update={"closed": True})
        case TimerFired():
            tally = tally.model_copy(update={"woken": tally.woken + 1, "wake": None})
            out = (CaseStateRequested(),)
        case Answer(says="impossible"):
            raise InvalidMessage("the toy will not have it")
        case Answer(says=says):
            keep = says.startswith("failed")
            update: dict[str, Any] = {"answers": (*tally.answers, says)}
            tally = tally.model_copy(update=update if keep else update | {"asking": None})
    return Step(tally, out, timer_at=tally.wake, call=question(tally), closed=tally.closed)


def toy(**changes: Any) -> Service[Tally]:
    """The toy as a service."""
    parts: dict[str, Any] = {
        "name": "toy",
        "core": handle,
        "state": Tally,
        "consumes": (AlertWithdrawn,),
        "migrations": Path(__file__).parent / "toy_migrations",
        "pending_request": question,
        "call_failed": lambda call, error: Answer(says=f"failed: {error}"),
    }
    return Service(**parts | changes)


def settings(database: str, **changes: Any) -> Settings:
    """Settings of a toy process."""
    parts: dict[str, Any] = {
        "service": "toy",
        "systems": ("toy",),
        "database": database,
        "secret_key": "k" * 32,
        "partitions": 2,
    }
    return Settings(**parts | changes)


def case(number: int) -> str:
    """The number of one of the toy's cases."""
    return f"{number // 10_000:04d}-{number % 10_000:04d}-0000-0"


def said(reason: str, case_id: str, id: UUID | None = None) -> Envelope[AlertWithdrawn]:
    """A message that tells the toy what to do."""
    data = AlertWithdrawn(commitment="case", rung=Rung.YELLOW, reason=reason, withdrawn_at=AT)
    return envelop(data, id=id or uuid4(), source="/test", subject=case_id, time=AT)


def from_kafka(envelope: Envelope[Message]) -> InboundMessage:
    """The same as the consumer would bring it."""
    return InboundMessage(envelope, "partition 0, offset 0", TOPIC, encode(envelope))


class Office:
    """An outside world that can be told how to behave, and counts what it is asked."""

    batch_size = 10

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.done: set[str] = set()
        self.fault: Exception | None = None
        self.says = "done"
        self.gate = asyncio.Event()
        self.gate.set()
        self.news: dict[int, Notification | InvalidNotification] = {}
        self.at_once = 0
        self.most_at_once = 0

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def call(self, calls: Sequence[ExternalCall]) -> Sequence[Message | Exception]:
        self.at_once += len(calls)
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.asked.update(call.case_id for call in calls)
        await self.gate.wait()
        self.at_once -= len(calls)
        if self.fault is not None:
            return [self.fault] * len(calls)
        self.done.update(call.case_id for call in calls)
        return [Answer(says=self.says) for _ in calls]

    async def poll(self, limit: int) -> Sequence[Notification | InvalidNotification]:
        return list(self.news.values())[:limit]

    async def acknowledge(self, receipts: Sequence[Any]) -> None:
        for receipt in receipts:
            self.news.pop(receipt, None)


async def eventually(condition: Any, seconds: float = 20.0) -> None:
    """Wait until a condition holds; fail if it does not within that time."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not await condition():
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"still not so after {seconds} s: {condition.__name__}")
        await asyncio.sleep(0.02)
