"""``onedoor calendar load`` and ``onedoor rules`` with a directory in force, on the real PostgreSQL."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from contracts.messages.documents import PostsPublished, PublishedPost
from contracts.rights.table import Role
from onedoor.cli import app
from tests.support.databases import on_record, put_posts_in_force
from tests.support.languages import in_both
from tests.support.staff import ISSUER

POSTS = PostsPublished(
    posts=(
        PublishedPost(role=Role.CENTRE_MANAGER.value, person="feng"),
        PublishedPost(role=Role.OPERATOR.value, person="chu"),
        PublishedPost(role=Role.SUPERVISOR.value, person="zhou"),
    )
)


@pytest.fixture
def notice(tmp_path: Path) -> Path:
    """A notice that closes all departments of Guangxi for a day."""
    days = [{"name": "台风", "date": "2026-03-05", "isOffDay": True}]
    file = tmp_path / "typhoon.json"
    file.write_text(json.dumps({"year": 2026, "region": "CN-45", "days": days}), encoding="utf-8")
    return file


def onedoor(database: str, person: str, *arguments: str, status: int = 0) -> str:
    environment = {"ONEDOOR_DATABASE": database, "ONEDOOR_ISSUER": ISSUER.url, "ONEDOOR_TOKEN": ISSUER.token(person)}
    result = CliRunner(env=environment).invoke(app, arguments)
    assert result.exit_code == status, result.output
    return result.output


def test_a_notice_counts_after_the_approval_at_monitor_and_then_on_this_machine(
    monitor_database: str, notice: Path, tmp_path: Path
) -> None:
    put_posts_in_force(monitor_database, POSTS)
    folder = tmp_path / "calendars"
    load = ("calendar", "load", str(notice), "--calendars", str(folder), "--yes")
    refused = onedoor(monitor_database, "zhou", *load, status=1)
    assert "zhou: none of your posts" in refused and in_both(refused)
    proposed = onedoor(monitor_database, "feng", *load)
    assert (
        "now off" in proposed and "proposal 1 of the rules waits" in proposed and "run this command again" in proposed
    )
    assert not folder.exists(), "nothing on this machine counts by a notice that is not in force"
    approved = onedoor(monitor_database, "chu", "rules", "approve", "1", "--yes", "--no-wait")
    assert "now off" in approved and "version 1 of the rules is in force" in approved
    assert "by feng, approved by chu" in onedoor(monitor_database, "chu", "rules", "history")
    assert "in force already" in onedoor(monitor_database, "feng", *load)
    assert [file.name for file in folder.iterdir()] == ["CN-45 2026.json"]
    entries = on_record(monitor_database)
    assert [(one.act, one.outcome, one.person, one.roles, one.request) for one in entries] == [
        ("rules.change", "no-right", "zhou", [], "onedoor"),
        ("rules.change", "done", "feng", ["centre_manager"], "onedoor"),
        ("rules.change", "done", "chu", ["operator"], "onedoor"),
    ]
    assert json.loads(entries[1].filter)["proposal"] == "1"
    assert json.loads(entries[2].filter) == {"proposal": "1", "version": "1"}
    onedoor(monitor_database, "feng", *load)  # what changes nothing is no act
    assert len(on_record(monitor_database)) == len(entries)


def test_other_rules_are_proposed_and_withdrawn(monitor_database: str, tmp_path: Path) -> None:
    put_posts_in_force(monitor_database, POSTS)
    file = tmp_path / "rules.yaml"
    file.write_text(onedoor(monitor_database, "chu", "rules", "show").replace("days_left: 2", "days_left: 3"))
    apply = ("rules", "apply", str(file), "--calendars", str(tmp_path / "none"), "--yes")
    proposed = onedoor(monitor_database, "chu", *apply)
    assert "days_left: 3" in proposed and "proposal 1 of the rules waits" in proposed
    assert "no open proposal 1 of the directory" in onedoor(
        monitor_database, "feng", "directory", "approve", "1", "--yes", status=1
    )
    assert "is withdrawn" in onedoor(monitor_database, "feng", "rules", "withdraw", "1")
    assert "no open proposal 1" in onedoor(monitor_database, "feng", "rules", "approve", "1", "--yes", status=1)
    assert onedoor(monitor_database, "feng", "rules", "history") == ""
    assert [(one.person, one.outcome) for one in on_record(monitor_database)] == [("chu", "done"), ("feng", "done")]
    environment = {"ONEDOOR_DATABASE": monitor_database, "ONEDOOR_ISSUER": ISSUER.url, "ONEDOOR_TOKEN": "forged"}
    assert CliRunner(env=environment).invoke(app, ("rules", "withdraw", "1")).exit_code == 1
    assert [(one.person, one.outcome) for one in on_record(monitor_database)][2:] == [(None, "not-logged-in")]
