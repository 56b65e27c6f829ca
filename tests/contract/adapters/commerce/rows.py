"""Rows that a department writes into its exchange tables, and what the adapter makes of them."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.departments.conformance.suite import task
from services.departments.sdk.core.messages import Decision, Notified
from services.runtime.external_system import InvalidNotification, Notification
from tests.support.adapter_sites import CommerceSite

RESULT = text("""
    INSERT INTO up_pro_result (row_guid, project_no, data_source, cd_operation, cd_batch, cd_time,
        is_delivery_results, result_type, result_date)
    VALUES (:guid, :project, '1', :operation, 'b', '2026-03-03', '0', '1', '2026-03-03')
""")


PROCESS = text("""
    INSERT INTO up_pro_process (row_guid, project_no, data_source, cd_operation, cd_batch, cd_time, event_name,
        process_name, handle_user_name, handle_explain, event_start_time, event_end_time, remark)
    SELECT :guid, project_no, '1', 'I', 'b', cd_time, :event_name, '办理', '窗口', '', event_start_time,
        event_end_time, :remark FROM up_pro_process ORDER BY id LIMIT 1
""")


PROCEDURE = text("""
    INSERT INTO up_pro_special_procedure (row_guid, project_no, data_source, cd_operation, cd_batch, cd_time,
        special_type, special_name, special_reason, special_time, end_time)
    VALUES ('g', :project, '1', 'I', 'b', '2026-03-03 10:00', '1', '听证', '涉及重大公共利益', '2026-03-03 10:00',
        '2026-03-10 10:00')
""")


async def decide(connection: AsyncConnection, number: int, operation: str = "I") -> None:
    project = task(number).task_id
    await connection.execute(RESULT, {"guid": f"{project}/{operation}", "project": project, "operation": operation})


async def decisions(site: CommerceSite) -> dict[str, Notification]:
    found: dict[str, Notification] = {}
    for one in await site.adapter.poll(10):
        match one:
            case Notification(message=Notified(task_id=task_id, content=Decision())):
                found[task_id] = one
    return found


async def result(exchange: AsyncEngine, number: int, guid: str, **columns: str) -> None:
    row = {
        "row_guid": guid,
        "project_no": task(number).task_id,
        "data_source": "1",
        "cd_operation": "I",
        "cd_batch": "b",
        "cd_time": "2026-03-03",
        "is_delivery_results": "0",
        "result_type": "1",
        "result_date": "2026-03-03",
        **columns,
    }
    listed = ", ".join(row)
    async with exchange.begin() as connection:
        values = ", ".join(f"'{value}'" for value in row.values())
        await connection.execute(text(f"INSERT INTO up_pro_result ({listed}) VALUES ({values})"))


async def process(exchange: AsyncEngine, guid: str, event_name: str = "1", remark: str | None = None) -> None:
    """One more step of the case whose receipt is the first row."""
    async with exchange.begin() as connection:
        await connection.execute(PROCESS, {"guid": guid, "event_name": event_name, "remark": remark})


def task_ids(found: Sequence[Notification | InvalidNotification]) -> set[str]:
    """The tasks of the valid notifications."""
    messages = [one.message for one in found if isinstance(one, Notification)]
    return {message.task_id for message in messages if isinstance(message, Notified)}
