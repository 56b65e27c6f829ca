"""``onedoor dead-letters``, called as on the command line, with the real PostgreSQL."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from typer.testing import CliRunner, Result

from contracts.codec import encode
from deploy.local.engines import Engines
from onedoor.cli import app
from services.addresses import Addresses, write_addresses
from services.operator.databases import connected
from services.runtime.store import dead_letters, tables
from services.runtime.store.database import DedicatedConnection
from services.runtime.store.dead_letters import DeadLetter, make_dead_letter
from tests.support.runtime.toy import TOPIC, case, instruction, toy

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
def database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A service's database with letters in it, named by the environment."""
    tables.migrate("toy", toy().migrations, database_url)
    park(database_url, letters())
    monkeypatch.setenv("ONEDOOR_DATABASE", database_url)
    return database_url


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


def onedoor(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["dead-letters", *arguments])


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
    assert case(1) not in onedoor("list", "--case", case(2)).output
    assert onedoor("list", "--status", "dropped").output == "none\n"
    result = onedoor("list", "--limit", "2")
    assert "more than 2" in result.output
    assert len([line for line in result.output.splitlines() if AT in line]) == 2


def test_show_prints_json_indented_and_warns_of_personal_data(database: str) -> None:
    result = onedoor("show", "1")
    assert result.exit_code == 0
    assert "personal data" in result.stderr
    for part in ("the core failed: RuntimeError", AT, f"  {case(1)}", '  "specversion": "1.0"', "挂号"):
        assert part in result.stdout


def test_show_prints_bytes_that_no_terminal_executes(database: str) -> None:
    result = onedoor("show", "3")
    assert "00000000  ff fe 1b 5b 33 31 6d 72 65 64" in result.stdout
    assert "...[31mred" in result.stdout
    assert "\x1b" not in result.stdout


def test_replay_publishes_a_case_in_order_and_names_the_letters_that_cannot_be(database: str) -> None:
    result = onedoor("replay", "--case", case(1))
    assert result.exit_code == 1
    assert "replayed: 1, 2\n" in result.stdout
    for reason in (
        "letter 4 is not text",
        "letter 5 is empty",
        "letter 6 is an answer of a department",
        "letter 8 is not text",
    ):
        assert reason in result.stderr
    assert unpublished(database) == [GOOD.decode(), GOOD.decode() + " "]
    assert statuses(database) == ["replayed", "replayed", *["parked"] * 6]


def test_replay_by_number_replays_those_that_it_can(database: str) -> None:
    result = onedoor("replay", "7", "3", "99")
    assert result.exit_code == 1
    assert "replayed: 7\n" in result.stdout
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
