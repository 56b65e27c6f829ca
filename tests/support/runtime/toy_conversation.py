"""Two toy services: one repeats its request until it is answered, the other answers every request."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from uuid import uuid4

from sqlalchemy import text

from contracts.core import S, Transition, backoff
from contracts.envelope import Envelope, Message, TimerFired
from contracts.messages.alerts import AlertWithdrawn, Rung
from contracts.messages.cases import CaseStateRequested
from contracts.values import Value
from deploy.local.engines.postgres import Postgres
from services.runtime.process import ServiceProcess
from services.runtime.service import Service
from services.runtime.store import tables
from tests.support.runtime.toy import case, settings, toy
from tests.support.waiting import eventually

AT = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
MIGRATIONS = toy().migrations
FIRST_RETRY, LONGEST_RETRY = timedelta(seconds=2), timedelta(seconds=8)


class Begin(Message):
    """The test's command to the requester: request this case."""

    type: ClassVar[str] = "onedoor.toy.begin.v1"


class Requesting(Value):
    """The state of the requester: the number of requests, and the answers received."""

    requests: int = 0
    answers: tuple[str, ...] = ()


def request(state: Requesting | None, envelope: Envelope[Message]) -> Transition[Requesting]:
    """Publish a request, and repeat it until it is answered."""
    requesting = state or Requesting()
    match envelope.data:
        case AlertWithdrawn(reason=reason):
            return Transition(requesting.model_copy(update={"answers": (*requesting.answers, reason)}), closed=True)
        case Begin() | TimerFired() if not requesting.answers:
            requesting = requesting.model_copy(update={"requests": requesting.requests + 1})
            retry_after = backoff(requesting.requests, FIRST_RETRY, LONGEST_RETRY)
            return Transition(requesting, (CaseStateRequested(),), retry_after=retry_after)
    return Transition(requesting, closed=bool(requesting.answers))


class Answering(Value):
    """The state of the responder: the ids of the requests received."""

    requests: tuple[str, ...] = ()


def answer(state: Answering | None, envelope: Envelope[Message]) -> Transition[Answering]:
    """Answer every request with the number of requests received so far."""
    requests = (*(state.requests if state else ()), str(envelope.id))
    out = AlertWithdrawn(commitment="case", rung=Rung.YELLOW, reason=str(len(requests)), withdrawn_at=AT)
    return Transition(Answering(requests=requests), (out,))


REQUESTER: Service[Requesting] = Service("requester", request, Requesting, (AlertWithdrawn,), MIGRATIONS)
RESPONDER: Service[Answering] = Service("responder", answer, Answering, (CaseStateRequested,), MIGRATIONS)


class Conversation:
    """Both services under a steady load of so many cases at so many a second."""

    def __init__(
        self, requester: ServiceProcess[Requesting], responder: ServiceProcess[Answering], cases: int, a_second: float
    ) -> None:
        self._requester = requester
        self._responder = responder
        self._cases = cases
        self._pause = 1 / a_second
        self.load: asyncio.Task[None] = asyncio.create_task(self._apply())

    async def _apply(self) -> None:
        for number in range(self._cases):
            await self._requester.command(case(number), Begin())
            await asyncio.sleep(self._pause)

    async def closed(self) -> int:
        """How many cases have their answer."""
        async with self._requester.database.connect() as connection:
            found = await connection.scalar(text("SELECT count(*) FROM cases WHERE closed_at IS NOT NULL"))
        return int(found or 0)

    async def reach(self, cases: int, seconds: float) -> None:
        """Wait until so many cases have their answer; fail if they do not within that time."""

        async def reached() -> bool:
            if self.load.done():
                self.load.result()
            return await self.closed() >= cases

        await eventually(reached, seconds)

    async def all_complete_and_nothing_twice(self, seconds: float) -> None:
        """Wait for the end, then compare the counts of both services."""
        await self.reach(self._cases, seconds)
        for number in range(self._cases):
            requested, answered = await self._requester.read(case(number)), await self._responder.read(case(number))
            assert requested is not None and answered is not None
            assert len(set(answered.requests)) == len(answered.requests) <= requested.requests, "a request twice"
            assert len(set(requested.answers)) == len(requested.answers), "an answer twice"


@asynccontextmanager
async def conversation(
    kafka: str, postgres: Postgres, cases: int, a_second: float, **changes: Any
) -> AsyncIterator[Conversation]:
    """Start both services, each with an empty database, and then the load."""
    async with AsyncExitStack() as stack:

        async def start(service: Service[S]) -> ServiceProcess[S]:
            name = f"test_{service.name}_{uuid4().hex}"
            await postgres.create_database(name, template="template0")
            stack.push_async_callback(postgres.drop_database, name)
            database = postgres.url(name)
            await asyncio.to_thread(tables.migrate, service.name, MIGRATIONS, database)
            of = settings(database, service=service.name, kafka=kafka, relay_age_s=1.0, **changes)
            return await stack.enter_async_context(ServiceProcess(service, of))

        requester, responder = await start(REQUESTER), await start(RESPONDER)

        async def ready() -> bool:
            return not await requester.faults() + await responder.faults()

        await eventually(ready)
        talk = Conversation(requester, responder, cases, a_second)
        try:
            yield talk
        finally:
            talk.load.cancel()
