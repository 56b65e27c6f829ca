"""The interface of a core: a pure function from state and message to the next transition."""

from datetime import datetime, timedelta
from typing import Generic, NamedTuple, Protocol, TypeVar

from contracts.bilingual import BilingualError
from contracts.envelope import Envelope, Message
from contracts.values import Value

S = TypeVar("S", bound=Value)
Wait = TypeVar("Wait", float, timedelta)


class Transition(NamedTuple, Generic[S]):
    """The result of a core for one message: the new state of the case, and what happens next.

    There are two kinds of time. Deadlines (``timer_at``) are moments of the shared clock of all services, which may be
    set or sped up. Retries (``retry_after``, ``call_after``) are machine time, counted from now whatever that clock
    shows.

    ``out``: messages to publish, in this order, in the same commit as the state.
    ``timer_at``: the next moment of the shared clock at which the case receives `TimerFired`; None for never.
    ``retry_after``: the case receives `TimerFired` if no message arrives for so long; None if it awaits no answer.
    ``call``: the one request that the case now has open to the external system, due after ``call_after``.
    ``closed``: no more messages are expected; the case may be deleted after the retention time.
    """

    state: S
    out: tuple[Message, ...] = ()
    timer_at: datetime | None = None
    retry_after: timedelta | None = None
    call: Message | None = None
    call_after: timedelta = timedelta()
    closed: bool = False


def backoff(attempts: int, first: Wait, longest: Wait) -> Wait:
    """How long to wait after so many attempts: ``first``, doubling up to ``longest``."""
    doublings = max(0, attempts - 1)
    return longest if doublings > 30 else min(longest, first * 2**doublings)


class Core(Protocol[S]):
    """The pure part of a service: one function from state and message to the next transition."""

    def __call__(self, state: S | None, envelope: Envelope[Message]) -> Transition[S]: ...


class InvalidMessage(BilingualError):
    """The message contradicts the state of its case. It becomes a dead letter."""


class UnknownCase(InvalidMessage):
    """The message is about a case that this service does not know."""

    def __init__(self, case_id: str) -> None:
        super().__init__(f"case {case_id} is unknown here", f"此处没有办件 {case_id}")


class EarlyRequest(UnknownCase):
    """A request of another service about a case whose acceptance has not arrived yet.

    It is on another topic than the acceptance, so it may overtake it. It is dropped: its sender repeats it until it is
    answered, and alerts operations if it never is.
    """


class Rejected(InvalidMessage):
    """A command that is not possible in the present state."""
