"""What a core is: a pure function from state and message to the next step."""

from datetime import datetime, timedelta
from typing import Generic, NamedTuple, Protocol, TypeVar

from contracts.envelope import Envelope, Message
from contracts.values import Value

S = TypeVar("S", bound=Value)


class Step(NamedTuple, Generic[S]):
    """What a core answers to one message: the case's new state, and what is to happen next.

    There are two kinds of time. Lawful time (deadlines) is a moment of the clock that all services share, and
    that clock may be set or sped up: ``wake``. Patience (asking again, backing off) is machine time, counted
    from now whatever the clock does: ``again`` and ``call_after``.

    ``out``: messages to say, in this order, in the same commit as the state.
    ``wake``: the next moment of the clock at which this case wants a ``TimerFired``; ``None`` for never.
    ``again``: the case wants a ``TimerFired`` if nothing is heard for so long; ``None`` for no open question.
    ``call``: the one question this case now wants put to the outside world, after ``call_after``.
    ``closed``: nothing more is expected for this case; it may be forgotten after the retention time.
    """

    state: S
    out: tuple[Message, ...] = ()
    timer_at: datetime | None = None
    retry_after: timedelta | None = None
    call: Message | None = None
    call_after: timedelta = timedelta()
    closed: bool = False


def backoff(attempts: int, first: timedelta, longest: timedelta) -> timedelta:
    """How long to wait for an answer after having asked ``asked`` times: ``first``, doubling, to ``longest``."""
    doublings = max(0, attempts - 1)
    return longest if doublings > 30 else min(longest, first * 2**doublings)


class Core(Protocol[S]):
    """The pure part of a service: one function from state and message to the next step."""

    def __call__(self, state: S | None, envelope: Envelope[Message]) -> Step[S]: ...


class InvalidMessage(Exception):
    """The message cannot be true of this case as the service knows it; it becomes a dead letter."""


class UnknownCase(InvalidMessage):
    """The message speaks of a case that this service has never heard of."""

    def __init__(self, case_id: str) -> None:
        super().__init__(f"case {case_id} is unknown here")


class Rejected(InvalidMessage):
    """What somebody asks for cannot be done as things stand; the message says why, in English and in Chinese."""

    def __init__(self, why: str, why_zh: str) -> None:
        super().__init__(why)
        self.why, self.why_zh = why, why_zh
