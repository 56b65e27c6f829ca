"""The SQL of the sandbox: it reads tasks from the exchange tables, and writes the answers."""

from collections.abc import Sequence
from typing import Any

from pydantic_core import to_json
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from contracts.envelope import Code
from services.departments.commerce.store.tables import create_tables, insert

JsonRow = dict[str, str | None]

CHANNEL = "up_pro_accept"
"""The channel on which PostgreSQL notifies of new tasks."""

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

# A trigger of the sandbox's own, in its own database: the writers of rows know nothing of it.
_CREATE_TRIGGER = (
    "SELECT pg_advisory_xact_lock(794118)",  # of two concurrent CREATE statements one would fail
    f"""
    CREATE OR REPLACE FUNCTION notify_accept() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN NOTIFY {CHANNEL}; RETURN NULL; END'
    """,
    """
    CREATE OR REPLACE TRIGGER notify_accept
        AFTER INSERT OR UPDATE OF cd_time ON up_pro_accept EXECUTE FUNCTION notify_accept()
    """,
)


async def create(exchange: AsyncEngine, rejected_items: Sequence[Code]) -> None:
    """Make the exchange tables and the sandbox's trigger unless they exist. Tasks with these items are rejected."""
    await create_tables(exchange)
    items = ", ".join(f"'{item}'" for item in rejected_items)  # a `Code` has no quotation mark
    check = [f"ALTER TABLE up_pro_accept ADD CONSTRAINT {_CHECK} CHECK (task_code NOT IN ({items})) NOT VALID"]
    async with exchange.execution_options(isolation_level="READ COMMITTED").begin() as connection:
        for statement in (*_CREATE_TRIGGER, _DROP_CHECK, *(check if items else ())):
            await connection.execute(text(statement))


_CHECK = "sandbox_rejects"
_DROP_CHECK = f"ALTER TABLE up_pro_accept DROP CONSTRAINT IF EXISTS {_CHECK}"


async def unread_tasks(connection: AsyncConnection, limit: int) -> Sequence[Row[Any]]:
    """Tasks that the department has not read: id, project_no, task_code and cd_batch of each."""
    return (await connection.execute(_UNREAD, {"limit": limit})).all()


async def answer(
    connection: AsyncConnection, ids: Sequence[int], taken: Sequence[JsonRow], decided: Sequence[JsonRow]
) -> None:
    """Write the answers to tasks, and mark their rows read by their ids."""
    await connection.execute(_ANSWER, {"ids": ids, "taken": _array(taken), "decided": _array(decided)})


async def report(connection: AsyncConnection, decided: Sequence[JsonRow]) -> None:
    """Write decisions."""
    await connection.execute(_REPORT, {"decided": _array(decided)})


def _array(rows: Sequence[JsonRow]) -> str:
    return to_json(rows).decode()
