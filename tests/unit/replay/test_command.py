"""``onedoor replay`` where nothing can be replayed: the reason, and what to do."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from onedoor.cli import app
from services.monitor.store import rule_store

HEAD = "case_id,startdate,deadline,enddate,department,channel\n"
GOOD = f"{HEAD}c1,2026-03-02,,,Permits,desk\n"


def replay(tmp_path: Path, content: str | bytes, *options: str) -> str:
    file = tmp_path / "cases.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    result = CliRunner().invoke(app, ["replay", str(file), "--plain", *options])
    assert result.exit_code == 1, result.output
    return result.output


def test_where_no_row_can_be_replayed_the_reason_of_each_is_shown(tmp_path: Path) -> None:
    output = replay(tmp_path, f"{HEAD}c1,2/3/2026,,,Permits,desk\nc2,2026-03-02,,,,desk\n")
    first, listed, *reasons = output.splitlines()
    assert "no row can be replayed / 没有可以重放的行" in first
    assert listed == "2 rows rejected: / 2 行不能重放："
    assert "line 2, startdate: 2/3/2026 may begin with the day or with the month; write the year first" in reasons[0]
    assert "line 3, department: is empty / 第 3 行 department：不能为空" in reasons[1]


def test_equal_reasons_are_counted(tmp_path: Path) -> None:
    rows = [f"c{number},{day}/3/2026,,,Permits,desk" for number, day in enumerate(range(1, 31))]
    rows += ["c31,2026-03-02,,,,desk", "c32,2026-03-02,,,,desk"]
    output = replay(tmp_path, HEAD + "\n".join(rows))
    _, listed, first, second, *examples = output.splitlines()
    assert listed.startswith("32 rows rejected: ")
    assert first.startswith("  30 × startdate: … may begin with the day or with the month; write the year first")
    assert second == "  2 × department: is empty / department：不能为空"
    assert examples[0].startswith("  c0: line 2, startdate: 1/3/2026") and examples[-1] == "  and 12 more / 另有 12 行"


def test_a_file_without_rows_is_refused_with_that_reason(tmp_path: Path) -> None:
    assert "there are no rows below the names of the columns / 列名之下没有数据行" in replay(tmp_path, HEAD)


@pytest.mark.parametrize("zone", ["Asia/Nowhere", "", "../etc", "Asia"])
def test_an_unknown_zone_is_refused_with_what_to_write(tmp_path: Path, zone: str) -> None:
    assert "is no time zone; write for example Asia/Shanghai" in replay(tmp_path, GOOD, "--zone", zone)


def test_a_workbook_is_refused_with_how_to_save_it(tmp_path: Path) -> None:
    assert "save the sheet as 'CSV UTF-8'" in replay(tmp_path, b"PK\x03\x04")


def test_faulty_rules_are_refused_with_their_file_and_line(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    text = rule_store.SHIPPED.read_text(encoding="utf-8").replace("yellow: {}\n", "yellow: {}\n      yellow: {}\n", 1)
    rules.write_bytes(text.encode("gb18030"))
    output = replay(tmp_path, GOOD, "--rules", str(rules))
    assert f"{rules}: line " in output and "yellow stands in line" in output


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    output = replay(tmp_path, GOOD, "--rules", str(tmp_path / "none.yaml"))
    assert "none.yaml: there is no such file or folder; check the name / 文件或文件夹不存在，请核对名称" in output
