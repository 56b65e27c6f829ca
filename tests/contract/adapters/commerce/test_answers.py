"""Particulars of exchange tables: rows that appear out of order, change, contradict each other, or are locked."""

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.messages.plans import Outcome
from services.departments.commerce.adapter import CommerceAdapter, Locked
from services.departments.commerce.settings import CommerceSettings
from services.departments.conformance.suite import content_of, task
from services.departments.sandbox.behaviour import Behaviour
from services.departments.sdk.core.messages import Answer, Decision, Procedure, Receipt
from services.runtime.external_system import InvalidNotification, Notification
from tests.contract.adapters.commerce.rows import (
    RESULT,
    decide,
    decisions,
    process,
    result,
    task_ids,
)
from tests.support.adapter_sites import CommerceSite


async def submitted_with_a_long_wait(site: CommerceSite) -> Answer | Exception:
    adapter = CommerceAdapter(CommerceSettings(exchange=site.database, timeout_s=30, wait_s=30), site.clock)
    try:
        (answer,) = await adapter.submit([task(1)])
    finally:
        await adapter.close()
    return answer


async def test_a_row_committed_late_is_read(site: CommerceSite, exchange: AsyncEngine) -> None:
    await site.adapter.submit([task(1), task(2)])
    async with exchange.connect() as slow, exchange.connect() as quick:
        await decide(slow, 1)  # has the lower id, and is not committed yet
        await decide(quick, 2)
        await quick.commit()
        first = await decisions(site)
        await site.adapter.acknowledge([one.ack_token for one in first.values()])
        await slow.commit()
    assert list(first) == [task(2).task_id]
    assert list(await decisions(site)) == [task(1).task_id]


async def test_a_withdrawn_result_is_invalid(site: CommerceSite, exchange: AsyncEngine) -> None:
    await site.adapter.submit([task(1)])
    async with exchange.begin() as connection:
        await decide(connection, 1, "D")
    (one,) = await site.adapter.poll(10)
    assert isinstance(one, InvalidNotification)
    assert "cd_operation" in str(one.error)


async def test_a_row_of_another_centre_is_invalid(site: CommerceSite, exchange: AsyncEngine) -> None:
    async with exchange.begin() as connection:
        await connection.execute(RESULT, {"guid": "g", "project": "another-centre-17", "operation": "I"})
    (one,) = await site.adapter.poll(10)
    assert isinstance(one, InvalidNotification)


async def test_a_task_is_one_row_however_often_it_is_submitted(site: CommerceSite, exchange: AsyncEngine) -> None:
    for _ in range(3):
        await site.adapter.submit([task(1)])
    async with exchange.connect() as connection:
        rows = (await connection.execute(text("SELECT cd_operation, project_no FROM up_pro_accept"))).all()
    assert [tuple(row) for row in rows] == [("U", task(1).task_id)]


async def test_a_special_procedure_is_reported_again_when_it_changes(site: CommerceSite, exchange: AsyncEngine) -> None:
    await site.adapter.submit([task(1)])
    upsert = text("""
        INSERT INTO up_pro_special_procedure (row_guid, project_no, data_source, cd_operation, cd_batch, cd_time,
            special_type, special_name, special_reason, special_time, end_time)
        VALUES ('g', :project, '1', :operation, 'b', CAST(CAST(:changed AS text) AS timestamp), '1', '听证',
            '涉及重大公共利益', '2026-03-03 10:00', CAST(CAST(:until AS text) AS timestamp))
        ON CONFLICT (row_guid) DO UPDATE SET cd_operation = 'U', cd_time = excluded.cd_time,
            end_time = excluded.end_time, fetched_at = NULL
    """)

    async def notified(operation: str, changed: int, until: int) -> Notification:
        row = {"project": task(1).task_id, "operation": operation}
        async with exchange.begin() as connection:
            moments = {"changed": f"2026-03-{changed:02} 10:00", "until": f"2026-03-{until:02} 10:00"}
            await connection.execute(upsert, {**row, **moments})
        (one,) = [one for one in await site.adapter.poll(10) if isinstance(one, Notification)]
        return one

    first = await notified("I", 3, 10)
    procedure = content_of(first)
    assert isinstance(procedure, Procedure)
    assert (procedure.name, procedure.article) == ("听证", "行政许可法第四十五条")
    assert (procedure.since, procedure.until) == (
        datetime(2026, 3, 3, 2, tzinfo=UTC),
        datetime(2026, 3, 10, 2, tzinfo=UTC),
    )
    # It changes its end before the first report is acknowledged.
    second = await notified("U", 5, 12)
    await site.adapter.acknowledge([first.ack_token])
    changed = content_of(second)
    assert isinstance(changed, Procedure)
    assert changed.until == datetime(2026, 3, 12, 2, tzinfo=UTC)
    assert changed.procedure == procedure.procedure
    assert await site.adapter.poll(10) == [second]
    await site.adapter.acknowledge([second.ack_token])
    assert await site.adapter.poll(10) == []


async def test_receipts_come_before_decisions(site: CommerceSite, exchange: AsyncEngine) -> None:
    await site.adapter.submit([task(1)])
    async with exchange.begin() as connection:
        await connection.execute(text("UPDATE up_pro_process SET fetched_at = NULL"))
        await decide(connection, 1)
    received, decided = await site.adapter.poll(10)
    assert isinstance(content_of(received), Receipt)
    assert isinstance(content_of(decided), Decision)


async def test_a_sandbox_that_seldom_polls_is_notified_of_new_rows(site: CommerceSite) -> None:
    site.poll_s = 60.0
    await site.set_behaviour(Behaviour(at_once=True))
    assert isinstance(await submitted_with_a_long_wait(site), Decision)


async def test_a_sandbox_whose_connection_was_lost_is_notified_again(site: CommerceSite, exchange: AsyncEngine) -> None:
    site.poll_s = 60.0
    await site.set_behaviour(Behaviour(at_once=True))
    async with exchange.begin() as connection:
        cut = await connection.scalar(
            text("""
            SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
            WHERE datname = current_database() AND query LIKE 'LISTEN %'
        """)
        )
    assert cut == 1
    assert isinstance(await submitted_with_a_long_wait(site), Decision)


async def test_of_contradicting_results_the_second_stays_unread(site: CommerceSite, exchange: AsyncEngine) -> None:
    await site.adapter.submit([task(1)])
    await result(exchange, 1, "first")
    await result(exchange, 1, "again")
    await result(exchange, 1, "second", result_type="2")
    (answer,) = await site.adapter.submit([task(1)])
    assert isinstance(answer, Decision) and answer.outcome is Outcome.APPROVED
    (left,) = map(content_of, await site.adapter.poll(10))
    assert isinstance(left, Decision) and left.outcome is Outcome.REFUSED


async def test_a_second_number_stays_unread(site: CommerceSite, exchange: AsyncEngine) -> None:
    await site.adapter.submit([task(1)])
    await process(exchange, "second", remark="another")
    (answer,) = await site.adapter.submit([task(1)])
    assert isinstance(answer, Receipt)
    (left,) = map(content_of, await site.adapter.poll(10))
    assert isinstance(left, Receipt) and left.reference == "another" != answer.reference


async def test_later_steps_of_the_department_are_no_answers(site: CommerceSite, exchange: AsyncEngine) -> None:
    await site.adapter.submit([task(1)])
    await process(exchange, "returned", event_name="2")
    await process(exchange, "other", event_name="其他", remark="under examination")
    await process(exchange, "passed", remark=None)
    await result(exchange, 1, "decided")
    (one,) = await site.adapter.poll(10)
    assert isinstance(content_of(one), Decision)
    await site.adapter.acknowledge([one.ack_token])
    assert await site.adapter.poll(10) == []


async def test_a_step_passed_without_a_number_before_the_receipt_is_invalid(
    site: CommerceSite, exchange: AsyncEngine
) -> None:
    await site.adapter.submit([task(1)])
    async with exchange.begin() as connection:
        await connection.execute(text("UPDATE up_pro_process SET remark = ' ', fetched_at = NULL"))
    (one,) = await site.adapter.poll(10)
    assert isinstance(one, InvalidNotification) and "remark" in str(one.error)


async def test_a_result_that_changes_before_it_is_acknowledged_is_read_again(
    site: CommerceSite, exchange: AsyncEngine
) -> None:
    await site.adapter.submit([task(1)])
    await result(exchange, 1, "first")
    (first,) = await site.adapter.poll(10)
    async with exchange.begin() as connection:
        await connection.execute(text("UPDATE up_pro_result SET result_type = '2', cd_operation = 'U'"))
    await site.adapter.acknowledge([first.ack_token])
    (changed,) = await site.adapter.poll(10)
    content = content_of(changed)
    assert isinstance(content, Decision) and content.outcome is Outcome.REFUSED
    await site.adapter.acknowledge([changed.ack_token])
    assert await site.adapter.poll(10) == []


async def test_a_result_without_a_number_of_the_case_says_where_it_belongs(
    site: CommerceSite, exchange: AsyncEngine
) -> None:
    await result(exchange, 1, "early")
    (one,) = await site.adapter.poll(10)
    assert isinstance(one, InvalidNotification) and "up_pro_process" in str(one.error)


@pytest.mark.parametrize("table", ["up_pro_process", "up_pro_result"])
async def test_a_row_that_the_department_keeps_locked_is_read_again_and_holds_no_other_back(
    site: CommerceSite, exchange: AsyncEngine, table: str
) -> None:
    await site.adapter.submit([task(1), task(2)])
    for number in (1, 2):
        await result(exchange, number, f"decided {number}")
    async with exchange.begin() as connection:
        await connection.execute(text("UPDATE up_pro_process SET fetched_at = NULL"))
    found = await site.adapter.poll(10)
    async with exchange.begin() as forgotten:
        lock = text(f"SELECT FROM {table} WHERE project_no = :task FOR UPDATE")
        await forgotten.execute(lock, {"task": task(1).task_id})
        await site.adapter.acknowledge([one.ack_token for one in found])
        (left,) = await site.adapter.poll(10)
    assert task_ids([left]) == {task(1).task_id}
    await site.adapter.acknowledge([left.ack_token])
    assert await site.adapter.poll(10) == []


async def test_rows_that_are_all_locked_are_not_polled_again_at_once(site: CommerceSite, exchange: AsyncEngine) -> None:
    await site.adapter.submit([task(1)])
    await result(exchange, 1, "decided")
    found = await site.adapter.poll(10)
    async with exchange.begin() as forgotten:
        await forgotten.execute(text("SELECT FROM up_pro_result FOR UPDATE"))
        with pytest.raises(Locked, match="locked"):
            await site.adapter.acknowledge([one.ack_token for one in found])
    await site.adapter.acknowledge([one.ack_token for one in found])
    assert await site.adapter.poll(10) == []


async def test_rows_that_another_session_marks_meanwhile_are_no_fault(
    site: CommerceSite, exchange: AsyncEngine
) -> None:
    await site.adapter.submit([task(1)])
    await result(exchange, 1, "decided")
    found = await site.adapter.poll(10)
    async with exchange.begin() as marking:
        await marking.execute(text("UPDATE up_pro_result SET fetched_at = now()"))
        acknowledging = asyncio.create_task(site.adapter.acknowledge([one.ack_token for one in found]))
        await asyncio.wait([acknowledging], timeout=0.1)
        assert not acknowledging.done()
    await acknowledging
    assert await site.adapter.poll(10) == []
