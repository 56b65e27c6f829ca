"""``onedoor directory``, on the real PostgreSQL."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from onedoor.cli import app
from services.monitor.store.notifications import directory_store
from tests.support.languages import in_both
from tests.support.staff import ISSUER

SAMPLE = directory_store.SAMPLE.read_text(encoding="utf-8")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "directory.yaml"
    file.write_text(SAMPLE, encoding="utf-8")
    return file


def onedoor(database_url: str, *arguments: str, status: int = 0, answer: str = "", person: str | None = None) -> str:
    environment = {"ONEDOOR_DATABASE": database_url, "ONEDOOR_ISSUER": ISSUER.url}
    if person is not None:
        environment["ONEDOOR_TOKEN"] = ISSUER.token(person)
    result = CliRunner(env=environment).invoke(app, ["directory", *arguments], input=answer)
    assert result.exit_code == status, result.output
    return result.output


def test_a_directory_is_checked_applied_proposed_approved_and_shown(monitor_database: str, file: Path) -> None:
    assert "no directory is in force" in onedoor(monitor_database, "show", status=1)
    assert "9 people, nothing wrong" in onedoor(monitor_database, "check", str(file))
    assert "nothing has changed" in onedoor(monitor_database, "apply", str(file), answer="n\n", status=1)
    # The first one needs no login, since nobody has a right.
    assert "version 1 of the directory is in force" in onedoor(monitor_database, "apply", str(file), answer="y\n")
    assert "nothing changes" in onedoor(monitor_database, "apply", str(file), "--yes")

    shown = onedoor(monitor_database, "show")
    file.write_text(shown, encoding="utf-8")
    assert "nothing changes" in onedoor(monitor_database, "apply", str(file), "--yes"), "the output of show is a file"

    file.write_text(shown.replace("孙静", "孙晴"), encoding="utf-8")
    apply = ("apply", str(file), "--yes")
    proposed = onedoor(monitor_database, *apply, person="feng")
    assert "孙静" in proposed and "孙晴" in proposed and "proposal 1 of the directory waits" in proposed
    assert "孙静" in onedoor(monitor_database, "show"), "it is not in force"
    listed = onedoor(monitor_database, "proposals")
    assert listed.split()[0] == "1" and "feng" in listed
    assert "another person with the right" in onedoor(
        monitor_database, "approve", "1", "--yes", status=1, person="feng"
    )
    assert "nothing has changed" in onedoor(monitor_database, "approve", "1", answer="n\n", status=1, person="chu")
    changes = onedoor(monitor_database, "approve", "1", answer="y\n", person="chu")
    assert "孙静" in changes and "孙晴" in changes and "feng" in changes
    assert "version 2 of the directory is in force" in changes
    assert onedoor(monitor_database, "proposals").startswith("none")
    assert "no open proposal 1" in onedoor(monitor_database, "approve", "1", "--yes", status=1, person="chu")

    newest, oldest = onedoor(monitor_database, "history").splitlines()
    assert newest.split()[0] == "2" and oldest.split()[0] == "1"
    assert "by feng, approved by chu" in newest and "by " not in oldest
    assert "孙静" in onedoor(monitor_database, "show", "1") and "孙晴" in onedoor(monitor_database, "show")
    assert "not on record" in onedoor(monitor_database, "show", "3", status=1)
    file.write_text(shown, encoding="utf-8")
    assert "孙晴" in onedoor(monitor_database, "diff", str(file)), "the changes that the file would make"
    assert len(onedoor(monitor_database, "history").splitlines()) == 2, "a comparison puts nothing in force"

    recipients = ("recipients", "--owner", "Tax (税务局)", "--region", "450103", "--rung")
    output = onedoor(monitor_database, *recipients, "yellow", "--at", "2026-03-02").splitlines()
    assert [line.split("  ")[-1].strip() for line in output] == ["李强 (li)", "周宁 (zhou)", "吴桐 (wu)"]
    assert output[0].startswith("at once") and output[2].startswith("after 8 working hours")
    assert "'blue' is not one of" in onedoor(monitor_database, *recipients, "blue", status=2)
    assert "%Y-%m-%d" in onedoor(monitor_database, *recipients, "red", "--at", "tomorrow", status=2)


def test_a_proposal_does_not_come_into_force_after_another_version(monitor_database: str, file: Path) -> None:
    onedoor(monitor_database, "apply", str(file), "--yes")
    for name in ("孙晴", "孙睛"):
        file.write_text(SAMPLE.replace("孙静", name), encoding="utf-8")
        onedoor(monitor_database, "apply", str(file), "--yes", person="chu")
    onedoor(monitor_database, "approve", "2", "--yes", person="feng")
    assert "came into force meanwhile" in onedoor(monitor_database, "approve", "1", "--yes", status=1, person="feng")
    assert "made from an earlier version" in onedoor(monitor_database, "proposals")
    assert "is withdrawn" in onedoor(monitor_database, "withdraw", "1", person="chu")
    assert "no open proposal 1" in onedoor(monitor_database, "withdraw", "1", status=1, person="chu")
    assert "孙睛" in onedoor(monitor_database, "show")


def test_a_change_needs_a_login_with_the_right(monitor_database: str, file: Path) -> None:
    onedoor(monitor_database, "apply", str(file), "--yes")
    file.write_text(SAMPLE.replace("孙静", "孙晴"), encoding="utf-8")
    onedoor(monitor_database, "apply", str(file), "--yes", person="chu")
    for command in (("apply", str(file), "--yes"), ("approve", "1", "--yes"), ("withdraw", "1")):
        assert "you have no login" in onedoor(monitor_database, *command, status=1)
        refused = onedoor(monitor_database, *command, status=1, person="zhou")
        assert "zhou: none of your posts in the directory allows directory.change" in refused and in_both(refused)
    assert "孙静" in onedoor(monitor_database, "show")


def test_where_one_person_does_all_a_change_is_in_force_at_once(monitor_database: str, file: Path) -> None:
    alone = SAMPLE.replace('version: "2026-11"', 'version: "2026-11"\nfour_eyes: false')
    file.write_text(alone, encoding="utf-8")
    onedoor(monitor_database, "apply", str(file), "--yes")
    file.write_text(alone.replace("孙静", "孙晴"), encoding="utf-8")
    assert "version 2 of the directory is in force" in onedoor(
        monitor_database, "apply", str(file), "--yes", person="chu"
    )
    assert "by chu alone" in onedoor(monitor_database, "history").splitlines()[0]


@pytest.mark.parametrize(
    ("change", "needed"), [("  - {role: manager, person: feng}\n", 2), ("  - {role: operator, person: chu}\n", 2)]
)
def test_a_directory_that_nobody_could_change_again_is_refused(
    monitor_database: str, file: Path, change: str, needed: int
) -> None:
    file.write_text(SAMPLE.replace(change, ""), encoding="utf-8")
    refused = onedoor(monitor_database, "apply", str(file), "--yes", status=1)
    assert f"1 persons may change it, and {needed} are needed" in refused and in_both(refused)
    alone = SAMPLE.replace(change, "").replace('version: "2026-11"', 'version: "2026-11"\nfour_eyes: false')
    file.write_text(alone, encoding="utf-8")
    onedoor(monitor_database, "apply", str(file), "--yes")


def test_a_faulty_directory_is_refused_and_the_one_in_force_stays(monitor_database: str, file: Path) -> None:
    onedoor(monitor_database, "apply", str(file), "--yes")
    file.write_text(SAMPLE.replace("person: zhao, deputy: qian", "person: zhao, deputy: zhao"), encoding="utf-8")
    for command in (("check",), ("apply", "--yes")):
        output = onedoor(monitor_database, *command, str(file), status=1)
        assert "line 25: posts[1].deputy: zhao cannot deputise for themselves" in output.replace("\n", " ")
    assert "deputy: qian" in onedoor(monitor_database, "show")
    onedoor(monitor_database, "check", str(file.with_name("none.yaml")), status=2)
