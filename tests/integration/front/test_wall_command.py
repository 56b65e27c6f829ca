"""``onedoor wall``, called as on the command line, with the real PostgreSQL."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from contracts.messages.documents import PostsPublished, PublishedPost
from deploy.local.engines import Engines
from onedoor.cli import app
from services.addresses import Addresses, write_addresses
from services.front.migrations import FRONT_MIGRATIONS
from services.monitor.app import SERVICE
from tests.support.databases import put_posts_in_force, service_database
from tests.support.languages import in_both
from tests.support.staff import ISSUER

HALL = "一楼大厅"


def onedoor(*arguments: str, person: str | None = None) -> Result:
    login = {} if person is None else {"ONEDOOR_TOKEN": ISSUER.token(person)}
    return CliRunner(env=login).invoke(app, ["wall", *arguments])


@pytest.fixture(autouse=True)
def platform(engines: Engines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Addresses]:
    """The addresses of an ``onedoor up`` in which the commands run. No directory is in force."""
    for name in ("ONEDOOR_DATABASE", "ONEDOOR_ISSUER", "ONEDOOR_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with (
        service_database(engines, "front", FRONT_MIGRATIONS) as front,
        service_database(engines, "monitor", SERVICE.migrations) as monitor,
    ):
        addresses = Addresses({"monitor": monitor}, {}, issuer=ISSUER.url, front_database=front)
        (tmp_path / "data").mkdir()
        write_addresses(tmp_path / "data", addresses)
        monkeypatch.chdir(tmp_path)
        yield addresses


def test_a_display_is_added_listed_and_revoked_by_people_with_the_right(platform: Addresses) -> None:
    added = onedoor("add", HALL)
    assert re.fullmatch(r"([0-9A-HJKMNP-TV-Z]{4}-){2}[0-9A-HJKMNP-TV-Z]{4}\n", added.stdout), added.output
    assert f"{ISSUER.url}/session/wall" in added.stderr and in_both(added.stderr)
    posts = [("feng", "centre_manager"), ("zhou", "supervisor")]
    directory = PostsPublished(posts=tuple(PublishedPost(role=role, person=person) for person, role in posts))
    put_posts_in_force(platform.services["monitor"], directory)
    for person, reason in ((None, "you have no login"), ("zhou", "none of your posts")):
        for command in ("add", "revoke"):
            refused = onedoor(command, HALL, person=person)
            assert refused.exit_code == 1 and reason in refused.stderr and in_both(refused.stderr)
    renewed = onedoor("add", HALL, "--program", "wall-nanning", person="feng")
    assert renewed.exit_code == 0 and renewed.stdout != added.stdout
    heads, row = (line.split("\t") for line in onedoor("list").stdout.splitlines())
    listed = dict(zip(heads, row, strict=True))
    assert (listed["display"], listed["program"], listed["added_by"]) == (HALL, "wall-nanning", "feng")
    assert listed["opened"] == listed["last_used"] == listed["revoked"] == "-"
    assert renewed.stdout.strip() not in onedoor("list").stdout
    revoked = onedoor("revoke", HALL, person="feng")
    assert revoked.exit_code == 0 and in_both(revoked.stdout)
    assert onedoor("list").stdout.splitlines()[1].endswith("\tfeng")
    again = onedoor("revoke", HALL, person="feng")
    assert again.exit_code == 1 and in_both(again.stderr)


@pytest.mark.parametrize("name", [" ", "x" * 61, "a\x1bb"])
def test_a_name_that_cannot_be_read_is_refused(name: str) -> None:
    refused = onedoor("add", name)
    assert refused.exit_code == 2 and in_both(refused.stderr)
