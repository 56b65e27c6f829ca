"""The sandbox of the commerce department's system: it reads and writes the exchange tables."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from contracts.messages.plans import Outcome
from services.departments.commerce.store import sandbox as store
from services.departments.commerce.store.sandbox import CHANNEL, JsonRow
from services.departments.commerce.translate import DATA_SOURCE, DENIED, GRANTED, INSERTED, PASSED, REPEATED, local
from services.departments.sandbox.backend import SandboxBackend
from services.departments.sandbox.behaviour import Mistake
from services.departments.sandbox.ledger import LedgerEntry
from services.departments.sandbox.loop import working
from services.departments.sandbox.settings import SandboxSettings
from services.departments.sdk.adapter import Clock
from services.departments.sdk.tables import open_tables
from services.runtime.security.encryption import DatabaseAddress

BATCH_SIZE = 1000
"""The most rows that are processed together."""

NONSENSE = "??"

WIDTH = 2000
"""The most characters of a text that the tables take."""


class CommerceSandboxSettings(SandboxSettings):
    """Settings of the sandbox."""

    exchange: DatabaseAddress = Field(
        description="The exchange database: postgresql+asyncpg://user:password@host/name."
    )


class InsertListener:
    """Sets ``arrived`` when rows have been written into the tables, and when its connection is lost."""

    def __init__(self, exchange: AsyncEngine) -> None:
        self._exchange = exchange
        self._connection: AsyncConnection | None = None
        self._driver: Any = None
        self.arrived = asyncio.Event()

    async def listen(self) -> None:
        """Listen on a dedicated connection; connect again if it was lost. Raises `database.DATABASE_ERRORS`."""
        if self._driver is not None and not self._driver.is_closed():
            return
        await self.close()
        self._connection = await self._exchange.connect()
        driver: Any = (await self._connection.get_raw_connection()).driver_connection
        driver.add_termination_listener(self._notify)
        await driver.add_listener(CHANNEL, self._notify)
        self._driver = driver

    async def close(self) -> None:
        if self._connection is not None:
            connection, self._connection, self._driver = self._connection, None, None
            await connection.invalidate()
            await connection.close()

    def _notify(self, *_: object) -> None:
        self.arrived.set()


class CommerceSandbox:
    """Processes the exchange tables."""

    def __init__(self, backend: SandboxBackend, exchange: AsyncEngine, listener: InsertListener) -> None:
        self._backend = backend
        self._exchange = exchange
        self._listener = listener

    async def work_once(self) -> bool:
        """Take new applications and report new decisions. Returns whether there was anything to do."""
        if self._backend.away:
            return False
        await self._listener.listen()
        taken = await self._take()
        reported = await self._report()
        return taken or reported

    async def _take(self) -> bool:
        async with self._exchange.connect() as connection:
            rows = await store.unread_tasks(connection, BATCH_SIZE)
        if not rows:
            return False
        entries = await self._backend.take({row.project_no: row.task_code for row in rows})
        batches = {row.project_no: row.cd_batch for row in rows}
        answered = [entry for entry in entries.values() if not entry.makes(Mistake.NO_ANSWER)]
        now = self._backend.clock.now()
        decided = [entry for entry in answered if entry.decided(now)]
        taken = [self._taken_row(entry, batches[entry.task_id]) for entry in answered]
        results = [
            self._result_row(entry, f"{entry.number}/{entry.submissions}", batches[entry.task_id]) for entry in decided
        ]
        async with self._exchange.connect() as connection:
            await store.answer(connection, [row.id for row in rows], taken, results)
        return True

    async def _report(self) -> bool:
        entries = await self._backend.unreported(BATCH_SIZE)
        if not entries:
            return False
        async with self._exchange.connect() as connection:
            await store.report(connection, list(self._reported_rows(entries)))
        await self._backend.mark_reported(entry.task_id for entry in entries)
        return True

    def _reported_rows(self, entries: Iterable[LedgerEntry]) -> Iterable[JsonRow]:
        for entry in entries:
            first, *others = entry.reported
            row = self._result_row(first, f"{entry.number}/reported", "reported")
            yield row | ({"result_type": NONSENSE} if entry.makes(Mistake.GARBLED_DECISION) else {})
            for repeated in others:
                yield self._result_row(repeated, f"{entry.number}/repeated", "reported")

    def _taken_row(self, entry: LedgerEntry, batch: str) -> JsonRow:
        garbled = entry.makes(Mistake.GARBLED_RECEIPT)
        return self._control(entry, f"{entry.number}/{entry.submissions}", batch) | {
            "event_name": NONSENSE if garbled else PASSED,
            "process_name": "受理",
            "handle_user_name": "窗口",
            "handle_explain": "予以受理",
            "event_start_time": local(entry.by_its_clock(entry.received_at)),
            "event_end_time": local(entry.by_its_clock(entry.received_at)),
            "remark": None if garbled else entry.receipt_number,
        }

    def _result_row(self, entry: LedgerEntry, guid: str, batch: str) -> JsonRow:
        return self._control(entry, guid, batch) | {
            "is_delivery_results": "0",
            "result_type": GRANTED if entry.outcome is Outcome.APPROVED else DENIED,
            "result_date": local(entry.by_its_clock(entry.decide_at)),
            "result_explain": entry.opinion[:WIDTH],
            "result_cetr_no": entry.certificate and entry.certificate[:WIDTH],
        }

    def _control(self, entry: LedgerEntry, guid: str, batch: str) -> JsonRow:
        return {
            "row_guid": guid,
            "project_no": entry.task_id,
            "data_source": DATA_SOURCE,
            "cd_operation": INSERTED if entry.submissions == 1 else REPEATED,
            "cd_batch": batch,
            "cd_time": local(self._backend.clock.now()),
        }


@asynccontextmanager
async def running(settings: CommerceSandboxSettings, clock: Clock) -> AsyncIterator[None]:
    """The sandbox, at work."""
    backend = SandboxBackend("commerce", "商受", settings, clock)
    exchange = open_tables(settings.exchange.get_secret_value(), "sandbox commerce", 3)
    await backend.open()
    await store.create(exchange, settings.rejected_items)
    listener = InsertListener(exchange)
    sandbox = CommerceSandbox(backend, exchange, listener)
    try:
        async with working(sandbox.work_once, settings.poll_s, listener.arrived):
            yield
    finally:
        await listener.close()
        await exchange.dispose()
        await backend.close()
