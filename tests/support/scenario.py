"""Given these messages, when one more comes, then this follows: the form of every test of a core by example."""

from collections.abc import Iterable
from datetime import datetime
from typing import Generic, Self, TypeVar
from uuid import UUID, uuid4

import pytest

from contracts.core import Core, InvalidMessage, Transition
from contracts.envelope import Envelope, Message, envelop
from contracts.values import Value
from tests.support.messages import CASE_ID, MONDAY

S = TypeVar("S", bound=Value)
M = TypeVar("M", bound=Message)

At = tuple[Message, datetime]
"""A message and the moment of its envelope."""


def enveloped(message: Message, time: datetime, case_id: str = CASE_ID, id: UUID | None = None) -> Envelope[Message]:
    """A message in its envelope."""
    return envelop(message, id=id or uuid4(), source="/test", subject=case_id, time=time)


def of_type(kind: type[M], messages: Iterable[Message]) -> list[M]:
    """Those of the messages that have this type."""
    return [message for message in messages if isinstance(message, kind)]


def only(kind: type[M], messages: Iterable[Message]) -> M:
    """The one message there is, which has this type."""
    (message,) = messages
    assert isinstance(message, kind)
    return message


class Scenario(Generic[S]):
    """One case of one core: its state, its last transition, and all that it has published.

    A test may replace the core by one with other rules.
    """

    def __init__(self, core: Core[S], case_id: str = CASE_ID) -> None:
        self.core = core
        self.state: S | None = None
        self.published: list[Message] = []
        self._case_id = case_id
        self._last: Transition[S] | None = None
        self._now = MONDAY

    @property
    def case(self) -> S:
        """The state after the first message."""
        assert self.state is not None
        return self.state

    @property
    def last(self) -> Transition[S]:
        """The transition by the last message."""
        assert self._last is not None
        return self._last

    def given(self, *messages: At | Message) -> Self:
        """Process these messages."""
        for one in messages:
            message, time = (one, None) if isinstance(one, Message) else one
            self.when(message, time)
        return self

    def when(self, message: Message, time: datetime | None = None) -> tuple[Message, ...]:
        """Process one more message, without a time at that of the message before. Returns what the core publishes."""
        self._now = time or self._now
        self._last = self.core(self.state, enveloped(message, self._now, self._case_id))
        self.state = self._last.state
        self.published.extend(self._last.out)
        return self._last.out

    def refuses(
        self,
        message: Message,
        time: datetime | None = None,
        reason: str | None = None,
        error: type[Exception] = InvalidMessage,
    ) -> Exception:
        """Assert that the core refuses the message, for a reason that the expression matches; the state stays.

        Returns the error.
        """
        with pytest.raises(error, match=reason) as refused:
            self.core(self.state, enveloped(message, time or self._now, self._case_id))
        return refused.value
