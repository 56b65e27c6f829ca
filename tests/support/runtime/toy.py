"""A toy service by which the runtime is tested.

It consumes `AlertWithdrawn` and follows the instruction in its reason: count, publish so many messages, set a timer,
make a call, close, fail.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

from contracts.codec import encode
from contracts.core import EarlyRequest, InvalidMessage, Transition
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


class Request(Message):
    """The toy's request to its external system."""

    type: ClassVar[str] = "onedoor.toy.request.v1"

    text: str


class Reply(Message):
    """The result of the request."""

    type: ClassVar[str] = "onedoor.toy.reply.v1"

    text: str


class Tally(Value):
    """The state of the toy."""

    instructions: tuple[str, ...] = ()
    timer_at: Instant | None = None
    request: str | None = None
    answers: tuple[str, ...] = ()
    fired: int = 0
    closed: bool = False


def pending_request(tally: Tally) -> Request | None:
    """The open request of the toy."""
    return Request(text=tally.request) if tally.request else None


def handle(state: Tally | None, envelope: Envelope[Message]) -> Transition[Tally]:
    """Follow the instruction of the message."""
    tally = state or Tally()
    out: tuple[Message, ...] = ()
    match envelope.data:
        case AlertWithdrawn(reason=instruction):
            tally = tally.replace(instructions=(*tally.instructions, instruction))
            verb, _, argument = instruction.partition(" ")
            if verb == "impossible":
                raise InvalidMessage("impossible for the toy", "玩具做不到")
            if verb == "early" and state is None:
                raise EarlyRequest(envelope.subject)
            if verb == "fail":
                raise RuntimeError("a fault in the core")
            if verb == "publish":
                out = (CaseStateRequested(),) * int(argument)
            if verb == "timer":
                tally = tally.replace(timer_at=datetime.fromisoformat(argument))
            if verb == "call":
                tally = tally.replace(request=argument)
            if verb == "close":
                tally = tally.replace(closed=True)
        case TimerFired():
            tally = tally.replace(fired=tally.fired + 1, timer_at=None)
            out = (CaseStateRequested(),)
        case Reply(text="impossible"):
            raise InvalidMessage("impossible for the toy", "玩具做不到")
        case Reply(text=text):
            tally = tally.replace(answers=(*tally.answers, text))
            if not text.startswith("failed"):
                tally = tally.replace(request=None)
    return Transition(tally, out, timer_at=tally.timer_at, call=pending_request(tally), closed=tally.closed)


def toy(**changes: Any) -> Service[Tally]:
    """The declaration of the toy."""
    parts: dict[str, Any] = {
        "name": "toy",
        "core": handle,
        "state": Tally,
        "consumes": (AlertWithdrawn,),
        "migrations": Path(__file__).parent / "toy_migrations",
        "pending_request": pending_request,
        "call_failed": lambda call, error: Reply(text=f"failed: {error}"),
    }
    return Service(**parts | changes)


def settings(database: str, **changes: Any) -> Settings:
    """Settings of a toy process."""
    parts: dict[str, Any] = {
        "service": "toy",
        "systems": ("toy",),
        "database": database,
        "secret_key": "k" * 32,
        "documents_key": "k" * 32,
        "partitions": 2,
    }
    return Settings(**parts | changes)


def case(number: int) -> str:
    """The number of one of the toy's cases."""
    return f"{number // 10_000:04d}-{number % 10_000:04d}-0000-0"


def instruction(reason: str, case_id: str) -> Envelope[AlertWithdrawn]:
    """A message with an instruction for the toy."""
    data = AlertWithdrawn(commitment="case", rung=Rung.YELLOW, reason=reason, withdrawn_at=AT)
    return envelop(data, id=uuid4(), source="/test", subject=case_id, time=AT)


def from_kafka(envelope: Envelope[Message]) -> InboundMessage:
    """The message as the consumer brings it."""
    return InboundMessage(envelope, "partition 0, offset 0", TOPIC, encode(envelope))


class FakeSystem:
    """An external system with a settable behaviour, which counts its calls."""

    batch_size = 10

    def __init__(self) -> None:
        self.called: Counter[str] = Counter()
        self.done: set[str] = set()
        self.fault: Exception | None = None
        """What every call meets."""
        self.faults: dict[str, Exception] = {}
        """What the calls of single cases meet."""
        self.polls = 0
        self.poll_fault: Exception | None = None
        self.reply = "done"
        self.gate = asyncio.Event()
        self.gate.set()
        self.notifications: dict[int, Notification | InvalidNotification] = {}
        self.under_way = 0
        self.most_under_way = 0

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def call(self, calls: Sequence[ExternalCall]) -> Sequence[Message | Exception]:
        self.under_way += len(calls)
        self.most_under_way = max(self.most_under_way, self.under_way)
        self.called.update(call.case_id for call in calls)
        await self.gate.wait()
        self.under_way -= len(calls)
        if self.fault is not None:
            return [self.fault] * len(calls)
        self.done.update(call.case_id for call in calls if call.case_id not in self.faults)
        return [self.faults.get(call.case_id) or Reply(text=self.reply) for call in calls]

    async def poll(self, limit: int) -> Sequence[Notification | InvalidNotification]:
        self.polls += 1
        if self.poll_fault is not None:
            raise self.poll_fault
        return list(self.notifications.values())[:limit]

    async def acknowledge(self, ack_tokens: Sequence[Any]) -> None:
        for ack_token in ack_tokens:
            self.notifications.pop(ack_token, None)
