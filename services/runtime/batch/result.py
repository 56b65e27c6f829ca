"""The cases of a batch as loaded, and the result of the batch so far."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

from contracts.envelope import Envelope, Message
from contracts.values import Value
from services.runtime.external_system import ExternalCall
from services.runtime.store.cases import CaseRow
from services.runtime.store.dead_letters import DeadLetter

S = TypeVar("S", bound=Value)


@dataclass(slots=True)
class LoadedCase(Generic[S]):
    """A case as it was last written: its row, and its state decoded."""

    row: CaseRow
    state: S


@dataclass(slots=True)
class BatchResult(Generic[S]):
    """Everything that one batch writes, publishes and replies. A batch that is retried starts with an empty one."""

    case_ids: Sequence[str] = ()
    """All cases of the batch, changed or not."""
    changed: list[LoadedCase[S]] = field(default_factory=list)
    postponed: list[CaseRow] = field(default_factory=list)
    """Cases whose timer failed, with the time at which it is fired again. Their state is left as it is."""
    blocked: set[str] = field(default_factory=set)
    """Cases with a parked message that later messages must wait for. They are not cached."""
    messages: list[Envelope[Message]] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    replies: list[tuple["asyncio.Future[Value]", Value | Exception]] = field(default_factory=list)
    timers: list[datetime] = field(default_factory=list)
    retries: list[datetime] = field(default_factory=list)
    leased_calls: list[ExternalCall] = field(default_factory=list)
    """External calls that this process makes as soon as the batch is committed."""
    planned_calls: int = 0
    """External calls for later, by any process."""
    duplicates: int = 0
