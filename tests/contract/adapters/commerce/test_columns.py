"""Columns of other types and contents than agreed: no row keeps another from being read."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from contracts.messages.plans import Outcome
from deploy.local.engines import Engines
from services.departments.commerce.store.exchange import MOST_CHARACTERS, unread
from services.departments.conformance.suite import content_of, task
from services.departments.sdk.core.messages import Decision, Receipt
from services.departments.sdk.core.state import Task
from services.departments.sdk.core.times import checked_answer
from services.runtime.external_system import InvalidNotification
from tests.contract.adapters.commerce.rows import PROCEDURE, decisions, process, result, task_ids
from tests.support.adapter_sites import CommerceSite

REQUESTED = task(1).requested_at
TODAY = f"{REQUESTED.astimezone(ZoneInfo('Asia/Shanghai')):%Y-%m-%d}"


@pytest.mark.parametrize("kind", ["date", "timestamp"])
async def test_days_in_place_of_times_raise_no_doubt(site: CommerceSite, exchange: AsyncEngine, kind: str) -> None:
    """The department keeps days alone, and decides on that of the request."""
    await site.adapter.submit([task(1)])
    async with exchange.begin() as connection:
        for table, column in (("up_pro_process", "event_start_time"), ("up_pro_result", "result_date")):
            await connection.execute(text(f"ALTER TABLE {table} ALTER COLUMN {column} TYPE {kind}"))
        await connection.execute(text(f"UPDATE up_pro_process SET event_start_time = '{TODAY}'"))
    await result(exchange, 1, "decided", result_date=TODAY)
    (one,) = (await decisions(site)).values()
    content = content_of(one)
    assert isinstance(content, Decision)
    arrived_at = REQUESTED + timedelta(days=1)
    checked = checked_answer(Task(request=task(1)), content, arrived_at, timedelta())
    assert checked == content.replace(delivered_at=REQUESTED, decided_at=REQUESTED, arrived_at=arrived_at)


OPINION = text("""
    INSERT INTO up_pro_result (row_guid, project_no, data_source, cd_operation, cd_batch, cd_time,
        is_delivery_results, result_type, result_date, result_explain)
    VALUES (:guid, :project, '1', 'I', 'b', '2026-03-03', '0', '1', '2026-03-03', convert_from(:opinion, 'SQL_ASCII'))
""")


@pytest.mark.parametrize("date", ["infinity", "0044-03-15 BC", "12026-03-03"])
async def test_a_date_that_cannot_be_expressed_keeps_no_other_row_from_being_read(
    site: CommerceSite, exchange: AsyncEngine, date: str
) -> None:
    await site.adapter.submit([task(1), task(2)])
    await result(exchange, 1, "bad", result_date=date)
    await result(exchange, 2, "good")
    bad, good = await site.adapter.poll(10)
    assert isinstance(bad, InvalidNotification) and "result_date" in str(bad.error)
    assert isinstance(content_of(good), Decision)
    await site.adapter.acknowledge([bad.ack_token, good.ack_token])
    assert await site.adapter.poll(10) == []
    answers = await site.adapter.submit([task(1), task(2)])
    assert [type(answer) for answer in answers] == [Receipt, Decision]


async def test_of_an_endless_text_the_beginning_is_read(site: CommerceSite, exchange: AsyncEngine) -> None:
    await site.adapter.submit([task(1), task(2)])
    await result(exchange, 1, "endless")
    await result(exchange, 2, "good")
    async with exchange.begin() as connection:
        await connection.execute(text("ALTER TABLE up_pro_result ALTER COLUMN result_explain TYPE text"))
        await connection.execute(
            text("UPDATE up_pro_result SET result_explain = repeat('长', 1000000) WHERE row_guid = 'endless'")
        )
    async with exchange.connect() as connection:
        (_, endless), _ = await unread(connection, 10)
    assert endless.result_explain == "长" * MOST_CHARACTERS
    bad, good = await site.adapter.poll(10)
    assert isinstance(bad, InvalidNotification) and "result_explain" in str(bad.error)
    assert isinstance(content_of(good), Decision)


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("up_pro_process", "event_name"),
        ("up_pro_process", "project_no"),
        ("up_pro_process", "event_start_time"),
        ("up_pro_result", "project_no"),
        ("up_pro_result", "result_type"),
        ("up_pro_result", "result_date"),
        ("up_pro_special_procedure", "project_no"),
    ],
)
async def test_a_row_without_a_value_keeps_no_other_row_from_being_read(
    site: CommerceSite, exchange: AsyncEngine, table: str, column: str
) -> None:
    await site.adapter.submit([task(1), task(2)])
    await result(exchange, 1, "decided 1")
    await process(exchange, "another step", remark="another")
    async with exchange.begin() as connection:
        await connection.execute(PROCEDURE, {"project": task(1).task_id})
        await connection.execute(text(f"ALTER TABLE {table} ALTER COLUMN {column} DROP NOT NULL"))
        await connection.execute(text(f"UPDATE {table} SET {column} = NULL WHERE fetched_at IS NULL"))
    await result(exchange, 2, "decided 2")
    found = await site.adapter.poll(10)
    (bad,) = [one for one in found if isinstance(one, InvalidNotification)]
    assert column in str(bad.error)
    assert task(2).task_id in task_ids(found)
    await site.adapter.acknowledge([one.ack_token for one in found])
    assert await site.adapter.poll(10) == []


async def test_times_of_columns_with_a_zone_are_the_same_moments(site: CommerceSite, exchange: AsyncEngine) -> None:
    async with exchange.begin() as connection:
        for table, column in (
            ("up_pro_accept", "accept_date"),
            ("up_pro_process", "event_start_time"),
            ("up_pro_result", "result_date"),
        ):
            change = f"ALTER COLUMN {column} TYPE timestamptz USING {column} AT TIME ZONE 'Asia/Shanghai'"
            await connection.execute(text(f"ALTER TABLE {table} {change}"))
    await site.adapter.submit([task(1)])
    async with exchange.connect() as connection:
        assert await connection.scalar(text("SELECT accept_date FROM up_pro_accept")) == task(1).requested_at
    await result(exchange, 1, "decided", result_date="2026-03-03 02:00+00")
    (one,) = await site.adapter.poll(10)
    content = content_of(one)
    assert isinstance(content, Decision) and content.decided_at == datetime(2026, 3, 3, 2, tzinfo=UTC)


async def test_a_database_without_an_encoding_is_read_row_by_row(engines: Engines, tmp_path: Path) -> None:
    """Its rows may be in UTF-8 or GBK, and the server gives none of them as text if one is not UTF-8."""
    name = f"test_{uuid4().hex}"
    administrator = await engines.postgres.connect()
    create = f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' TEMPLATE template0 LOCALE 'C' LOCALE_PROVIDER libc"
    await administrator.execute(create)
    await administrator.close()
    opinions = {1: "材料齐全".encode("gbk"), 2: "材料齐全".encode(), 3: b"\xff\xfe\x80"}
    async with CommerceSite(engines.database_url(name), tmp_path) as site:
        await site.adapter.submit([task(number) for number in opinions])
        exchange = create_async_engine(site.database)
        async with exchange.begin() as connection:
            for number, opinion in opinions.items():
                project = task(number).task_id
                await connection.execute(OPINION, {"guid": project, "project": project, "opinion": opinion})
        await exchange.dispose()
        found = await decisions(site)
    texts = {name: content.opinion for name, one in found.items() if isinstance(content := content_of(one), Decision)}
    assert texts[task(1).task_id] == texts[task(2).task_id] == "材料齐全"
    assert "\ufffd" in texts[task(3).task_id]
    await engines.postgres.drop_database(name)


async def test_a_table_that_changes_meanwhile_is_read_on(site: CommerceSite, exchange: AsyncEngine) -> None:
    """Prepared statements end with a change of their table: PostgreSQL refuses each once."""
    await site.adapter.submit([task(1)])
    for change in (
        "ALTER TABLE up_pro_result ALTER COLUMN result_explain TYPE varchar(50)",
        "ALTER TABLE up_pro_result ADD COLUMN new integer",
        "ALTER TABLE up_pro_accept ADD COLUMN new integer, ALTER COLUMN task_name TYPE varchar(500)",
        "ALTER TABLE up_pro_process ALTER COLUMN event_start_time TYPE timestamptz",
    ):
        async with exchange.begin() as connection:
            await connection.execute(text(change))
        for answer in await site.adapter.submit([task(1), task(2)]):
            assert not isinstance(answer, Exception), (change, answer)
        await site.adapter.poll(10)


async def test_padded_rows_are_understood(site: CommerceSite, exchange: AsyncEngine) -> None:
    await site.adapter.submit([task(1)])
    await result(exchange, 1, "padded", project_no=f"{task(1).task_id}   ", result_type="2 ", result_cetr_no="  ")
    (one,) = await site.adapter.poll(10)
    content = content_of(one)
    assert isinstance(content, Decision) and (content.outcome, content.document) == (Outcome.REFUSED, None)
