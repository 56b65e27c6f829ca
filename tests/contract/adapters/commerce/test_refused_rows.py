"""Rows of tasks that the department's table refuses or keeps locked, each reported by itself."""

import re

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.messages.cases import Applicant
from contracts.messages.tasks import TaskRequested
from services.departments.conformance.suite import task
from services.departments.sdk.core.messages import Receipt
from services.runtime.external_system import RequestRefused
from tests.support.adapter_sites import CommerceSite

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
