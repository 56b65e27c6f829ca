"""The port of a service to a system outside of onedoor."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from contracts.envelope import Message


@dataclass(frozen=True, slots=True)
class ExternalCall:
    """A question to the outside world that a case has open."""

    case_id: str
    request: Message


@dataclass(frozen=True, slots=True)
class Notification:
    """Something the outside world said by itself. ``receipt`` is what `ExternalSystem.acknowledge` wants back."""

    case_id: str
    message: Message
    receipt: Any


class UnparseableReply(Exception):
    """The outside world said something that cannot be understood: it is parked, and the question stays open.

    ``raw`` is kept with the dead letter, so that a person can see what was said.
    """

    def __init__(self, reason: str, raw: bytes = b"") -> None:
        super().__init__(reason)
        self.raw = raw


@dataclass(frozen=True, slots=True)
class InvalidNotification:
    """Something the outside world said by itself that cannot be understood. ``case_id`` if that much is clear."""

    error: UnparseableReply
    receipt: Any
    case_id: str | None = None


class ExternalSystem(Protocol):
    """The outside world as one service sees it. Everything here may be slow, fail, or happen twice."""

    batch_size: int
    """The most questions that are put in one `ask`. Where each is a request of its own, 1."""

    async def open(self) -> None:
        """Make connections. Must not fail because the other side is away."""

    async def close(self) -> None: ...

    async def call(self, calls: Sequence[ExternalCall]) -> Sequence[Message | Exception]:
        """Put each question and give its answer, or the exception that it met, in the order of ``calls``.

        Safe to repeat: the same question leads to the same thing in the outside world, once. `UnparseableReply` parks
        the answer; any other exception counts against the system's breaker and the question is put again.
        """

    async def poll(self, limit: int) -> Sequence[Notification | InvalidNotification]:
        """What has been said since, at most ``limit`` of it; the same again until it is acknowledged."""

    async def acknowledge(self, receipts: Sequence[Any]) -> None:
        """These have been committed and need not be said again."""
