"""Particulars of exchange tables: rows that appear out of order, change, contradict each other or are refused."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from contracts.messages.cases import Applicant
from contracts.messages.plans import Outcome
from contracts.messages.tasks import TaskRequested
from deploy.local.engines import Engines
from services.departments.commerce.adapter import CommerceAdapter, Locked
from services.departments.commerce.settings import CommerceSettings
from services.departments.commerce.store.exchange import MOST_CHARACTERS, unread
from services.departments.conformance.suite import content_of, task
from services.departments.sandbox.behaviour import Behaviour
from services.departments.sdk.core.messages import Answer, Decision, Notified, Procedure, Receipt
from services.runtime.external_system import InvalidNotification, Notification, RequestRefused
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


@pytest.fixture
async def site(database_url: str, tmp_path: Path) -> AsyncIterator[CommerceSite]:
    async with CommerceSite(database_url, tmp_path) as site:
        yield site


@pytest.fixture
async def exchange(site: CommerceSite) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(site.database)
    yield engine
    await engine.dispose()


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


async def submitted_with_a_long_wait(site: CommerceSite) -> Answer | Exception:
    adapter = CommerceAdapter(CommerceSettings(exchange=site.database, timeout_s=30, wait_s=30), site.clock)
    try:
        (answer,) = await adapter.submit([task(1)])
    finally:
        await adapter.close()
    return answer


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


# -- rows that the department's table refuses --------------------------------------------------------------------------

NAMES = "张三李四王五赵六钱七"


def named(number: int, name: str) -> TaskRequested:
    applicant = Applicant(kind="person", name=name, id_number="11010519491231002X")
    return task(number).model_copy(update={"applicant": applicant})


async def alter(exchange: AsyncEngine, change: str) -> None:
    async with exchange.begin() as connection:
        await connection.execute(text(f"ALTER TABLE up_pro_accept {change}"))


async def numbered(site: CommerceSite, *tasks: TaskRequested) -> set[str]:
    """The tasks that have a number once the department has read the tables."""
    answers = await site.adapter.submit(tasks)
    return {one.task_id for one, answer in zip(tasks, answers, strict=True) if isinstance(answer, Receipt)}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("ALTER COLUMN applyer_name TYPE varchar(5)", r"column applyer_name \(character varying\(5\)\): .* too long"),
        (
            "ADD CHECK (length(applyer_name) < 6)",
            r"column applyer_name \(.*up_pro_accept_applyer_name_check: its check",
        ),
        ("ADD CONSTRAINT short CHECK (length(applyer_name) < 6)", r"constraint short: its check refuses"),
        ("ADD contact char(1) NOT NULL", None),
    ],
)
async def test_a_refused_row_does_not_hold_its_lot_back(
    site: CommerceSite, exchange: AsyncEngine, change: str, why: str | None
) -> None:
    await alter(exchange, change)
    good = [named(number, NAMES[number % 5] + str(number)) for number in range(18)]
    bad = named(18, NAMES)
    answers = await site.adapter.submit([*good[:9], bad, *good[9:]])
    refused = [answer for answer in answers if isinstance(answer, RequestRefused)]
    if why is None:
        assert len(refused) == len(answers)
        assert re.search(r"column contact \(character\(1\)\): it needs a value", str(refused[0]))
        return
    assert await numbered(site, *good) == {one.task_id for one in good}
    (fault,) = refused
    assert answers[9] is fault
    assert re.search(why, str(fault)) and "up_pro_accept" in str(fault)
    assert bad.task_id.encode() in fault.raw
    for secret in (NAMES, "11010519491231002X"):
        assert secret not in str(fault) + fault.raw.decode()


async def test_several_refused_rows_are_each_found(site: CommerceSite, exchange: AsyncEngine) -> None:
    await alter(exchange, "ALTER COLUMN applyer_name TYPE varchar(5), ALTER COLUMN applyer_page_code TYPE varchar(17)")
    tasks = [named(number, NAMES if number % 3 == 0 else "张三") for number in range(30)]
    answers = await site.adapter.submit(tasks)
    reasons = {re.findall(r"column (\w+)", str(answer))[0] for answer in answers}
    assert reasons == {"applyer_name", "applyer_page_code"}
    assert len({answer.raw for answer in answers if isinstance(answer, RequestRefused)}) == 30
    again = await site.adapter.submit(tasks)
    assert [repr(answer) for answer in again] == [repr(answer) for answer in answers], "each stays one dead letter"


async def test_a_row_that_a_trigger_refuses_is_reported_without_its_text(
    site: CommerceSite, exchange: AsyncEngine
) -> None:
    async with exchange.begin() as connection:
        await connection.execute(
            text("""
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
                'BEGIN
                    IF length(NEW.applyer_name) > 5 THEN RAISE ''no % here'', NEW.applyer_name; END IF;
                    RETURN NEW;
                END'
        """)
        )
        await connection.execute(
            text("CREATE TRIGGER refuse BEFORE INSERT ON up_pro_accept FOR EACH ROW EXECUTE FUNCTION refuse()")
        )
    refused, other = await site.adapter.submit([named(1, NAMES), named(2, "张三")])
    assert isinstance(refused, RequestRefused) and not isinstance(other, Exception)
    assert "a trigger refuses the row" in str(refused) and NAMES not in str(refused)


async def test_a_refused_row_is_taken_once_the_column_is_restored(site: CommerceSite, exchange: AsyncEngine) -> None:
    await alter(exchange, "ALTER COLUMN applyer_name TYPE varchar(5)")
    bad = named(1, NAMES)
    assert await numbered(site, bad) == set()
    await alter(exchange, "ALTER COLUMN applyer_name TYPE varchar(200)")
    assert await numbered(site, bad) == {bad.task_id}


async def test_a_task_that_the_department_has_is_answered_even_if_its_row_is_refused_now(
    site: CommerceSite, exchange: AsyncEngine
) -> None:
    one = named(1, NAMES)
    assert await numbered(site, one)
    await alter(exchange, "ADD CHECK (length(applyer_name) < 6) NOT VALID")
    assert await numbered(site, one)


async def test_a_row_that_the_department_keeps_locked_does_not_hold_its_lot_back(
    site: CommerceSite, exchange: AsyncEngine
) -> None:
    await site.adapter.submit([task(1)])
    async with exchange.begin() as connection:
        await connection.execute(text("DELETE FROM up_pro_process"))
    async with exchange.begin() as forgotten:
        lock = text("SELECT FROM up_pro_accept WHERE row_guid = :task FOR UPDATE")
        await forgotten.execute(lock, {"task": task(1).task_id})
        held, *others = await site.adapter.submit([task(1), task(2), task(3)])
    assert [type(answer) for answer in others] == [Receipt, Receipt]
    assert isinstance(held, RequestRefused) and "end that transaction" in str(held)
    assert task(1).task_id.encode() in held.raw


# -- answers that the adapter must not lose ----------------------------------------------------------------------------


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


def task_ids(found: Sequence[Notification | InvalidNotification]) -> set[str]:
    """The tasks of the valid notifications."""
    messages = [one.message for one in found if isinstance(one, Notification)]
    return {message.task_id for message in messages if isinstance(message, Notified)}


async def process(exchange: AsyncEngine, guid: str, event_name: str = "1", remark: str | None = None) -> None:
    """One more step of the case whose receipt is the first row."""
    async with exchange.begin() as connection:
        await connection.execute(PROCESS, {"guid": guid, "event_name": event_name, "remark": remark})


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


async def test_padded_rows_are_understood(site: CommerceSite, exchange: AsyncEngine) -> None:
    await site.adapter.submit([task(1)])
    await result(exchange, 1, "padded", project_no=f"{task(1).task_id}   ", result_type="2 ", result_cetr_no="  ")
    (one,) = await site.adapter.poll(10)
    content = content_of(one)
    assert isinstance(content, Decision) and (content.outcome, content.document) == (Outcome.REFUSED, None)


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


OPINION = text("""
    INSERT INTO up_pro_result (row_guid, project_no, data_source, cd_operation, cd_batch, cd_time,
        is_delivery_results, result_type, result_date, result_explain)
    VALUES (:guid, :project, '1', 'I', 'b', '2026-03-03', '0', '1', '2026-03-03', convert_from(:opinion, 'SQL_ASCII'))
""")


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
