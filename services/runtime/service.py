"""The declaration of a service, and the protocol by which the service sees its process."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from contracts.bilingual import Bilingual
from contracts.core import Core
from contracts.envelope import Document, Envelope, Message
from contracts.messages.processes import ProcessReported
from contracts.values import Value
from services.runtime.clock import Clock
from services.runtime.dead_letters.corrections import CorrectReply
from services.runtime.external_system import ExternalCall, ExternalSystem
from services.runtime.failures import ADVICE, Failures
from services.runtime.reported import Reports
from services.runtime.security.access import Access
from services.runtime.settings import Settings
from services.runtime.store.documents import VersionedDocument
from services.runtime.topic_reader import TopicReader

S = TypeVar("S", bound=Value)
D = TypeVar("D", bound=Document)

Statement = tuple[str, tuple[Any, ...]]
"""An SQL statement and its arguments for $1, $2 and so on."""

Projection = Callable[[Sequence[Envelope[Message]]], Sequence[Statement]]
"""Gives the statements that write the read models of a service, in the commit of the batch with these messages.

Their number must not grow with the number of messages, and the same message must be harmless a second time.
"""


Published = Callable[[AsyncConnection], Awaitable[Document | None]]
"""Gives the document in force that a service publishes; None where there is none yet."""


class Loop(NamedTuple):
    """A job that runs periodically. ``run_once`` returns whether there may be more to do at once.

    If not, the loop waits ``pause_s`` machine seconds. ``advice`` tells operators what to do while the job fails.
    """

    name: str
    run_once: Callable[[], Awaitable[bool]]
    pause_s: float
    advice: Bilingual = ADVICE


class ServiceHost(Protocol[S]):
    """The process that runs a service, as far as the service may know it."""

    settings: Settings
    clock: Clock
    database: AsyncEngine
    """The database of this service, for reading and for its own tables. Cases are written by `command` and
    `commands` alone."""
    access: Access
    """Who may do what."""
    stopping: asyncio.Event
    """Set when the process is to end: endless responses, such as streams, end then."""
    failures: Failures
    """The work of the process that fails again and again."""
    reports: Reports
    """The reports of all processes, where the service follows them."""

    @property
    def consumer(self) -> TopicReader:
        """The reader of its topics."""

    async def command(self, case_id: str, message: Message) -> S:
        """Process one message of the service's own, and return the state of the case after the commit.

        Raises what the core raises, `queue.Overloaded` if too many requests are waiting, and `queue.Unavailable` if the
        database is unavailable.
        """

    async def commands(self, messages: list[tuple[str, Message]]) -> list[S | BaseException]:
        """Process several: for each, the state of its case after the commit, or the exception that it met.

        Raises `queue.Overloaded` at once, before any is taken, if too many requests are waiting.
        """

    async def read(self, case_id: str) -> S | None:
        """The state of a case as it was last committed, or None."""

    def document(self, kind: type[D]) -> D | None:
        """The document of this kind that every process follows, as it is in force here; None before the first."""

    async def report(self) -> ProcessReported:
        """The state of this process as of now."""


@dataclass(frozen=True, slots=True)
class Service(Generic[S]):
    """The declaration of a service: a pure core, and its connections to the world.

    ``name`` names its database and its consumer group.
    ``state`` is the type of the core's state; ``consumes`` lists the messages that the core accepts from Kafka.
    ``migrations`` is the folder of its migration history.
    ``pending_request`` gives the request to the external system that a case in this state has open. It must agree with
    the ``call`` of the core's transitions.
    ``call_failed`` gives the message about a failed call for the core.
    ``external_system`` and ``routes`` make the port to the external system and the routes of the API.
    ``pages`` makes the routes of the pages, whose first segments belong to this service alone; see docs/pages.md.
    ``projection`` gives the statements that write the service's read models.
    ``background`` gives loops of the service's own, beside those of the runtime.
    ``decisions``: the messages of the service that go into its journal, which needs `tables.create_journal`.
    ``documents`` lists the versioned documents that the service keeps. Cases follow at most one of them.
    ``records_changes``: each batch records which cases it changed, for a job that follows (`changed_cases`).
    ``published`` is called when the process starts; each function gives a document in force that all services follow.
    ``watches_processes``: its processes follow the reports of all processes, and show them to operators.
    ``correct_reply``: makes the message in place of a dead letter of the external system, as an operator corrects it.
    ``received``: keeps a document of another service in a form of the service's own, in the same transaction.
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
    pages: Callable[[ServiceHost[S]], APIRouter] | None = None
    projection: Projection | None = None
    background: Callable[[ServiceHost[S]], Sequence[Loop]] | None = None
    decisions: tuple[type[Message], ...] = ()
    documents: tuple[VersionedDocument[Any], ...] = ()
    records_changes: bool = False
    published: Callable[[], Sequence[Published]] = tuple
    watches_processes: bool = False
    correct_reply: CorrectReply | None = None
    received: Callable[[AsyncConnection, Document], Awaitable[None]] | None = None

    @property
    def source(self) -> str:
        """The CloudEvents source of the service's messages."""
        return f"/onedoor/{self.name}"

    @property
    def rules(self) -> VersionedDocument[Any] | None:
        """The document that cases follow, if any. For the runtime its content is the rules."""
        return next((document for document in self.documents if document.core_for is not None), None)
