"""X."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.core import Core
from contracts.envelope import Envelope, Message
from contracts.values import Value
from services.runtime.clock import Clock
from services.runtime.external_system import ExternalCall, ExternalSystem
from services.runtime.settings import Settings
from services.runtime.store.documents import Edition

S = TypeVar("S", bound=Value)

Statement = tuple[str, tuple[Any, ...]]
"""A statement to PostgreSQL and what its $1, $2 and so on stand for."""

Projection = Callable[[Sequence[Envelope[Message]]], Sequence[Statement]]
"""The statements that write the read models of a service, in the commit of the batch that says these messages.

Their number must not grow with the number of messages, and they must bear the same message again.
"""


class Loop(NamedTuple):
    """Something done again and again: `run_once` says whether there is more to do at once, else it waits."""

    name: str
    run_once: Callable[[], Awaitable[bool]]
    pause_s: float


class ServiceHost(Protocol[S]):
    """The process that runs a service, as far as the service may know it."""

    settings: Settings
    clock: Clock
    database: AsyncEngine
    """The database of this service, for reading and for its own tables. Cases are written by `command` alone."""
    stopping: asyncio.Event
    """Set when the process is to end: endless answers, such as streams, end then."""

    async def command(self, case_id: str, message: Message, *, time: datetime | None = None) -> S:
        """Handle one message of the service's own and return the state of the case after the commit.

        ``time`` is the moment at which it happened, now if there is none. Raises what the core raises,
        `queue.Overloaded` if too much is waiting, and `queue.Unavailable` if the database is away.
        """

    async def commands(
        self, messages: list[tuple[str, Message]], *, time: datetime | None = None
    ) -> list[S | BaseException]:
        """Handle several: for each, the state of its case after the commit, or the exception that it met.

        Raises `queue.Overloaded` at once, before any is taken, if too much is waiting.
        """

    async def read(self, case_id: str) -> S | None:
        """The state of a case as it was last committed, or None."""


@dataclass(frozen=True, slots=True)
class Service(Generic[S]):
    """A service: a pure core, and where it touches the world.

    ``name`` names its database, its consumer group and its CloudEvents source.
    ``asks``: the question to the outside world that a case in this state has open; the core's steps say the same.
    ``failed`` turns a failed call into the message that tells the core so.
    ``background``: loops of the service's own, beside those of the runtime.
    ``outbox_read_until``: a query that tells until when something of the service's own has read its outbox; what was
    said after that is not forgotten.
    ``rules``: where the service keeps to rules of which there are editions (`editions`), those that it comes with.
    ``under``: the core that keeps to an edition of them; raises `ValueError` for one that cannot be read.
    """

    name: str
    core: Core[S]
    state: type[S]
    consumes: tuple[type[Message], ...]
    migrations: Path
    pending_request: Callable[[S], Message | None] = lambda state: None
    call_failed: Callable[[ExternalCall, Exception], Message] | None = None
    external_system: Callable[[ServiceHost[S]], ExternalSystem] | None = None
    routes: Callable[[ServiceHost[S]], APIRouter] | None = None
    projection: Projection | None = None
    background: Callable[[ServiceHost[S]], Sequence[Loop]] | None = None
    outbox_read_until: str | None = None
    shipped_rules: Callable[[], Mapping[str, Any]] | None = None
    core_for: Callable[[Edition], Core[S]] | None = None
