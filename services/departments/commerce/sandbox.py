"""A simulator of the commerce department's system: it reads and writes the exchange tables."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from pydantic_core import to_json
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from contracts.messages.plans import Outcome
from services.departments.commerce.settings import CommerceSandboxSettings
from services.departments.commerce.tables import create_tables, insert
from services.departments.commerce.translate import ACCEPTED, DATA_SOURCE, DENIED, GRANTED, INSERTED, REPEATED, local
from services.departments.sandbox.behaviour import Mistake
from services.departments.sandbox.ledger import LedgerEntry
from services.departments.sandbox.simulator import Simulator, working
from services.departments.sdk.adapter import Clock
from services.departments.sdk.tables import open_tables

BATCH_SIZE = 1000
"""The most rows that are processed together."""

NONSENSE = "??"

_UNREAD = text(
    "SELECT id, project_no, task_code, cd_batch FROM up_pro_accept WHERE fetched_at IS NULL ORDER BY id LIMIT :limit"
)

_CONTROL = ("row_guid", "project_no", "data_source", "cd_operation", "cd_batch", "cd_time")

_INSERT_PROCESS = insert(
    "up_pro_process",
    (
        *_CONTROL,
        *("event_name", "process_name", "handle_user_name", "handle_explain"),
        *("event_start_time", "event_end_time", "remark"),
    ),
    "DO NOTHING",
    "taken",
)

_INSERT_RESULT = insert(
    "up_pro_result",
    (*_CONTROL, "is_delivery_results", "result_type", "result_date", "result_explain", "result_cetr_no"),
    "DO NOTHING",
    "decided",
)

# Writes the answers and marks the rows read in one statement, so that a row is either unread or answered.
_ANSWER = text(f"""
    WITH taken AS ({_INSERT_PROCESS}), decided AS ({_INSERT_RESULT})
    UPDATE up_pro_accept SET fetched_at = now() WHERE id = ANY(:ids)
""")

_REPORT = text(_INSERT_RESULT)

# A trigger of the simulator's own, in its own database: the writers of rows know nothing of it.
_CREATE_TRIGGER = (
    "SELECT pg_advisory_xact_lock(794118)",  # of two concurrent CREATE statements one would fail
    """
    CREATE OR REPLACE FUNCTION notify_accept() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN NOTIFY up_pro_accept; RETURN NULL; END'
    """,
    """
    CREATE OR REPLACE TRIGGER notify_accept
        AFTER INSERT OR UPDATE OF cd_time ON up_pro_accept EXECUTE FUNCTION notify_accept()
    """,
)

JsonRow = dict[str, str | None]


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
        await driver.add_listener("up_pro_accept", self._notify)
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

    def __init__(self, simulator: Simulator, exchange: AsyncEngine, listener: InsertListener) -> None:
        self._simulator = simulator
        self._exchange = exchange
        self._listener = listener

    async def work_once(self) -> bool:
        """Take new applications and report new decisions. Returns whether there was anything to do."""
        if self._simulator.away:
            return False
        await self._listener.listen()
        taken = await self._take()
        reported = await self._report()
        return taken or reported

    async def _take(self) -> bool:
        async with self._exchange.connect() as connection:
            rows = (await connection.execute(_UNREAD, {"limit": BATCH_SIZE})).all()
        if not rows:
            return False
        entries = await self._simulator.take({row.project_no: row.task_code for row in rows})
        batches = {row.project_no: row.cd_batch for row in rows}
        answered = [entry for entry in entries.values() if not entry.makes(Mistake.SILENT)]
        now = self._simulator.clock.now()
        decided = [entry for entry in answered if entry.decided(now)]
        taken = [self._taken_row(entry, batches[entry.task_id]) for entry in answered]
        results = [
            self._result_row(entry, f"{entry.number}/{entry.submissions}", batches[entry.task_id]) for entry in decided
        ]
        answers = {
            "taken": _array(taken),
            "decided": _array(results),
            "ids": [row.id for row in rows],
        }
        async with self._exchange.connect() as connection:
            await connection.execute(_ANSWER, answers)
        return True

    async def _report(self) -> bool:
        entries = await self._simulator.unreported(BATCH_SIZE)
        if not entries:
            return False
        async with self._exchange.connect() as connection:
            await connection.execute(_REPORT, {"decided": _array(list(self._reported_rows(entries)))})
        await self._simulator.mark_reported(entry.task_id for entry in entries)
        return True

    def _reported_rows(self, entries: Iterable[LedgerEntry]) -> Iterable[JsonRow]:
        for entry in entries:
            row = self._result_row(entry, f"{entry.number}/reported", "reported")
            yield row | ({"result_type": NONSENSE} if entry.makes(Mistake.GARBLED_DECISION) else {})
            if entry.makes(Mistake.REPEATED):
                yield self._result_row(entry, f"{entry.number}/repeated", "reported")

    def _taken_row(self, entry: LedgerEntry, batch: str) -> JsonRow:
        garbled = entry.makes(Mistake.GARBLED_RECEIPT)
        return self._control(entry, f"{entry.number}/{entry.submissions}", batch) | {
            "event_name": NONSENSE if garbled else ACCEPTED,
            "process_name": "受理",
            "handle_user_name": "窗口",
            "handle_explain": "予以受理",
            "event_start_time": local(entry.received_at),
            "event_end_time": local(entry.received_at),
            "remark": None if garbled else entry.number,
        }

    def _result_row(self, entry: LedgerEntry, guid: str, batch: str) -> JsonRow:
        return self._control(entry, guid, batch) | {
            "is_delivery_results": "0",
            "result_type": GRANTED if entry.outcome is Outcome.APPROVED else DENIED,
            "result_date": local(entry.decide_at),
            "result_explain": entry.opinion,
            "result_cetr_no": entry.certificate,
        }

    def _control(self, entry: LedgerEntry, guid: str, batch: str) -> JsonRow:
        return {
            "row_guid": guid,
            "project_no": entry.task_id,
            "data_source": DATA_SOURCE,
            "cd_operation": INSERTED if entry.submissions == 1 else REPEATED,
            "cd_batch": batch,
            "cd_time": local(self._simulator.clock.now()),
        }


def _array(rows: Sequence[JsonRow]) -> str:
    return to_json(rows).decode()


@asynccontextmanager
async def running(settings: CommerceSandboxSettings, clock: Clock) -> AsyncIterator[None]:
    """The simulator, at work."""
    simulator = Simulator("commerce", "商受", settings, clock)
    exchange = open_tables(settings.exchange.get_secret_value(), "sandbox commerce", 3)
    await simulator.open()
    await create_tables(exchange)
    async with exchange.execution_options(isolation_level="READ COMMITTED").begin() as connection:
        for statement in _CREATE_TRIGGER:
            await connection.execute(text(statement))
    listener = InsertListener(exchange)
    sandbox = CommerceSandbox(simulator, exchange, listener)
    try:
        async with working(sandbox.work_once, settings.poll_s, listener.arrived):
            yield
    finally:
        await listener.close()
        await exchange.dispose()
        await simulator.close()
