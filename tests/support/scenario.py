"""Given these messages, when one more comes, then this follows: the form of every test of a core by example."""

from collections.abc import Iterable
from datetime import datetime
from typing import Generic, Self, TypeVar
from uuid import UUID, uuid4

import pytest

from contracts.core import Core, InvalidMessage, Transition
from contracts.envelope import Envelope, Message, envelop
from contracts.values import Value
from tests.support.messages import CASE_ID

S = TypeVar("S", bound=Value)

At = tuple[Message, datetime]
"""A message and the moment of its envelope."""


def sealed(message: Message, time: datetime, case_id: str = CASE_ID, id: UUID | None = None) -> Envelope[Message]:
    """A message in its envelope."""
    return envelop(message, id=id or uuid4(), source="/test", subject=case_id, time=time)


class Scenario(Generic[S]):
    """One case of one core: its state, its last step, and all that it has published."""

    def __init__(self, core: Core[S], case_id: str = CASE_ID) -> None:
        self._core = core
        self._case_id = case_id
        self.state: S | None = None
        self.step: Transition[S] | None = None
        self.published: list[Message] = []

    def given(self, *messages: At) -> Self:
        """Fold these messages."""
        for message, time in messages:
            self.when(message, time)
        return self

    def when(self, message: Message, time: datetime) -> tuple[Message, ...]:
        """Fold one more message; what it makes the core publish."""
        self.step = self._core(self.state, sealed(message, time, self._case_id))
        self.state = self.step.state
        self.published.extend(self.step.out)
        return self.step.out

    def refuses(self, message: Message, time: datetime, reason: str, error: type[Exception] = InvalidMessage) -> None:
        """Assert that the core refuses the message, for a reason that the expression matches; the state stays."""
        with pytest.raises(error, match=reason):
            self._core(self.state, sealed(message, time, self._case_id))

    def published_of(self, kind: type[Message]) -> list[Message]:
        """What has been published of one type."""
        return [message for message in self.published if isinstance(message, kind)]


def folded(core: Core[S], messages: Iterable[At], case_id: str = CASE_ID) -> Scenario[S]:
    """The scenario after these messages."""
    return Scenario(core, case_id).given(*messages)
