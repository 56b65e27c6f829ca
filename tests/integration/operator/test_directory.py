"""``onedoor directory``, on the real PostgreSQL."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from onedoor.cli import app
from services.monitor.store.notifications import directory_store

SAMPLE = directory_store.SAMPLE.read_text(encoding="utf-8")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "directory.yaml"
    file.write_text(SAMPLE, encoding="utf-8")
    return file


def onedoor(database_url: str, *arguments: str, status: int = 0, answer: str = "") -> str:
    environment = {"ONEDOOR_DATABASE": database_url}
    result = CliRunner().invoke(app, ["directory", *arguments], env=environment, input=answer)
    assert result.exit_code == status, result.output
    return result.output


def test_a_directory_is_checked_applied_and_shown(monitor_database: str, file: Path) -> None:
    assert "no directory is in force" in onedoor(monitor_database, "show", status=1)
    assert "6 people, nothing wrong" in onedoor(monitor_database, "check", str(file))
    assert "nothing has changed" in onedoor(monitor_database, "apply", str(file), answer="n\n", status=1)
    assert "version 1 of the directory is in force" in onedoor(monitor_database, "apply", str(file), answer="y\n")
    assert "nothing changes" in onedoor(monitor_database, "apply", str(file), "--yes")

    shown = onedoor(monitor_database, "show")
    file.write_text(shown, encoding="utf-8")
    assert "nothing changes" in onedoor(monitor_database, "apply", str(file), "--yes"), "the output of show is a file"

    file.write_text(shown.replace("孙静", "孙晴"), encoding="utf-8")
    changes = onedoor(monitor_database, "apply", str(file), "--yes")
    assert "孙静" in changes and "孙晴" in changes and "version 2 of the directory is in force" in changes

    newest, oldest = onedoor(monitor_database, "history").splitlines()
    assert newest.split()[0] == "2" and oldest.split()[0] == "1"
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


def test_a_faulty_directory_is_refused_and_the_one_in_force_stays(monitor_database: str, file: Path) -> None:
    onedoor(monitor_database, "apply", str(file), "--yes")
    file.write_text(SAMPLE.replace("person: zhao, deputy: qian", "person: zhao, deputy: zhao"), encoding="utf-8")
    for command in (("check",), ("apply", "--yes")):
        output = onedoor(monitor_database, *command, str(file), status=1)
        assert "line 21: posts[1].deputy: zhao cannot deputise for themselves" in output.replace("\n", " ")
    assert "deputy: qian" in onedoor(monitor_database, "show")
    onedoor(monitor_database, "check", str(file.with_name("none.yaml")), status=2)
