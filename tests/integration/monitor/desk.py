"""A monitor without Kafka, by a clock that the test sets, on a real PostgreSQL: for the tests of lists."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
from pydantic import SecretStr
from sqlalchemy import text

from contracts.envelope import Message, envelop
from contracts.messages.alerts import Rung
from contracts.messages.commitments import Kind
from contracts.working_time.notices import Notice, NoticeDay
from services.monitor.app import SERVICE
from services.monitor.core.rules import LadderRule, LimitKind, Rules, RungRule, rule_set
from services.monitor.core.state import MonitoredCase
from services.monitor.store import rule_store
from services.runtime.batch.message import InboundMessage
from services.runtime.batch.processor import BatchProcessor
from services.runtime.clock import FileClock
from services.runtime.http.app import application
from services.runtime.jobs.rollout import Rollout
from services.runtime.process import ServiceProcess
from services.runtime.settings import Settings
from services.runtime.store import documents
from services.runtime.store.database import transaction
from services.runtime.store.outbox import OutboxMessage
from tests.support.monitor_histories import at

BEGINS = at("2026-03-02 10:00")
"""A Monday."""

LOCAL_HOLIDAY = Notice(
    year=2026,
    region="CN-45",
    days=(NoticeDay(name="三月三", date=at("2026-03-04 12:00").date(), is_off_day=True),),
)
"""A Wednesday on which Guangxi alone is off."""

SHIPPED = rule_store.read(rule_store.SHIPPED)

LADDERS = (
    LadderRule(kinds=(Kind.STEP,), region="4502", rungs={Rung.RED: RungRule(limit=LimitKind.STATUTORY)}),
    LadderRule(kinds=(Kind.STEP, Kind.CASE), region="11", rungs={Rung.WARNING: RungRule(days_left=2)}),
)
"""Ladders without a rung at the end of the committed limit."""

RULES = Rules(1, rule_set(SHIPPED.model_copy(update={"ladder": (*SHIPPED.ladder, *LADDERS)}), [LOCAL_HOLIDAY]))


def number(n: int) -> str:
    """A case number."""
    return f"0000-0000-{n:04}-1"


@dataclass
class Desk:
    """Monitor under test."""

    process: ServiceProcess[MonitoredCase]
    clock: FileClock
    batches: BatchProcessor[MonitoredCase]
    clients: list[httpx2.AsyncClient] = field(default_factory=list)

    async def process_messages(self, case_id: str, *messages: Message, time: datetime | None = None) -> None:
        """Process these messages about a case, published now or at ``time``."""
        published = [
            InboundMessage(envelop(one, id=uuid4(), source="/test", subject=case_id, time=time or self.clock.now()))
            for one in messages
        ]
        await self.batches.run(published)

    async def pass_to(self, moment: datetime) -> None:
        """Set the clock to that moment and fire the timers that are due."""
        self.clock.set(moment, 0)
        while await self.batches.fire_timers(500):
            pass

    async def states(self) -> dict[str, MonitoredCase]:
        """The states of all cases."""
        rows = await self.rows("SELECT case_id, state FROM cases")
        return {case_id: MonitoredCase.model_validate_json(state) for case_id, state in rows}

    async def rows(self, query: str) -> Sequence[Any]:
        """The rows of a query."""
        async with self.process.database.connect() as connection:
            return (await connection.execute(text(query))).all()

    async def get(self, path: str, **params: Any) -> Any:
        """The answer of an endpoint, as JSON."""
        answer = await self.http.get(path, params=params)
        assert answer.status_code == httpx2.codes.OK, answer.text
        return answer.json()

    async def walk(self, path: str, **params: Any) -> list[Any]:
        """All pages of a list."""
        found: list[Any] = []
        after: dict[str, str] = {}
        while True:
            page = await self.get(path, **params, **after)
            found += page["commitments"]
            if page["next"] is None:
                return found
            assert len(page["commitments"]) == params["limit"]
            after = {"after": page["next"]}

    @property
    def http(self) -> httpx2.AsyncClient:
        """A client of the staff."""
        if not self.clients:
            self.clients.append(self.client())
        return self.clients[0]

    def client(self, host: str = "127.0.0.1") -> httpx2.AsyncClient:
        """A client at that address."""
        transport = httpx2.ASGITransport(
            application(self.process.service, self.process, self.process.faults), client=(host, 4711)
        )
        return httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000")


@asynccontextmanager
async def opened(database: str, folder: Path) -> AsyncIterator[Desk]:
    """A desk on this empty database."""
    clock = FileClock.create(folder / "clock", BEGINS, speed=0)
    settings = Settings(
        service="monitor",
        systems=("tax",),
        database=SecretStr(database),
        secret_key=SecretStr("k" * 32),
        clock=str(folder / "clock"),
    )
    process = ServiceProcess(SERVICE, settings)
    async with transaction(process.database) as connection:
        await documents.put(connection, rule_store.RULES, RULES.rule_set, "for a test")

    async def publish(published: Sequence[OutboxMessage]) -> Sequence[OutboxMessage]:
        return published

    desk = Desk(process, clock, BatchProcessor(SERVICE, process.database, clock, publish))
    rollout = Rollout(desk.batches)
    while await rollout.run_once():
        pass
    try:
        yield desk
    finally:
        for client in desk.clients:
            await client.aclose()
        await desk.batches.drain()
        await process.database.dispose()


def keys(rows: Iterable[Any]) -> list[tuple[str, str]]:
    """The commitments of these rows."""
    return [(row["case_id"], row["commitment"]) for row in rows]
