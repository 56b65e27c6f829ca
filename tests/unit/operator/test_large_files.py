"""No file that a person names is read without a limit."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from contracts.working_time.notices import InvalidNotice
from onedoor.cli import app
from onedoor.replay.command import ReplayOptions, run
from services.files import MOST_MB, limited_content
from services.intake.catalogue.load import load_catalogue
from services.operator.notice_folder import notices

ENDLESS = Path("/dev/zero")


def test_a_file_at_the_limit_is_read_whole(tmp_path: Path) -> None:
    file = tmp_path / "file"
    with file.open("wb") as content:
        content.truncate(MOST_MB * 1_000_000)
    assert len(limited_content(file)) == MOST_MB * 1_000_000


def test_a_larger_catalogue_is_refused() -> None:
    with pytest.raises(OSError, match=f"more than {MOST_MB} MB"):
        load_catalogue(ENDLESS)


def test_a_larger_notice_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "CN 2027.json").symlink_to(ENDLESS)
    with pytest.raises(InvalidNotice, match=rf"CN 2027\.json: .*more than {MOST_MB} MB"):
        notices(tmp_path)


@pytest.mark.parametrize("arguments", [["due", "--batch"], ["load"]])
def test_a_larger_file_ends_a_command_with_one_line(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, ["calendar", *arguments, str(ENDLESS)])
    assert result.exit_code != 0
    assert f"more than {MOST_MB} MB" in " ".join(result.output.split())


def test_a_larger_history_is_not_replayed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(ENDLESS, ReplayOptions(), "Asia/Shanghai", plain=True) == 1
    assert f"more than {MOST_MB} MB" in capsys.readouterr().out
