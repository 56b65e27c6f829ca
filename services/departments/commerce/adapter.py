"""The commerce department's exchange tables. One statement writes a batch of tasks; a reader's mark is on rows read.

The task id is the key of a task's row. A task that is submitted again is the same row, marked unread, so that the
department reads it again and answers with its present state.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from enum import Enum
from typing import Any, NamedTuple
from uuid import uuid4

from pydantic_core import to_json
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.messages.tasks import TaskRequested
from services.departments.commerce.settings import CommerceSettings
from services.departments.commerce.tables import insert
from services.departments.commerce.translate import (
    ACCEPT_COLUMNS,
    ProcedureRow,
    ProcessRow,
    ResultRow,
    accept_row,
    decision,
    procedure,
    receipt,
)
from services.departments.sdk.adapter import Clock, notification, unparseable
from services.departments.sdk.core.messages import Answer, Decision, Posted, Receipt
from services.departments.sdk.polling import pauses
from services.departments.sdk.tables import open_tables
from services.runtime.external_system import InvalidNotification, Notification

_UPSERT = text(
    insert(
        "up_pro_accept",
        ACCEPT_COLUMNS,
        "DO UPDATE SET cd_operation = 'U', cd_batch = excluded.cd_batch, cd_time = excluded.cd_time, fetched_at = NULL",
    )
)

_UNREAD = text("SELECT EXISTS (SELECT FROM up_pro_accept WHERE row_guid = ANY(:task_ids) AND fetched_at IS NULL)")

_PROCESS = "SELECT id, project_no, event_name, event_start_time, remark FROM up_pro_process"

# The department's number and the time of receipt are in the first process row that has them.
_RESULT = """
    SELECT r.id, r.project_no, r.cd_operation, r.result_type, r.result_date, r.result_explain, r.result_cetr_no,
        p.remark AS taken_as, p.event_start_time AS taken_at
    FROM up_pro_result r LEFT JOIN LATERAL (
        SELECT remark, event_start_time FROM up_pro_process
        WHERE project_no = r.project_no AND event_name = '1' AND remark IS NOT NULL ORDER BY id LIMIT 1) p ON true
"""

_PROCESSES_OF = text(f"{_PROCESS} WHERE project_no = ANY(:task_ids) ORDER BY id")
_RESULTS_OF = text(f"{_RESULT} WHERE r.project_no = ANY(:task_ids) ORDER BY r.id")
_PROCEDURES_UNREAD = text("""
    SELECT id, project_no, cd_operation, cd_time, special_name, special_reason, special_time, end_time
    FROM up_pro_special_procedure WHERE fetched_at IS NULL ORDER BY id LIMIT :limit
""")
_PROCESSES_UNREAD = text(f"{_PROCESS} WHERE fetched_at IS NULL ORDER BY id LIMIT :limit")
_RESULTS_UNREAD = text(f"{_RESULT} WHERE r.fetched_at IS NULL ORDER BY r.id LIMIT :limit")

_MARK_READ = text("""
    WITH processes AS (
        UPDATE up_pro_process SET fetched_at = now() WHERE id = ANY(:processes) AND fetched_at IS NULL
    ), procedures AS (
        -- A row that the department has changed meanwhile stays unread.
        UPDATE up_pro_special_procedure SET fetched_at = now()
        FROM unnest(CAST(:procedures AS bigint[]), CAST(:procedures_changed AS timestamp[]),
            CAST(:procedures_end AS timestamp[])) AS read (id, cd_time, end_time)
        WHERE up_pro_special_procedure.id = read.id AND up_pro_special_procedure.cd_time = read.cd_time
            AND up_pro_special_procedure.end_time = read.end_time
    )
    UPDATE up_pro_result SET fetched_at = now() WHERE id = ANY(:results) AND fetched_at IS NULL
""")


class Table(Enum):
    """A table that the department writes."""

    PROCESS = "up_pro_process"
    PROCEDURE = "up_pro_special_procedure"
    RESULT = "up_pro_result"


class Read(NamedTuple):
    """A row that has been read, for `CommerceAdapter.acknowledge` to mark."""

    table: Table
    id: int
    changed_at: datetime | None = None
    ends_at: datetime | None = None
    """``cd_time`` and ``end_time`` of a row that the department may change in place."""


class CommerceAdapter:
    """Implements `services.departments.sdk.adapter.Adapter`."""

    batch_size = 500

    def __init__(self, settings: CommerceSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._database = open_tables(
            settings.exchange.get_secret_value(), "onedoor commerce", settings.connections, settings.timeout_s
        )

    async def open(self) -> None:
        """Connections are made when they are needed."""

    async def close(self) -> None:
        await self._database.dispose()

    async def submit(self, tasks: Sequence[TaskRequested]) -> Sequence[Answer | Exception]:
        by_id = {task.task_id: task for task in tasks}
        task_ids = sorted(by_id)  # rows are locked in one order, so that two batches cannot deadlock
        batch, now = uuid4().hex, self._clock.now()
        rows = [accept_row(by_id[task_id], self._settings.org_code, batch, now) for task_id in task_ids]
        async with self._database.connect() as connection:
            await connection.execute(_UPSERT, {"rows": to_json(rows).decode()})
        await self._wait_until_read(task_ids)
        async with self._database.connect() as connection:
            known = await self._known(connection, task_ids)
        return [known.get(task.task_id, Posted()) for task in tasks]

    async def poll(self, limit: int) -> Sequence[Notification | InvalidNotification]:
        async with self._database.connect() as connection:
            results = (await connection.execute(_RESULTS_UNREAD, {"limit": limit})).all()
            left = {"limit": limit - len(results)}
            processes = (await connection.execute(_PROCESSES_UNREAD, left)).all() if left["limit"] else ()
            left = {"limit": limit - len(results) - len(processes)}
            procedures = (await connection.execute(_PROCEDURES_UNREAD, left)).all() if left["limit"] else ()
        # Receipts come first, so that a task is delivered before its decision.
        rows = [
            *((Read(Table.PROCESS, row.id), row) for row in processes),
            *((Read(Table.PROCEDURE, row.id, row.cd_time, row.end_time), row) for row in procedures),
            *((Read(Table.RESULT, row.id), row) for row in results),
        ]
        return [_notification(row, mark) for mark, row in rows]

    async def acknowledge(self, receipts: Sequence[Any]) -> None:
        async with self._database.connect() as connection:
            await _mark(connection, receipts)

    async def _wait_until_read(self, task_ids: Sequence[str]) -> None:
        """Wait until the department has read the rows, at most as long as the settings allow."""
        for pause in pauses(self._settings.wait_s):
            await asyncio.sleep(pause)
            async with self._database.connect() as connection:
                if not await connection.scalar(_UNREAD, {"task_ids": task_ids}):
                    return

    async def _known(self, connection: AsyncConnection, task_ids: Sequence[str]) -> dict[str, Receipt | Decision]:
        """The answers to these tasks that are in the tables. Invalid rows stay unread, for `poll`.

        Valid rows are marked read: should this answer be lost, the task is submitted again anyway.
        """
        known: dict[str, Receipt | Decision] = {}
        read: list[Read] = []
        for table, statement in ((Table.PROCESS, _PROCESSES_OF), (Table.RESULT, _RESULTS_OF)):
            found: dict[str, Receipt | Decision] = {}
            for row in await connection.execute(statement, {"task_ids": task_ids}):
                with suppress(ValueError):
                    found.setdefault(row.project_no, _answer(row, table))
                    read.append(Read(table, row.id))
            known |= found
        await _mark(connection, read)
        return known


async def _mark(connection: AsyncConnection, read: Sequence[Read]) -> None:
    if read:
        procedures = [one for one in read if one.table is Table.PROCEDURE]
        ids = {
            "processes": [one.id for one in read if one.table is Table.PROCESS],
            "procedures": [one.id for one in procedures],
            "procedures_changed": [one.changed_at for one in procedures],
            "procedures_end": [one.ends_at for one in procedures],
            "results": [one.id for one in read if one.table is Table.RESULT],
        }
        await connection.execute(_MARK_READ, ids)


def _answer(row: Row[Any], table: Table) -> Receipt | Decision:
    """The answer in a row. Raises `ValueError` for an invalid row."""
    return decision(ResultRow.model_validate(row)) if table is Table.RESULT else receipt(ProcessRow.model_validate(row))


def _notification(row: Row[Any], mark: Read) -> Notification | InvalidNotification:
    try:
        if mark.table is Table.PROCEDURE:
            return notification(row.project_no, procedure(ProcedureRow.model_validate(row)), mark)
        return notification(row.project_no, _answer(row, mark.table), mark)
    except ValueError as error:
        return InvalidNotification(unparseable(error, repr(row).encode()), mark)
