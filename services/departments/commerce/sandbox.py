"""A stand-in for the commerce department's own system: an office that works on the exchange tables."""

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
from services.departments.commerce.translate import ACCEPTED, DATA_SOURCE, DENIED, GRANTED, INSERTED, SAID_AGAIN, local
from services.departments.sandbox.behaviour import Mistake
from services.departments.sandbox.ledger import LedgerEntry
from services.departments.sandbox.simulator import Simulator, stopped, working
from services.departments.sdk.adapter import Clock
from services.departments.sdk.tables import open_tables
from services.runtime.clock import open_clock

LOT = 1000
"""Most rows worked on at a time."""

NONSENSE = "??"

_UNREAD = text(
    "SELECT id, project_no, task_code, cd_batch FROM up_pro_accept WHERE fetched_at IS NULL ORDER BY id LIMIT :limit"
)

_CONTROL = ("row_guid", "project_no", "data_source", "cd_operation", "cd_batch", "cd_time")

_SAY_TAKEN = insert(
    "up_pro_process",
    (
        *_CONTROL,
        *("event_name", "process_name", "handle_user_name", "handle_explain"),
        *("event_start_time", "event_end_time", "remark"),
    ),
    "DO NOTHING",
    "taken",
)

_SAY_DECIDED = insert(
    "up_pro_result",
    (*_CONTROL, "is_delivery_results", "result_type", "result_date", "result_explain", "result_cetr_no"),
    "DO NOTHING",
    "decided",
)

# Answers and the reader's mark in one statement: a row is either unread or answered.
_ANSWER = text(f"""
    WITH taken AS ({_SAY_TAKEN}), decided AS ({_SAY_DECIDED})
    UPDATE up_pro_accept SET fetched_at = now() WHERE id = ANY(:ids)
""")

_TELL = text(_SAY_DECIDED)

# Its own doing, in its own database: who puts rows in knows nothing of it.
_HANG_BELL = (
    "SELECT pg_advisory_xact_lock(794118)",  # of two that hang it at once, one would fail
    """
    CREATE OR REPLACE FUNCTION ring_bell() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN NOTIFY up_pro_accept; RETURN NULL; END'
    """,
    """
    CREATE OR REPLACE TRIGGER bell AFTER INSERT OR UPDATE OF cd_time ON up_pro_accept EXECUTE FUNCTION ring_bell()
    """,
)

JsonRow = dict[str, str | None]


class Bell:
    """Rings when somebody has put rows into the tables, and when it can no longer be heard."""

    def __init__(self, exchange: AsyncEngine) -> None:
        self._exchange = exchange
        self._connection: AsyncConnection | None = None
        self._driver: Any = None
        self.rung = asyncio.Event()

    async def listen(self) -> None:
        """Listen on a connection of its own, on another one if that was lost. Raises `database.DATABASE_ERRORS`."""
        if self._driver is not None and not self._driver.is_closed():
            return
        await self.close()
        self._connection = await self._exchange.connect()
        driver: Any = (await self._connection.get_raw_connection()).driver_connection
        driver.add_termination_listener(self._ring)
        await driver.add_listener("up_pro_accept", self._ring)
        self._driver = driver

    async def close(self) -> None:
        if self._connection is not None:
            connection, self._connection, self._driver = self._connection, None, None
            await connection.invalidate()
            await connection.close()

    def _ring(self, *_: object) -> None:
        self.rung.set()


class CommerceSandbox:
    """The office at its tables."""

    def __init__(self, office: Simulator, exchange: AsyncEngine, bell: Bell) -> None:
        self._office = office
        self._exchange = exchange
        self._bell = bell

    async def work_once(self) -> bool:
        """Take what has been put into the tables and say what has been decided; whether there was anything."""
        if self._office.away:
            return False
        await self._bell.listen()
        taken = await self._take()
        told = await self._tell()
        return taken or told

    async def _take(self) -> bool:
        async with self._exchange.connect() as connection:
            rows = (await connection.execute(_UNREAD, {"limit": LOT})).all()
        if not rows:
            return False
        entries = await self._office.take({row.project_no: row.task_code for row in rows})
        batches = {row.project_no: row.cd_batch for row in rows}
        spoken = [entry for entry in entries.values() if not entry.errs(Mistake.SILENT)]
        now = self._office.clock.now()
        decided = [entry for entry in spoken if entry.decided(now)]
        taken = [self._taken_row(entry, batches[entry.task_id]) for entry in spoken]
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

    async def _tell(self) -> bool:
        entries = await self._office.unreported(LOT)
        if not entries:
            return False
        async with self._exchange.connect() as connection:
            await connection.execute(_TELL, {"decided": _array(list(self._told_rows(entries)))})
        await self._office.mark_reported(entry.task_id for entry in entries)
        return True

    def _told_rows(self, entries: Iterable[LedgerEntry]) -> Iterable[JsonRow]:
        for entry in entries:
            row = self._result_row(entry, f"{entry.number}/told", "told")
            yield row | ({"result_type": NONSENSE} if entry.errs(Mistake.GARBLED_DECISION) else {})
            if entry.errs(Mistake.REPEATED):
                yield self._result_row(entry, f"{entry.number}/repeated", "told")

    def _taken_row(self, entry: LedgerEntry, batch: str) -> JsonRow:
        garbled = entry.errs(Mistake.GARBLED_RECEIPT)
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
            "cd_operation": INSERTED if entry.submissions == 1 else SAID_AGAIN,
            "cd_batch": batch,
            "cd_time": local(self._office.clock.now()),
        }


def _array(rows: Sequence[JsonRow]) -> str:
    return to_json(rows).decode()


@asynccontextmanager
async def running(settings: CommerceSandboxSettings, clock: Clock) -> AsyncIterator[None]:
    """The stand-in, at work."""
    office = Simulator("commerce", "商受", settings, clock)
    exchange = open_tables(settings.exchange.get_secret_value(), "office commerce", 3)
    await office.open()
    await create_tables(exchange)
    async with exchange.execution_options(isolation_level="READ COMMITTED").begin() as connection:
        for statement in _HANG_BELL:
            await connection.execute(text(statement))
    bell = Bell(exchange)
    sandbox = CommerceSandbox(office, exchange, bell)
    try:
        async with working(sandbox.work_once, settings.poll_s, bell.rung):
            yield
    finally:
        await bell.close()
        await exchange.dispose()
        await office.close()


async def serve(settings: CommerceSandboxSettings) -> None:
    """Stand in for the commerce department until the process is asked to stop."""
    async with running(settings, open_clock(settings.clock)):
        await stopped()
