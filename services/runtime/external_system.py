"""The port of a service to a system outside of onedoor."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from contracts.bilingual import BilingualError
from contracts.envelope import Message


@dataclass(frozen=True, slots=True)
class ExternalCall:
    """The open external call of a case: a request to the external system."""

    case_id: str
    request: Message


@dataclass(frozen=True, slots=True)
class Notification:
    """A message that the external system sent without a call. ``ack_token`` is for `ExternalSystem.acknowledge`."""

    case_id: str
    message: Message
    ack_token: Any


KEPT_BYTES = 64 * 1024
"""The part of a reply that is kept."""


class ParkedFailure(BilingualError):
    """A failure of one call that a person must settle. It becomes a dead letter, and the call stays open.

    The beginning of ``raw`` is stored with the dead letter, so that an operator can see it.
    """

    def __init__(self, en: str, zh: str, raw: bytes = b"") -> None:
        super().__init__(en, zh)
        self.raw = raw[:KEPT_BYTES]


class UnparseableReply(ParkedFailure):
    """A reply that cannot be parsed."""


class RequestRefused(ParkedFailure):
    """The external system is available and refuses this request, whenever it is made."""


class SystemAway(Exception):
    """The external system answers that it cannot work now. ``retry_after_s``: machine seconds for which it asks not to
    be called again; 0 where it names no time."""

    def __init__(self, reason: str, retry_after_s: float = 0.0) -> None:
        super().__init__(f"{reason}, and asks to wait for {retry_after_s:g} s" if retry_after_s else reason)
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class InvalidNotification:
    """A notification that cannot be parsed. ``case_id`` is None unless that much can be read, and ``ack_token`` is
    None if it cannot be acknowledged."""

    error: UnparseableReply
    ack_token: Any
    case_id: str | None = None


class ExternalSystem(Protocol):
    """An external system as one service sees it. Every method may be slow, fail, or be called twice."""

    batch_size: int
    """The most calls in one `call`; 1 where each call is a request of its own."""

    async def open(self) -> None:
        """Make connections. Must not fail because the external system is unavailable."""

    async def close(self) -> None:
        """Close the connections."""

    async def call(self, calls: Sequence[ExternalCall]) -> Sequence[Message | Exception]:
        """Make each call. Returns for each its reply, or the exception that it met, in the order of ``calls``.

        Must be safe to repeat: the same request takes effect once. `ParkedFailure` becomes a dead letter. Any other
        exception counts for the circuit breaker, and `SystemAway` may open it for a time. The call is made again.
        """

    async def poll(self, limit: int) -> Sequence[Notification | InvalidNotification]:
        """New notifications, at most ``limit``. The same ones are returned until they are acknowledged."""

    async def acknowledge(self, ack_tokens: Sequence[Any]) -> None:
        """Confirm that these notifications have been committed and need not be returned again."""
