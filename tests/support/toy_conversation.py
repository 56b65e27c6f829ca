"""Two toy services that do what all of onedoor's do: one asks until it is answered, one answers every time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from uuid import uuid4

from sqlalchemy import text

from contracts.core import S, Step, backoff
from contracts.envelope import Envelope, Message, TimerFired
from contracts.messages.alerts import AlertWithdrawn, Rung
from contracts.messages.cases import CaseStateRequested
from contracts.values import Value
from deploy.local.postgres import Postgres
from services.runtime.process import ServiceProcess
from services.runtime.service import Service
from services.runtime.store import tables
from tests.support.toy import case, eventually, settings, toy

AT = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
MIGRATIONS = toy().migrations
FIRST_AGAIN, LONGEST_AGAIN = timedelta(seconds=2), timedelta(seconds=8)


class Begin(Message):
    """Told the asker by the test: ask about this case."""

    type: ClassVar[str] = "onedoor.toy.begin.v1"


class Asking(Value):
    """The asker's state: how often it has asked, and which answers it heard."""

    asked: int = 0
    answers: tuple[str, ...] = ()


def ask(state: Asking | None, envelope: Envelope[Message]) -> Step[Asking]:
    """Ask, and again until answered."""
    asking = state or Asking()
    match envelope.data:
        case AlertWithdrawn(reason=reason):
            return Step(asking.model_copy(update={"answers": (*asking.answers, reason)}), closed=True)
        case Begin() | TimerFired() if not asking.answers:
            asking = asking.model_copy(update={"asked": asking.asked + 1})
            return Step(asking, (CaseStateRequested(),), retry_after=backoff(asking.asked, FIRST_AGAIN, LONGEST_AGAIN))
    return Step(asking, closed=bool(asking.answers))


class Answering(Value):
    """The answerer's state: the ids of the questions that it has heard."""

    heard: tuple[str, ...] = ()


def answer(state: Answering | None, envelope: Envelope[Message]) -> Step[Answering]:
    """Answer every time, with the number of questions heard by then."""
    heard = (*(state.heard if state else ()), str(envelope.id))
    out = AlertWithdrawn(commitment="case", rung=Rung.YELLOW, reason=str(len(heard)), withdrawn_at=AT)
    return Step(Answering(heard=heard), (out,))


ASKER: Service[Asking] = Service("asker", ask, Asking, (AlertWithdrawn,), MIGRATIONS)
ANSWERER: Service[Answering] = Service("answerer", answer, Answering, (CaseStateRequested,), MIGRATIONS)


class Conversation:
    """Both services at work, with a steady load: so many cases, so many a second."""

    def __init__(
        self, asking: ServiceProcess[Asking], answering: ServiceProcess[Answering], cases: int, a_second: float
    ) -> None:
        self._asking = asking
        self._answering = answering
        self._cases = cases
        self._pause = 1 / a_second
        self.load: asyncio.Task[None] = asyncio.create_task(self._apply())

    async def _apply(self) -> None:
        for number in range(self._cases):
            await self._asking.command(case(number), Begin())
            await asyncio.sleep(self._pause)

    async def closed(self) -> int:
        """How many cases have their answer."""
        async with self._asking.database.connect() as connection:
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
        """Wait for the end, then look at what both have counted."""
        await self.reach(self._cases, seconds)
        for number in range(self._cases):
            asked, answered = await self._asking.read(case(number)), await self._answering.read(case(number))
            assert asked is not None and answered is not None
            assert len(set(answered.heard)) == len(answered.heard) <= asked.asked, "a question counted twice"
            assert len(set(asked.answers)) == len(asked.answers), "an answer counted twice"


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

        asking, answering = await start(ASKER), await start(ANSWERER)

        async def ready() -> bool:
            return not await asking.faults() + await answering.faults()

        await eventually(ready)
        talk = Conversation(asking, answering, cases, a_second)
        try:
            yield talk
        finally:
            talk.load.cancel()
