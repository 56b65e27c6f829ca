"""A monitor without Kafka, by a clock that the test sets, on a real PostgreSQL."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import httpx2
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.envelope import Message
from contracts.messages.alerts import AlertRaised, Rung
from contracts.messages.cases import CaseAccepted
from contracts.messages.commitments import Kind
from contracts.messages.documents import NamesPublished
from contracts.messages.tasks import TaskReport, task_id
from contracts.working_time.notices import Notice, NoticeDay
from services.monitor.app import SERVICE
from services.monitor.core.rules import LadderRule, LimitKind, Rules, RuleSet, RungRule, rule_set
from services.monitor.core.state import MonitoredCase
from services.monitor.store import rule_store
from services.monitor.store.projection import project
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
from tests.support.messages import MONDAY, limits
from tests.support.monitor_histories import business
from tests.support.scenario import enveloped
from tests.support.staff import HOLDERS, ISSUER, STAFF

LOCAL_HOLIDAY = Notice(
    year=2026,
    region="CN-45",
    days=(NoticeDay(name="三月三", date=date(2026, 3, 4), is_off_day=True),),
)
"""A Wednesday on which Guangxi alone is off."""

SHIPPED = rule_store.read(rule_store.SHIPPED.read_bytes())

LADDERS = (
    LadderRule(kinds=(Kind.STEP,), region="4502", rungs={Rung.RED: RungRule(limit=LimitKind.STATUTORY)}),
    LadderRule(kinds=(Kind.STEP, Kind.CASE), region="11", rungs={Rung.WARNING: RungRule(days_left=2)}),
)
"""Ladders without a rung at the end of the committed limit."""

RULES = Rules(1, rule_set(SHIPPED.replace(ladder=(*SHIPPED.ladder, *LADDERS)), [LOCAL_HOLIDAY]))


class Killed(Exception):
    """Stands for the kill of a process."""


async def kill(*_: object, **__: object) -> None:
    """Takes the place of a function before which the process is killed."""
    raise Killed


def number(n: int) -> str:
    """A case number."""
    return f"0000-0000-{n:04}-1"


SHENZHEN, NANNING = "440305", "450103"


def begun(region: str = SHENZHEN, case: int = 5, step: int = 1, moment: datetime = MONDAY) -> CaseAccepted:
    """An acceptance with these committed limits, in working days; the statutory ones are much later."""
    return business(limits(case, case + 20), limits(step, step + 20), region=region).accepted(moment)


def alert_raised(moment: datetime, rung: Rung = Rung.YELLOW, owner: str = "Tax", region: str = "450103") -> AlertRaised:
    """An alert for a case as a whole."""
    return AlertRaised(
        commitment="case", rung=rung, owner=owner, matter="m", region=region, due_at=moment, raised_at=moment
    )


async def write_projection(connection: AsyncConnection, time: datetime, *published: tuple[int, Message]) -> None:
    """Write the lists of alerts and platform issues as the commit of a batch that publishes these messages does."""
    await connection.execute(text("SELECT 1"))  # begins the transaction
    driver: Any = (await connection.get_raw_connection()).driver_connection
    for statement, arguments in project([enveloped(message, time, number(case)) for case, message in published]):
        await driver.execute(statement, *arguments)


@dataclass
class MonitorProcess:
    """Monitor under test."""

    process: ServiceProcess[MonitoredCase]
    clock: FileClock
    batches: BatchProcessor[MonitoredCase]
    clients: list[httpx2.AsyncClient] = field(default_factory=list)

    async def process_messages(self, case_id: str, *messages: Message, time: datetime | None = None) -> None:
        """Process these messages about a case, published now or at ``time``. Reports of tasks are about its tasks."""
        now = time or self.clock.now()
        of_case = [
            message.replace(task_id=task_id(case_id, message.step)) if isinstance(message, TaskReport) else message
            for message in messages
        ]
        await self.batches.run([InboundMessage(enveloped(message, now, case_id)) for message in of_case])

    async def publish(self, *published: tuple[int, Message]) -> None:
        """Write the lists as if monitor had published these messages now."""
        async with self.process.database.begin() as connection:
            await write_projection(connection, self.clock.now(), *published)

    async def pass_to(self, moment: datetime) -> None:
        """Set the clock to that moment and fire the timers that are due."""
        self.clock.set(moment, 0)
        while await self.batches.fire_timers(500):
            pass

    async def put_rules(self, content: RuleSet) -> None:
        """Put these rules in force, for open cases too."""
        async with transaction(self.process.database) as connection:
            await documents.put(connection, rule_store.RULES, content, "for a test")
        rollout = Rollout(self.batches)
        while await rollout.run_once():
            pass

    async def put_names(self, published: NamesPublished) -> None:
        """Call departments, items and steps by these names."""

        async def in_force(_: AsyncConnection) -> NamesPublished:
            return published

        await self.process.documents.publish(in_force)

    async def states(self) -> dict[str, MonitoredCase]:
        """The states of all cases."""
        rows = await self.rows("SELECT case_id, state FROM cases")
        return {case_id: MonitoredCase.model_validate_json(state) for case_id, state in rows}

    async def rows(self, query: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        async with self.process.database.connect() as connection:
            return [tuple(row) for row in await connection.execute(text(query), parameters)]

    async def execute(self, statement: str, **parameters: Any) -> None:
        """Execute and commit a statement."""
        async with self.process.database.begin() as connection:
            await connection.execute(text(statement), parameters)

    async def get(self, path: str, **params: Any) -> Any:
        """The answer of an endpoint, as JSON."""
        answer = await self.http.get(path, params=params or None)  # an empty mapping would drop the query of the path
        assert answer.status_code == httpx2.codes.OK, answer.text
        return answer.json()

    async def commitments(self, path: str, **params: Any) -> list[Any]:
        """The commitments of one page of a list."""
        return list((await self.get(path, **params))["commitments"])

    async def walk(self, path: str, key: str = "commitments", **params: Any) -> list[Any]:
        """All pages of a list."""
        found: list[Any] = []
        after: dict[str, Any] = {}
        while True:
            page = await self.get(path, **params, **after)
            found += page[key]
            if page["next"] is None:
                return found
            assert len(page[key]) == params["limit"]
            after = {"after": page["next"]}

    @property
    def http(self) -> httpx2.AsyncClient:
        """A client of the staff."""
        if not self.clients:
            self.clients.append(self.client(STAFF))
        return self.clients[0]

    def client(self, headers: Mapping[str, str]) -> httpx2.AsyncClient:
        """A client on this machine that sends these headers."""
        served = application(self.process.service, self.process)
        transport = httpx2.ASGITransport(served, client=("127.0.0.1", 4711))
        return httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000", headers=dict(headers))


@asynccontextmanager
async def opened(database: str, folder: Path, issuer: str = "") -> AsyncIterator[MonitorProcess]:
    """Monitor on this empty database, on a Monday. ``issuer``: whose logins count, else those of the tests."""
    clock = FileClock.create(folder / "clock", MONDAY, speed=0)
    settings = Settings(
        service="monitor",
        systems=("tax",),
        database=SecretStr(database),
        secret_key=SecretStr("k" * 32),
        documents_key=SecretStr("k" * 32),
        issuer=issuer or ISSUER.url,
        clock=str(folder / "clock"),
    )
    process = ServiceProcess(SERVICE, settings)
    process.access.holders = HOLDERS

    async def publish(published: Sequence[OutboxMessage]) -> Sequence[OutboxMessage]:
        return published

    monitor = MonitorProcess(process, clock, BatchProcessor(SERVICE, process.database, clock, publish))
    await monitor.put_rules(RULES.rule_set)
    try:
        yield monitor
    finally:
        for client in monitor.clients:
            await client.aclose()
        await monitor.batches.drain()
        await process.recorder.drain()
        await process.database.dispose()


def keys(rows: Iterable[Any]) -> list[tuple[str, str]]:
    """The commitments of these rows."""
    return [(row["case_id"], row["commitment"]) for row in rows]
