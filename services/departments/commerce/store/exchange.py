"""The SQL of the adapter: it writes tasks into the exchange tables, and reads and marks the answers."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any, NamedTuple

from pydantic_core import to_json
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.departments.commerce.store.tables import insert
from services.departments.commerce.translate import ACCEPT_COLUMNS

_UPSERT = text(
    insert(
        "up_pro_accept",
        ACCEPT_COLUMNS,
        "DO UPDATE SET cd_operation = 'U', cd_batch = excluded.cd_batch, cd_time = excluded.cd_time, fetched_at = NULL",
    )
)

_ANY_UNREAD = text("SELECT EXISTS (SELECT FROM up_pro_accept WHERE row_guid = ANY(:task_ids) AND fetched_at IS NULL)")

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
    """A row that has been read, for `mark_read`."""

    table: Table
    id: int
    changed_at: datetime | None = None
    ends_at: datetime | None = None
    """``cd_time`` and ``end_time`` of a row that the department may change in place."""


async def put_tasks(connection: AsyncConnection, rows: Sequence[Mapping[str, str | None]]) -> None:
    """Write the rows of tasks. A task that is there already is marked as changed and unread."""
    await connection.execute(_UPSERT, {"rows": to_json(rows).decode()})


async def any_unread(connection: AsyncConnection, task_ids: Sequence[str]) -> bool:
    """Whether the department has not yet read one of these tasks."""
    return bool(await connection.scalar(_ANY_UNREAD, {"task_ids": task_ids}))


async def answers(connection: AsyncConnection, task_ids: Sequence[str]) -> list[tuple[Read, Row[Any]]]:
    """The rows about these tasks, read or not: receipts first, each kind in the order of its writing."""
    return [
        (Read(table, row.id), row)
        for table, statement in ((Table.PROCESS, _PROCESSES_OF), (Table.RESULT, _RESULTS_OF))
        for row in await connection.execute(statement, {"task_ids": task_ids})
    ]


async def unread(connection: AsyncConnection, limit: int) -> list[tuple[Read, Row[Any]]]:
    """At most ``limit`` rows that are not marked read. Receipts come first: a task is delivered before its decision."""
    results = (await connection.execute(_RESULTS_UNREAD, {"limit": limit})).all()
    left = limit - len(results)
    processes = (await connection.execute(_PROCESSES_UNREAD, {"limit": left})).all() if left else ()
    left -= len(processes)
    procedures = (await connection.execute(_PROCEDURES_UNREAD, {"limit": left})).all() if left else ()
    return [
        *((Read(Table.PROCESS, row.id), row) for row in processes),
        *((Read(Table.PROCEDURE, row.id, row.cd_time, row.end_time), row) for row in procedures),
        *((Read(Table.RESULT, row.id), row) for row in results),
    ]


async def mark_read(connection: AsyncConnection, read: Sequence[Read]) -> None:
    """Mark these rows read."""
    if not read:
        return
    procedures = [one for one in read if one.table is Table.PROCEDURE]
    ids = {
        "processes": [one.id for one in read if one.table is Table.PROCESS],
        "procedures": [one.id for one in procedures],
        "procedures_changed": [one.changed_at for one in procedures],
        "procedures_end": [one.ends_at for one in procedures],
        "results": [one.id for one in read if one.table is Table.RESULT],
    }
    await connection.execute(_MARK_READ, ids)
