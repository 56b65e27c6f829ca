"""``onedoor dead-letters``, called as on the command line, with the real PostgreSQL."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from typer.testing import CliRunner, Result

from contracts.codec import decode, encode
from contracts.messages.documents import Absence, PostsPublished, PublishedPost
from contracts.messages.plans import Outcome
from contracts.messages.tasks import TaskCorrected, TaskDone
from contracts.rights.table import Role
from contracts.zone import CHINA
from deploy.local.engines import Engines
from onedoor.cli import app
from services.addresses import Addresses, write_addresses
from services.departments.sdk.core.handle import handle
from services.departments.sdk.core.messages import Decision, Receipt, Submitted
from services.departments.sdk.core.state import Task, Tasks, TaskState
from services.departments.sdk.service import MIGRATIONS
from services.operator.databases import connected
from services.runtime.clock import machine_now
from services.runtime.store import dead_letters, tables
from services.runtime.store.database import DedicatedConnection
from services.runtime.store.dead_letters import DeadLetter, make_dead_letter
from tests.support.databases import on_record, put_posts_in_force
from tests.support.languages import in_both
from tests.support.messages import CASE_ID, MONDAY, CaseMessages, plan, plan_step
from tests.support.runtime.toy import TOPIC, case, instruction, toy
from tests.support.scenario import Scenario, of_type
from tests.support.staff import ISSUER

T = TypeVar("T")

GOOD = encode(instruction("挂号", case(1)))
AT = "partition 3, offset 42"


def letters() -> list[DeadLetter]:
    """One of each kind, numbered from 1 in this order."""
    key, here = case(1).encode(), case(1)
    return [
        make_dead_letter("the core failed: RuntimeError", TOPIC, AT, key, GOOD, here, blocking=True),
        make_dead_letter("waits behind an earlier message", TOPIC, AT, key, GOOD + b" ", here, blocking=True),
        make_dead_letter("the record is no JSON", TOPIC, AT, b"\x1b[2J", b"\xff\xfe\x1b[31mred", ""),
        make_dead_letter("the record is no JSON", TOPIC, AT, key, b"\xff\x00", here),
        make_dead_letter("the record is empty", TOPIC, AT, key, None, here),
        make_dead_letter("not understood", "external", "/onedoor/tax", key, b"<html>", here),
        make_dead_letter("impossible", TOPIC, AT, case(2).encode(), GOOD, case(2)),
        make_dead_letter("the record is no JSON", TOPIC, AT, key, b"\x00", here),
    ]


@pytest.fixture
def database(toy_database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A service's database with letters in it, named by the environment."""
    park(toy_database, letters())
    put_posts_in_force(toy_database, POSTS)
    monkeypatch.setenv("ONEDOOR_DATABASE", toy_database)
    return toy_database


def park(address: str, letters: Sequence[DeadLetter]) -> None:
    async def main() -> None:
        async with connected(address) as engine:
            connection = DedicatedConnection(engine)
            async with connection.acquire() as driver:
                for letter in letters:  # one by one, so that their numbers are in this order
                    await dead_letters.park(driver, [letter])
            await connection.close()

    asyncio.run(main())


def in_database(address: str, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
    async def main() -> T:
        async with connected(address) as engine, engine.begin() as connection:
            return await work(connection)

    return asyncio.run(main())


POSTS = PostsPublished(
    posts=(
        PublishedPost(role=Role.OPERATOR.value, person="li", deputy="he"),
        PublishedPost(role=Role.AUDITOR.value, person="wang"),
    )
)


def onedoor(*arguments: str, person: str = "li") -> Result:
    login = {"ONEDOOR_ISSUER": ISSUER.url, "ONEDOOR_TOKEN": ISSUER.token(person)}
    return CliRunner(env=login).invoke(app, ["dead-letters", *arguments])


def statuses(address: str) -> list[str]:
    async def read(connection: AsyncConnection) -> list[str]:
        rows = await connection.execute(text("SELECT status FROM dead_letters ORDER BY number"))
        return [row.status for row in rows]

    return in_database(address, read)


def unpublished(address: str) -> list[str]:
    """The messages to be published, in this order."""

    async def read(connection: AsyncConnection) -> list[str]:
        query = """
            SELECT event FROM unpublished, unnest(message_ids) WITH ORDINALITY AS u (message_id, place)
            JOIN outbox USING (message_id) ORDER BY unpublished.created_at, place"""
        return [row.event for row in await connection.execute(text(query))]

    return in_database(address, read)


def test_list_shows_origin_and_reason_of_each(database: str) -> None:
    result = onedoor("list")
    assert result.exit_code == 0
    lines = [line for line in result.output.splitlines() if AT in line or "/onedoor/tax" in line]
    assert len(lines) == 8
    assert "the core failed: RuntimeError" in lines[0] and case(1) in lines[0] and "its case waits" in lines[0]
    assert "unknown" in lines[2]


def test_list_is_narrowed_by_case_status_and_limit(database: str) -> None:
    for typed in (case(2), case(2).lower().replace("-", "－")):
        listed = onedoor("list", "--case", typed).output
        assert case(2) in listed and case(1) not in listed
    assert onedoor("list", "--status", "dropped").output == "none / 没有\n"
    result = onedoor("list", "--limit", "2")
    assert "more than 2" in result.output
    assert len([line for line in result.output.splitlines() if AT in line]) == 2


def test_show_masks_what_may_be_personal_data(database: str) -> None:
    result = onedoor("show", "1")
    assert result.exit_code == 0
    for part in ("the core failed: RuntimeError", AT, f"  {case(1)}", '  "specversion": "1.0"', "(2 characters)"):
        assert part in result.stdout
    assert "挂号" not in result.output and "--raw" in result.stdout
    for number, size in (("3", 10), ("6", 6)):  # bytes, and a page of a department's system
        result = onedoor("show", number)
        assert f"{size} bytes, not shown" in result.stdout
        assert "<html>" not in result.stdout and "1b 5b" not in result.stdout


def test_show_masks_everything_of_a_document_that_is_none_of_ours(database: str) -> None:
    value = '{"state": "王小明", "person": {"age": 30, "names": ["王小明", null]}}'.encode()
    park(database, [make_dead_letter("not understood", "external", "/onedoor/tax", b"x", value, case(3))])
    result = onedoor("show", "9")
    assert "王小明" not in result.stdout and "30" not in result.stdout.split("value")[1]
    assert result.stdout.count("(3 characters)") == 2 and "(a number)" in result.stdout


def test_show_raw_prints_json_indented_and_warns_of_personal_data(database: str) -> None:
    result = onedoor("show", "1", "--raw")
    assert result.exit_code == 0
    assert "personal data" in result.stderr
    assert '  "specversion": "1.0"' in result.stdout and "挂号" in result.stdout


def test_show_raw_needs_the_right_and_is_on_record(database: str) -> None:
    refused = onedoor("show", "1", "--raw", person="wang")
    assert refused.exit_code == 1 and "挂号" not in refused.output
    onedoor("show", "1", "--raw")
    onedoor("show", "1")

    async def read(connection: AsyncConnection) -> list[tuple[str, ...]]:
        rows = await connection.execute(
            text("SELECT act, outcome, person, case_id, filter FROM access_record ORDER BY 3")
        )
        return [tuple(row) for row in rows]

    assert in_database(database, read) == [
        ("letter.read", "given", "li", case(1), '{"number": "1"}'),
        ("letter.read", "no-right", "wang", None, None),
    ]


def test_show_prints_bytes_that_no_terminal_executes(database: str) -> None:
    result = onedoor("show", "3", "--raw")
    assert "00000000  ff fe 1b 5b 33 31 6d 72 65 64" in result.stdout
    assert "...[31mred" in result.stdout
    assert "\x1b" not in result.stdout


def test_replay_publishes_a_case_in_order_and_names_the_letters_that_cannot_be(database: str) -> None:
    result = onedoor("replay", "--case", case(1))
    assert result.exit_code == 1
    assert "replayed / 已重放: 1, 2\n" in result.stdout
    for reason in (
        "letter 4 is not text",
        "letter 5 is empty",
        "letter 6 is an answer of a department's system: correct it",
        "letter 8 is not text",
    ):
        assert reason in result.stderr
    assert unpublished(database) == [GOOD.decode(), GOOD.decode() + " "]
    assert statuses(database) == ["replayed", "replayed", *["parked"] * 6]


def test_replay_by_number_replays_those_that_it_can(database: str) -> None:
    result = onedoor("replay", "7", "3", "99")
    assert result.exit_code == 1
    assert "replayed / 已重放: 7\n" in result.stdout
    assert "letter 3 names no case" in result.stderr
    assert "letter 99 does not exist here" in result.stderr
    assert onedoor("replay", "7").exit_code == 1, "it has been replayed already"


def test_replay_succeeds_if_all_letters_are_replayed(database: str) -> None:
    assert onedoor("replay", "7").exit_code == 0
    assert onedoor("replay", "--case", case(9)).exit_code == 1


def test_dropped_letters_cannot_be_replayed(database: str) -> None:
    assert onedoor("drop", "3", "4").exit_code == 0
    assert statuses(database)[2:4] == ["dropped", "dropped"]
    again = onedoor("drop", "3")
    assert again.exit_code == 1
    assert "letter 3 has been dropped already" in again.stderr
    assert onedoor("replay", "3").exit_code == 1


def test_a_dropped_letter_keeps_its_reason_and_a_settled_one_is_deleted_after_its_retention(database: str) -> None:
    assert onedoor("drop", "3", "--reason", "a test of the producer").exit_code == 0
    assert "by       li: a test of the producer" in onedoor("show", "3").stdout

    async def delete(connection: AsyncConnection) -> int:
        await connection.execute(text("UPDATE dead_letters SET settled_at = settled_at - interval '30 days 1 minute'"))
        await connection.execute(
            text("UPDATE dead_letters SET status = 'dropped', settled_at = now() WHERE number = 4")
        )
        return await dead_letters.delete_settled(connection, timedelta(days=30), 100)

    assert in_database(database, delete) == 1
    assert onedoor("show", "3").exit_code == 1, "it is deleted"
    assert statuses(database) == ["parked", "parked", "dropped", *["parked"] * 4], "the others are kept"


RECORD = ("--reason", "settled with the sender")


def test_a_corrected_record_is_published_in_place_of_a_letter(database: str) -> None:
    result = onedoor("correct", "1", "--set", "data.reason=改正", *RECORD)
    assert result.exit_code == 0, result.output
    (event,) = unpublished(database)
    sent, parked = json.loads(event), json.loads(GOOD)
    assert sent["data"].pop("reason") == "改正"
    parked["data"].pop("reason")
    assert sent == parked, "its id included, so that the case recognises the original"
    assert "by       li: settled with the sender" in onedoor("show", "1").stdout
    assert statuses(database)[0] == "corrected"
    assert onedoor("correct", "1", *RECORD).exit_code == 1, "it has been corrected already"
    assert "corrected" in onedoor("list", "--status", "corrected").stdout


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("1", "--set", "data.reason=[]"), "not a valid record"),
        (("1", "--set", "subject=0009-0000-0000-0"), "its subject must stay"),
        (("1", "--set", "other.reason=x"), "has no field other.reason"),
        (("1", "--set", "reason"), "write a path and a value"),
        (("3",), "give the whole content"),
        (("6", "--set", "answer.reference=N1"), "give the whole content"),
        (("99",), "does not exist here"),
    ],
)
def test_a_wrong_correction_is_refused_with_the_reason(database: str, arguments: tuple[str, ...], reason: str) -> None:
    result = onedoor("correct", *arguments, *RECORD)
    assert result.exit_code == 1
    assert reason in result.stderr and "挂号" not in result.output
    assert statuses(database) == ["parked"] * 8


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "99"),
        ("replay", "99"),
        ("replay", "--case", case(9)),
        ("replay", "3", "4", "5", "6"),
        ("drop", "99"),
        ("correct", "99", *RECORD),
        ("correct", "1", "--set", "data.reason=[]", *RECORD),
        ("correct", "3", *RECORD),
    ],
)
def test_an_unknown_letter_or_case_is_refused_in_both_languages(database: str, arguments: tuple[str, ...]) -> None:
    lines = onedoor(*arguments).stderr.splitlines()
    assert lines and all(map(in_both, lines)), lines


def test_a_correction_needs_a_reason(database: str) -> None:
    assert onedoor("correct", "1").exit_code == 2


SETTLING = [("replay", "1"), ("drop", "1"), ("correct", "1", "--set", "data.reason=改正", *RECORD)]


@pytest.mark.parametrize("arguments", SETTLING)
def test_who_settles_a_letter_has_a_login_with_the_right_and_stands_beside_it(
    database: str, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    for person in ("wang", "he"):  # the deputy of somebody who is present
        refused = onedoor(*arguments, person=person)
        assert refused.exit_code == 1 and "none of your posts" in refused.stderr and in_both(refused.stderr)
    forged = CliRunner(env={"ONEDOOR_ISSUER": ISSUER.url, "ONEDOOR_TOKEN": f"{ISSUER.token('li')}x"})
    refused = forged.invoke(app, ["dead-letters", *arguments])
    assert refused.exit_code == 1 and "log in again" in refused.stderr and in_both(refused.stderr)
    assert statuses(database) == ["parked"] * 8
    today = machine_now().astimezone(CHINA).date()
    absent = Absence(person="li", since=today, until=today + timedelta(days=1))
    put_posts_in_force(database, POSTS.replace(leave=(absent,)))
    assert onedoor(*arguments, person="he").exit_code == 0
    assert "by       he (li): " in onedoor("show", "1").stdout
    entries = on_record(database)
    assert [one.outcome for one in entries] == ["no-right", "no-right", "not-logged-in", "done"]
    done = entries[-1]
    assert done.act == "letter.settle"
    assert (done.person, done.on_behalf_of, done.case_id, done.rows) == ("he", "li", case(1), 1)


@pytest.mark.parametrize("arguments", SETTLING)
def test_before_the_first_directory_no_login_is_needed(
    toy_database: str, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    park(toy_database, letters())
    monkeypatch.setenv("ONEDOOR_DATABASE", toy_database)
    monkeypatch.delenv("ONEDOOR_ISSUER", raising=False)
    assert CliRunner().invoke(app, ["dead-letters", *arguments]).exit_code == 0
    assert "by       unknown: " in onedoor("show", "1").stdout or arguments[0] != "correct"


# -- two numbers of a department --------------------------------------------------------------------------------------

TASK = CaseMessages(plan(plan_step("tax"))).requested("tax", MONDAY)
FIRST = Receipt(reference="N1", delivered_at=MONDAY)
SECOND = Decision(
    reference="N2",
    delivered_at=MONDAY,
    outcome=Outcome.APPROVED,
    decided_at=MONDAY + timedelta(days=1),
    opinion="王小明符合条件",
)


@pytest.fixture
def tax(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The database of tax with one task under N1, and the dead letter of its decision under N2."""
    tables.migrate("tax", MIGRATIONS, database_url)
    state = Tasks(tasks=(Task(request=TASK, state=TaskState.DELIVERED, receipt=FIRST),)).model_dump_json()
    answer = Submitted(task_id=TASK.task_id, answer=SECOND).model_dump_json().encode()
    park(database_url, [make_dead_letter("two numbers", "external", "/onedoor/tax", b"", answer, CASE_ID)])

    async def store(connection: AsyncConnection) -> None:
        statement = "INSERT INTO cases (case_id, version, state, processed_ids) VALUES (:case_id, 1, :state, '')"
        await connection.execute(text(statement), {"case_id": CASE_ID, "state": state})

    in_database(database_url, store)
    put_posts_in_force(database_url, POSTS)
    monkeypatch.setenv("ONEDOOR_DATABASE", database_url)
    return database_url


@pytest.mark.parametrize(
    ("edits", "holds", "other"), [((), "N2", "N1"), (("--set", "answer.reference=N1"), "N1", "N2")]
)
def test_an_operator_chooses_the_number_that_holds_and_the_step_ends(
    tax: str, edits: tuple[str, ...], holds: str, other: str
) -> None:
    result = onedoor("correct", "1", *edits, *RECORD)
    assert result.exit_code == 0, result.output
    (event,) = unpublished(tax)
    envelope = decode(event.encode(), CASE_ID.encode(), "onedoor.tasks.tax")
    assert isinstance(envelope.data, TaskCorrected)
    assert (envelope.data.reference, envelope.data.other_numbers) == (holds, (other,))
    assert (envelope.data.by, envelope.data.reason) == ("li", "settled with the sender")
    scenario = Scenario(handle).given(TASK, Submitted(task_id=TASK.task_id, answer=FIRST))
    scenario.refuses(Submitted(task_id=TASK.task_id, answer=SECOND), reason="two numbers")
    scenario.when(envelope.data)
    assert [one.reference for one in of_type(TaskDone, scenario.last.out)] == [holds]
    assert scenario.last.closed


def test_a_reply_that_cannot_be_read_is_entered_from_a_file(tax: str, tmp_path: Path) -> None:
    park(tax, [make_dead_letter("not understood", "external", "/onedoor/tax", b"", b"<html>", CASE_ID)])
    file = tmp_path / "answer.json"
    file.write_text(json.dumps({"task_id": TASK.task_id, "answer": json.loads(SECOND.model_dump_json())}))
    assert onedoor("correct", "2", "--file", str(file), *RECORD).exit_code == 0
    (event,) = unpublished(tax)
    assert json.loads(event)["data"]["outcome"] == "approved"
    file.write_text(json.dumps({"task_id": TASK.task_id, "answer": {"reference": "王小明", "delivered_at": "?"}}))
    refused = onedoor("correct", "1", "--file", str(file), *RECORD)
    assert refused.exit_code == 1
    assert "delivered_at" in refused.stderr and "王小明" not in refused.output
    assert onedoor("correct", "1", "--file", str(tmp_path / "none"), *RECORD).exit_code == 2


@pytest.mark.parametrize("arguments", [("replay",), ("drop", "1", "--case", case(1)), ("list", "--service", "nobody")])
def test_a_wrong_choice_is_refused(database: str, arguments: tuple[str, ...]) -> None:
    assert onedoor(*arguments).exit_code == 2


def test_the_databases_of_a_folder_are_found(engines: Engines, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ONEDOOR_DATABASE", "postgresql+asyncpg://nobody@127.0.0.1:1/none")
    addresses = {name: engines.database_url(f"onedoor_{name}") for name in ("intake", "tax")}
    write_addresses(tmp_path, Addresses(addresses, {}))
    folder = str(tmp_path)
    asyncio.run(engines.postgres.create_database("onedoor_tax", template="template0"))
    try:
        tables.migrate("toy", toy().migrations, engines.database_url("onedoor_tax"))
        park(engines.database_url("onedoor_tax"), letters()[:1])
        result = onedoor("list", "--folder", folder)
        assert result.exit_code == 1, "the databases of the other services are not there"
        assert "the core failed" in result.stdout and "onedoor_intake" in result.stderr
        assert onedoor("show", "1", "--folder", folder).exit_code == 2, "the service must be named"
        assert "the core failed" in onedoor("show", "1", "--folder", folder, "--service", "tax").stdout
    finally:
        asyncio.run(engines.postgres.drop_database("onedoor_tax"))
    assert onedoor("list", "--folder", folder, "--service", "land").exit_code == 2
    assert onedoor("list", "--folder", str(tmp_path / "nothing")).exit_code == 2


def test_a_database_that_is_away_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEDOOR_DATABASE", "postgresql+asyncpg://me:hidden@127.0.0.1:1/{service}")
    result = onedoor("show", "1", "--service", "tax")
    assert result.exit_code == 1
    assert "me:***@127.0.0.1:1/tax" in result.stderr
    assert "hidden" not in result.output and "Traceback" not in result.output
