"""The runtime's fakes: a host and a publisher in memory.

`tests/integration/runtime/test_service_host.py` and `test_publisher.py` hold them to the promises of the real ones.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Generic, TypeVar
from uuid import uuid4

from contracts.envelope import Document, Message, envelop
from contracts.messages.processes import ProcessReported
from contracts.values import Value
from contracts.zone import CHINA
from services.runtime.batch.queue import Overloaded, Unavailable
from services.runtime.clock import Clock, FileClock
from services.runtime.failures import Failures
from services.runtime.reported import Reports
from services.runtime.security.access import Access
from services.runtime.security.access_record import AccessEntry, RecordUnavailable
from services.runtime.security.access_tokens import TokenVerifier
from services.runtime.service import Service
from services.runtime.settings import Settings
from services.runtime.store.database import is_unavailable, open_database
from services.runtime.store.outbox import OutboxMessage
from services.runtime.topic_reader import Pause
from tests.support.staff import AUDIENCE, HOLDERS, ISSUER

S = TypeVar("S", bound=Value)
D = TypeVar("D", bound=Document)


class MemoryRecord:
    """A record of access in memory, or one that cannot be written."""

    def __init__(self) -> None:
        self.entries: list[AccessEntry] = []
        self.unavailable = False

    async def write(self, entry: AccessEntry) -> None:
        if self.unavailable:
            raise RecordUnavailable
        self.entries.append(entry)

    async def note(self, entry: AccessEntry) -> None:
        await self.write(entry)


class NoTopics:
    """The reader of topics of a process that reads none."""

    topics: Sequence[str] = ()

    def __init__(self) -> None:
        self.paused: dict[str, Pause] = {}

    async def resume(self, topic: str) -> bool:
        return self.paused.pop(topic, None) is not None


class MemoryHost(Generic[S]):
    """A `ServiceHost` that keeps cases in memory. Its clock stands still; its database does not exist."""

    def __init__(self, service: Service[S], settings: Settings, at: datetime) -> None:
        self.service = service
        self.settings = settings
        with TemporaryDirectory() as folder:  # the clock keeps its file open
            self.clock: Clock = FileClock.create(Path(folder) / "clock", at, speed=0)
        self.database = open_database(settings.database.get_secret_value(), "fake", 1)
        self.record = MemoryRecord()
        tokens = TokenVerifier(ISSUER.url, AUDIENCE)
        self.access = Access(tokens, lambda: self.clock.now().astimezone(CHINA).date(), self.record)
        self.access.holders = HOLDERS
        self.stopping = asyncio.Event()
        self.failures = Failures()
        self.reports = Reports()
        self.consumer = NoTopics()
        self.rows: dict[str, str] = {}
        """The states as a database would keep them, by case."""
        self.published: list[Message] = []
        self.fault: Exception | None = None
        """`Overloaded`, an exception of the database, or any other that requests meet from now on."""

    async def command(self, case_id: str, message: Message) -> S:
        (result,) = await self.commands([(case_id, message)])
        if isinstance(result, BaseException):
            raise result
        return result

    async def commands(self, messages: list[tuple[str, Message]]) -> list[S | BaseException]:
        if isinstance(self.fault, Overloaded):
            raise self.fault
        return [self._handle(case_id, message) for case_id, message in messages]

    async def read(self, case_id: str) -> S | None:
        if self.fault is not None and not isinstance(self.fault, Overloaded):
            raise self.fault
        return self.state_of(case_id)

    def document(self, kind: type[D]) -> D | None:
        return None

    async def report(self) -> ProcessReported:
        return ProcessReported(
            service=self.service.name, replica=self.settings.replica, version="1", started_at=self.clock.now()
        )

    def state_of(self, case_id: str) -> S | None:
        """The state of a case, whatever the fault."""
        row = self.rows.get(case_id)
        return self.service.state.model_validate_json(row) if row is not None else None

    def _handle(self, case_id: str, message: Message) -> S | BaseException:
        if self.fault is not None:
            return Unavailable("the database is unavailable") if is_unavailable(self.fault) else self.fault
        now = self.clock.now()
        envelope = envelop(message, id=uuid4(), source=self.service.source, subject=case_id, time=now)
        try:
            transition = self.service.core(self.state_of(case_id), envelope)
        except Exception as error:
            return error
        self.rows[case_id] = transition.state.model_dump_json(exclude_defaults=True)
        self.published += transition.out
        return transition.state


class MemoryPublisher:
    """A publisher that collects messages, or whose Kafka is unavailable or refuses some topics."""

    def __init__(self) -> None:
        self.published: list[OutboxMessage] = []
        self.unavailable = False
        self.refused: set[str] = set()

    async def publish(self, messages: Sequence[OutboxMessage]) -> Sequence[OutboxMessage]:
        """The messages that count as acknowledged."""
        if self.unavailable:
            return ()
        accepted = [message for message in messages if message.topic not in self.refused]
        self.published += accepted
        return accepted

    def refused_topics(self) -> set[str]:
        """The topics that Kafka refuses."""
        return self.refused
