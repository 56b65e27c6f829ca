"""``onedoor people``, called as on the command line, with the real PostgreSQL."""

import asyncio
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from onedoor.cli import app
from services.addresses import Addresses, write_addresses
from tests.support.identity.browser import Browser
from tests.support.identity.issuing import PASSWORD, Issuing
from tests.support.identity.program import Program, content
from tests.support.languages import in_both

ISSUER = "https://login.example.gov.cn"


def onedoor(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["people", *arguments])


@pytest.fixture
def database(issuer_database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The database of an issuer, named by the environment."""
    monkeypatch.setenv("ONEDOOR_DATABASE", issuer_database)
    monkeypatch.setenv("ONEDOOR_ISSUER", ISSUER)
    return issuer_database


def test_a_person_is_added_enrolled_disabled_and_enabled(database: str) -> None:
    added = onedoor("add", "li-na", "--name", "李娜")
    assert added.exit_code == 0 and in_both(added.stdout)
    enrolled = onedoor("enrol", "li-na")
    assert re.fullmatch(rf"{ISSUER}/enrol#[\w-]{{32}}\n", enrolled.stdout) and in_both(enrolled.stderr)
    assert onedoor("list").stdout.splitlines()[1].split("\t") == ["li-na", "李娜", "no", "0", "not enrolled", "-"]
    assert onedoor("disable", "li-na").exit_code == 0
    assert "disabled" in onedoor("list").stdout
    refused = onedoor("enrol", "li-na")
    assert refused.exit_code == 1 and in_both(refused.stderr) and "#" not in refused.output
    assert onedoor("enable", "li-na").exit_code == 0
    assert onedoor("enrol", "li-na").exit_code == 0


def test_a_person_is_added_once(database: str) -> None:
    onedoor("add", "li-na", "--name", "李娜")
    again = onedoor("add", "li-na", "--name", "李四")
    assert again.exit_code == 1 and "nothing has changed" in again.stderr
    assert "李四" not in onedoor("list").stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("add", "li na", "--name", "x"),
        ("add", "li-na", "--name", " "),
        ("add", "li-na", "--name", "x" * 61),
        ("add", "li-na", "--name", "a\x1bb"),
        ("enrol", "nobody"),
        ("disable", "nobody"),
        ("enable", "nobody"),
        ("enrol", "nobody", "--issuer", "http://login.example.gov.cn"),
        ("enrol", "nobody", "--folder", "nowhere"),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_reason(database: str, arguments: tuple[str, ...]) -> None:
    refused = onedoor(*arguments)
    assert refused.exit_code in (1, 2) and in_both(refused.stderr)
    assert onedoor("list").stdout.count("\n") == 1


def test_the_issuer_of_a_folder_is_found(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ONEDOOR_DATABASE")
    write_addresses(tmp_path, Addresses({}, {}, database))
    (tmp_path / "addresses").mkdir()
    (tmp_path / "addresses" / "front.port").write_text("12345\n")
    folder = ("--folder", str(tmp_path))
    assert onedoor("add", "li-na", "--name", "李娜", *folder).exit_code == 0
    assert onedoor("enrol", "li-na", *folder).stdout.startswith("http://localhost:12345/enrol#")


async def test_a_link_works_and_disabling_ends_everything(
    issuer_database: str, running: Issuing, browser: Browser, pages: Program
) -> None:
    """The commands write what the running issuer reads."""
    tokens = await pages.tokens()
    assert "logins ended: 1" in await run("disable", "wang-fang", issuer_database)
    assert content(await pages.refresh(tokens["refresh_token"]))["error"] == "invalid_grant"
    assert (await browser.log_in("wang-fang", PASSWORD)).status == 401
    await run("enable", "wang-fang", issuer_database)
    link = await run("enrol", "wang-fang", issuer_database, "--issuer", running.url)
    page = await browser.get("/enrol")
    words = "blue kettle under the stairs"
    code = link.strip().partition("#")[2]
    assert (await browser.submit(page, "/enrol", code=code, password=words, repeat=words)).status == 200


async def run(command: str, person: str, database: str, *options: str) -> str:
    """What the command prints, run beside the event loop of the issuer."""
    result = await asyncio.to_thread(onedoor, command, person, "--database", database, *options)
    assert result.exit_code == 0, result.output
    return result.stdout
