"""``onedoor people``, called as on the command line, with the real PostgreSQL."""

import asyncio
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from contracts.messages.documents import Absence, PostsPublished, PublishedPost
from contracts.zone import CHINA
from onedoor.cli import app
from services.addresses import Addresses, write_addresses
from services.monitor.core.notifications.directory_file import DEFAULT_ROLES
from services.runtime.clock import machine_now
from tests.support.databases import put_posts_in_force
from tests.support.identity.browser import Browser
from tests.support.identity.issuing import PASSWORD, Issuing
from tests.support.identity.program import Program, content
from tests.support.languages import in_both
from tests.support.staff import ISSUER

ADDRESS = "https://login.example.gov.cn"


def onedoor(*arguments: str, person: str | None = None, **claims: Any) -> Result:
    login = {} if person is None else {"ONEDOOR_TOKEN": ISSUER.token(person, **claims)}
    return CliRunner(env=login).invoke(app, ["people", *arguments])


@pytest.fixture(autouse=True)
def platform(issuer_database: str, monitor_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Addresses:
    """The addresses of an ``onedoor up`` in which the commands run. No directory is in force."""
    for name in ("ONEDOOR_DATABASE", "ONEDOOR_ISSUER", "ONEDOOR_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    addresses = Addresses({"monitor": monitor_database}, {}, issuer_database, ADDRESS)
    (tmp_path / "data").mkdir()
    write_addresses(tmp_path / "data", addresses)
    monkeypatch.chdir(tmp_path)
    return addresses


def test_a_person_is_added_enrolled_disabled_and_enabled() -> None:
    added = onedoor("add", "li-na", "--name", "李娜")
    assert added.exit_code == 0 and in_both(added.stdout)
    enrolled = onedoor("enrol", "li-na")
    assert re.fullmatch(rf"{ADDRESS}/enrol#(\w{{4}}-){{4}}\w{{4}}\n", enrolled.stdout) and in_both(enrolled.stderr)
    assert onedoor("list").stdout.splitlines()[1].split("\t") == ["li-na", "李娜", "no", "0", "not-enrolled", "-"]
    assert onedoor("disable", "li-na").exit_code == 0
    assert "disabled" in onedoor("list").stdout
    refused = onedoor("enrol", "li-na")
    assert refused.exit_code == 1 and in_both(refused.stderr) and "#" not in refused.output
    assert onedoor("enable", "li-na").exit_code == 0
    assert onedoor("enrol", "li-na").exit_code == 0


def test_a_person_is_added_once() -> None:
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
        ("add", "li-na", "--name", "x", "--database", "postgresql+asyncpg://127.0.0.1:1/identity"),
        ("enrol", "nobody", "--folder", "nowhere"),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_reason(arguments: tuple[str, ...]) -> None:
    refused = onedoor(*arguments)
    assert refused.exit_code in (1, 2) and in_both(refused.stderr)
    assert onedoor("list").stdout.count("\n") == 1


async def test_with_a_directory_in_force_a_login_with_the_right_is_needed_and_recorded(
    platform: Addresses, running: Issuing
) -> None:
    people = [("zheng", "operator"), ("wang", "clerk"), ("qian", "operator")]
    posts = tuple(PublishedPost(role=DEFAULT_ROLES[post], person=person, deputy="he") for person, post in people)
    today = machine_now().astimezone(CHINA).date()
    leave = (Absence(person="qian", since=today, until=today + timedelta(days=1)),)
    published = PostsPublished(posts=posts, leave=leave)
    await asyncio.to_thread(put_posts_in_force, platform.services["monitor"], published)
    write_addresses(Path("data"), replace(platform, issuer=ISSUER.url))
    add = ("add", "li-na", "--name", "李娜")
    for person, reason in ((None, "you have no login"), ("wang", "none of your posts")):
        refused = await asyncio.to_thread(onedoor, *add, person=person)
        assert refused.exit_code == 1 and reason in refused.stderr and in_both(refused.stderr)
    assert "li-na" not in (await asyncio.to_thread(onedoor, "list")).stdout
    for person, arguments in (("zheng", add), ("he", ("disable", "li-na")), ("zheng", ("enable", "li-na"))):
        done = await asyncio.to_thread(onedoor, *arguments, person=person)
        assert done.exit_code == 0, done.output
    assert [(one.event, one.by, one.on_behalf_of) for one in await running.recorded()] == [
        ("enabled", "zheng", None),
        ("disabled", "he", "qian"),
        ("added", "zheng", None),
    ]


def test_a_command_needs_a_login_of_the_last_minutes_unless_a_program_acts_by_itself(platform: Addresses) -> None:
    posts = tuple(PublishedPost(role="operator", person=one) for one in ("zheng", "program"))
    put_posts_in_force(platform.services["monitor"], PostsPublished(posts=posts))
    write_addresses(Path("data"), replace(platform, issuer=ISSUER.url))
    add = ("add", "li-na", "--name", "李娜")
    minutes_ago = machine_now() - timedelta(minutes=5, seconds=5)
    old = onedoor(*add, person="zheng", auth_time=minutes_ago.timestamp())
    assert old.exit_code == 1 and "'onedoor login'" in old.stderr and in_both(old.stderr)
    assert "li-na" not in onedoor("list").stdout
    assert onedoor(*add, person="program", auth_time=None).exit_code == 0
    assert onedoor("disable", "li-na", person="zheng", auth_time=minutes_ago.timestamp() + 60).exit_code == 0


async def test_a_link_works_and_disabling_ends_everything(
    platform: Addresses, running: Issuing, browser: Browser, pages: Program
) -> None:
    """The commands write what the running issuer reads."""
    write_addresses(Path("data"), replace(platform, issuer=running.url))
    tokens = await pages.tokens()
    assert "logins ended: 1" in await run("disable", "wang-fang")
    assert content(await pages.refresh(tokens["refresh_token"]))["error"] == "invalid_grant"
    assert (await browser.log_in("wang-fang", PASSWORD)).status == 401
    await run("enable", "wang-fang")
    link = await run("enrol", "wang-fang")
    page = await browser.get("/enrol")
    words = "blue kettle under the stairs"
    code = link.strip().partition("#")[2]
    assert (await browser.submit(page, "/enrol", code=code, password=words, repeat=words)).status == 200


async def run(command: str, person: str) -> str:
    """What the command prints, run beside the event loop of the issuer."""
    result = await asyncio.to_thread(onedoor, command, person)
    assert result.exit_code == 0, result.output
    return result.stdout
