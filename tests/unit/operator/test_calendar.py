"""``onedoor calendar``, called as on the command line."""

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from contracts.working_time import published_calendar
from onedoor.cli import app

YEAR = published_calendar().first_unpublished.year
NOTICE = {
    "year": YEAR,
    "papers": ["https://www.gov.cn/"],
    "days": [{"name": "劳动节", "date": f"{YEAR}-05-03", "isOffDay": True}],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "calendars"


def onedoor(folder: Path, *arguments: str, answer: str = "") -> Result:
    return CliRunner().invoke(app, ["calendar", *arguments, "--calendars", str(folder)], input=answer)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--days", "5"), "Sat 2026-10-10 17:30"),
        (("--days", "5", "--rule", "second"), "Sat 2026-10-10 10:00"),
        (("--days", "5", "--suspend", "2026-09-29..2026-10-09"), "Wed 2026-10-14 17:30"),
        (
            ("--days", "5", "--suspend", "2026-09-29.."),
            "suspended since Tue 2026-09-29 00:00, 5 working days left"
            " / 自 2026-09-29 周二 00:00 起暂停计时，剩余 5个工作日",
        ),
        (("--days", "5", "--extend", "10"), "Fri 2026-10-23 17:30"),
        (("--days", "5", "--restart", "2026-10-08T09:00"), "Wed 2026-10-14 17:30"),
        (("--months", "1"), "Wed 2026-10-28 17:30"),
        (("--calendar-days", "3"), "Thu 2026-10-08 17:30"),
        (("--minutes", "480", "--hours", "09:00-12:00,13:30-17:30"), "Tue 2026-09-29 11:00"),
    ],
)
def test_due_prints_when_a_limit_ends(folder: Path, arguments: tuple[str, ...], expected: str) -> None:
    result = onedoor(folder, "due", "--from", "2026-09-28T10:00", *arguments)
    assert (result.exit_code, result.stdout.strip()) == (0, expected)


def test_due_prints_json(folder: Path) -> None:
    result = onedoor(folder, "due", "--from", f"{YEAR - 1}-12-30T10:00", "--days", "9", "--json")
    found = json.loads(result.stdout)
    assert found["provisional"] is True and found["provisional_from"] == f"{YEAR - 1}-12-29"
    assert found["due_at"].endswith("17:30:00+08:00") and found["rule"] == "day" and found["region"] == "CN"


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (("--days", "5"), "--from"),
        (("--from", "nonsense", "--days", "5"), "nonsense"),
        (("--from", "2026-09-28T10:00"), "one of --days"),
        (("--from", "2026-09-28T10:00", "--days", "5", "--months", "1"), "one of --days"),
        (("--from", "2026-09-28T10:00", "--days", "5", "--suspend", "2026-09-29"), "FROM..TO"),
        (("--from", "2026-09-28T10:00", "--days", "5", "--suspend", "2026-09-29..2026-09-28"), "cannot end"),
        (("--from", "2026-09-28T10:00", "--days", "5", "--zone", "Asia/Nowhere"), "Asia/Nowhere"),
        (("--from", "2026-09-28T10:00", "--days", "5", "--hours", "17:00-17:00"), "have no length"),
        (("--from", "2026-09-28T10:00", "--days", "5", "--region", "Guangxi"), "CN-45"),
        (("--from", "9999-12-28T10:00", "--days", "50"), "9999"),
        (("--batch", "nowhere.csv"), "nowhere.csv: there is no such file"),
        (("--batch", "."), ".: this is a folder; name a file"),
        (("--batch", "nowhere.csv", "--extend", "3"), "the limits of a batch are in its file"),
        (("--from", "2026-09-28T10:00", "--days", "5", "--out", "x.csv"), "--out goes with --batch"),
        (("--from", "2026-09-28T10:00", "--days", "5", "--zone", "Asia"), "no time zone"),
        (("--from", "2026-09-28T10:00", "--days", "5", "--hours", "09:00Z-17:00"), "write for example 09:00-17:30"),
        (("--from", "2026-09-28T10:00", "--days", "5", "--hours", "nine"), "for example 09:00-17:30"),
    ],
)
def test_options_that_make_no_limit_are_refused_with_the_reason(
    folder: Path, arguments: tuple[str, ...], fault: str
) -> None:
    result = onedoor(folder, "due", *arguments)
    assert result.exit_code == 2
    assert fault in " ".join(result.stderr.replace("│", " ").split())


def test_a_batch_has_a_column_of_due_dates_and_faults_are_reported_by_line(folder: Path, tmp_path: Path) -> None:
    rows = [
        "case,start,limit_days,suspend_from,suspend_to,suspend_from_2,suspend_to_2",
        "a,2026-09-28T10:00,5,,,,",
        'b,2026-09-28T10:00:00+08:00,5,2026-09-29,2026-10-09,,"',
        "c,yesterday,5,,,,",
        "d,2026-09-28T10:00,many,,,,",
        "e,2026-03-02T10:00,5,2026-03-04T15:00,2026-03-06T09:00,2026-03-10,2026-03-11",
    ]
    rows[2] = rows[2].rstrip('"')
    file, out = tmp_path / "in.csv", tmp_path / "out.csv"
    file.write_text("\n".join(rows), encoding="utf-8")
    result = onedoor(folder, "due", "--batch", str(file), "--out", str(out))
    with out.open(encoding="utf-8", newline="") as written:
        found = list(csv.DictReader(written))
    assert [(row["case"], row["due"]) for row in found] == [
        ("a", "2026-10-10T17:30:00"),
        ("b", "2026-10-14T17:30:00+08:00"),
        ("c", ""),
        ("d", ""),
        ("e", "2026-03-12T17:30:00"),
    ]
    assert found[4]["suspend_from_2"] == "2026-03-10"
    assert result.exit_code == 1
    assert (
        "line 4, start: yesterday is no date and time" in result.stderr
        and "line 5, limit_days: 'many' is no number of working days" in result.stderr
    )


def test_a_batch_may_be_written_over_itself_and_faulty_rows_do_not_harm_others(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "in.csv"
    rows = ["start,limit_days", *["2026-09-28T10:00,5"] * 3000, "2026-09-28T10:00", "2026-09-28T10:00,5,x", ",5"]
    file.write_text("\n".join([*rows, "2026-09-28T10:00,5"]), encoding="utf-8")
    result = onedoor(folder, "due", "--batch", str(file), "--out", str(file))
    with file.open(encoding="utf-8", newline="") as written:
        due = [row["due"] for row in csv.DictReader(written)]
    assert due == ["2026-10-10T17:30:00"] * 3000 + [""] * 3 + ["2026-10-10T17:30:00"]
    assert result.exit_code == 1
    faults = ("limit_days: '' is no number", "there are more cells than columns", "start: is missing")
    assert [fault in line for fault, line in zip(faults, result.stderr.splitlines(), strict=True)] == [True] * 3


def test_a_batch_of_a_spreadsheet_program_is_read_and_reported(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "in.csv"
    text = "办件;start;limit_days\n甲;2026/9/28 10:00;5\n乙;2026年9月28日;5\n丙;46293;5\n丁;28/9/2026;5\n"
    file.write_bytes(text.encode("gb18030"))
    result = onedoor(folder, "due", "--batch", str(file))
    assert [line.split(",")[-1] for line in result.stdout.splitlines()] == [
        "due",
        *["2026-10-10T17:30:00"] * 3,
        "",
    ]
    report, fault = result.stderr.splitlines()
    assert "read as GB18030, semicolons" in report
    assert "line 5, start: 28/9/2026 may begin with the day or with the month; write the year first" in fault
    assert "第 5 行 start：" in fault


def test_a_notice_in_another_encoding_is_read_and_reported(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "notice.json"
    file.write_bytes(json.dumps(NOTICE, ensure_ascii=False).encode("gb18030"))
    result = onedoor(folder, "load", str(file), "--yes")
    assert result.exit_code == 0 and "劳动节" in result.stdout and "read as GB18030" in result.stderr


def test_a_notice_that_names_its_days_twice_changes_nothing(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "notice.json"
    days = json.dumps(NOTICE["days"])
    file.write_text(f'{{"year": {YEAR},\n"days": {days},\n"days": {days}}}', encoding="utf-8")
    result = onedoor(folder, "load", str(file), "--yes")
    assert result.exit_code == 1 and "line 3: days stands in line 2 already" in result.stderr
    assert not folder.exists()


def test_a_batch_that_names_a_column_twice_is_refused(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "in.csv"
    file.write_text("start,limit_days,start\n2026-09-28T10:00,5,x\n", encoding="utf-8")
    assert "twice" in onedoor(folder, "due", "--batch", str(file)).stderr


def test_a_batch_without_its_columns_is_refused(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "in.csv"
    file.write_text("begin,days\n2026-09-28,5\n", encoding="utf-8")
    result = onedoor(folder, "due", "--batch", str(file))
    assert (
        result.exit_code == 1 and "there is no column start, limit_days; the columns are begin, days" in result.stderr
    )


def test_explain_in_both_languages_and_as_a_picture(folder: Path, tmp_path: Path) -> None:
    picture = tmp_path / "october.svg"
    explain = ("explain", "--from", "2026-09-28T10:00", "--days", "5")
    chinese = onedoor(folder, *explain, "--picture", str(picture))
    assert "到期: 2026-10-10 周六 17:30" in chinese.stdout and "国庆节" in chinese.stdout
    assert picture.read_text(encoding="utf-8").startswith("<svg")
    assert "National Day" in onedoor(folder, *explain, "--language", "en").stdout
    assert json.loads(onedoor(folder, *explain, "--json").stdout)["days"][0]["kind"] == "event"


def test_a_notice_is_shown_confirmed_and_put_in_force_once(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "notice.json"
    file.write_text(json.dumps(NOTICE), encoding="utf-8")
    due = ("due", "--from", f"{YEAR}-04-30T10:00", "--days", "1")
    before = onedoor(folder, *due).stdout

    refused = onedoor(folder, "load", str(file), answer="n\n")
    assert refused.exit_code == 1 and "nothing has changed" in refused.stderr
    assert f"{YEAR}-05-03  now off  劳动节 (Labour Day)" in refused.stdout
    assert onedoor(folder, *due).stdout == before

    taken = onedoor(folder, "load", str(file), answer="y\n")
    assert taken.exit_code == 0 and "in force" in taken.stdout
    after = onedoor(folder, *due).stdout
    assert "provisional" in before and "provisional" not in after and before[:14] != after[:14]

    again = onedoor(folder, "load", str(file))
    assert again.exit_code == 0 and "nothing changes" in again.stdout


def test_a_faulty_notice_changes_nothing(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "notice.json"
    file.write_text(json.dumps({**NOTICE, "days": [*NOTICE["days"], *NOTICE["days"]]}), encoding="utf-8")  # type: ignore[misc]
    result = onedoor(folder, "load", str(file), "--yes")
    assert result.exit_code == 1 and "days[2].date" in result.stderr and "nothing has changed" in result.stderr
    assert not folder.exists()


def test_a_replaced_notice_is_kept(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "notice.json"
    for day in ("05-03", "05-04"):
        notice = {**NOTICE, "days": [{"name": "劳动节", "date": f"{YEAR}-{day}", "isOffDay": True}]}
        file.write_text(json.dumps(notice), encoding="utf-8")
        assert onedoor(folder, "load", str(file), "--yes").exit_code == 0
    assert len(list((folder / "replaced").iterdir())) == 1
    assert [path.name for path in folder.glob("*.json")] == [f"CN {YEAR}.json"]


def test_a_notice_that_was_interrupted_leaves_the_old_one(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "notice.json"
    file.write_text(json.dumps(NOTICE), encoding="utf-8")
    assert onedoor(folder, "load", str(file), "--yes").exit_code == 0
    before = (folder / f"CN {YEAR}.json").read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "disk")

    monkeypatch.setattr(Path, "replace", full)
    file.write_text(json.dumps({**NOTICE, "days": [{"name": "劳动节", "date": f"{YEAR}-05-04", "isOffDay": True}]}))
    result = onedoor(folder, "load", str(file), "--yes")
    assert result.exit_code == 2 and "the disk is full; make room / 磁盘空间已满，请清理" in result.stderr
    assert (folder / f"CN {YEAR}.json").read_bytes() == before


def test_a_notice_is_refused_for_another_region(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "notice.json"
    festival = {"year": 2026, "region": "CN-45", "days": [{"name": "节", "date": "2026-05-01", "isOffDay": True}]}
    file.write_text(json.dumps(festival), encoding="utf-8")
    assert "CN-45" in onedoor(folder, "load", str(file), "--region", "CN-44", "--yes").stderr
    # It is off by the nation's notice already; should that change, the region's stands.
    taken = onedoor(folder, "load", str(file), "--yes")
    assert "no day is counted in another way" in taken.stdout and "stored as" in taken.stdout
    assert "nothing changes" in onedoor(folder, "load", str(file), "--yes").stdout


@pytest.mark.parametrize("spoilt", ["CN 2027.json", "other.json"])
def test_a_folder_of_notices_with_another_entry_is_refused(folder: Path, spoilt: str) -> None:
    (folder / spoilt).mkdir(parents=True)
    result = onedoor(folder, "due", "--from", "2026-09-28T10:00", "--days", "5")
    assert result.exit_code == 2 and "this is a folder; name a file" in result.stderr


def test_a_file_instead_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = onedoor(tmp_path / "file", "due", "--from", "2026-09-28T10:00", "--days", "5")
    assert result.exit_code == 2 and "not a folder" in " ".join(result.stderr.replace("│", " ").split())


def test_a_picture_that_cannot_be_written_is_reported(folder: Path) -> None:
    explain = ("explain", "--from", "2026-09-28T10:00", "--days", "5", "--picture", "no/such/folder.svg")
    result = onedoor(folder, *explain)
    assert result.exit_code == 2 and "there is no such file" in result.stderr


@pytest.mark.parametrize("misspelt", ["suspend_form", "Suspend_From", "suspended_from"])
def test_a_misspelt_column_of_a_suspension_is_not_passed_over(folder: Path, tmp_path: Path, misspelt: str) -> None:
    file = tmp_path / "limits.csv"
    file.write_text(f"start,limit_days,{misspelt},suspend_to\n2026-03-02,5,2026-03-03,2026-03-10\n")
    result = onedoor(folder, "due", "--batch", str(file))
    assert result.exit_code == 1 and f"there is no column {misspelt}; write suspend_from" in result.stderr


def test_a_region_has_holidays_of_its_own(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "notice.json"
    festival = {"year": 2026, "days": [{"name": "壮族三月三", "date": "2026-04-20", "isOffDay": True}]}
    file.write_text(json.dumps(festival), encoding="utf-8")
    assert onedoor(folder, "load", str(file), "--region", "CN-45", "--yes").exit_code == 0
    due = ("due", "--from", "2026-04-17T10:00", "--days", "1")
    assert onedoor(folder, *due).stdout.startswith("Mon 2026-04-20")
    assert onedoor(folder, *due, "--region", "CN-45").stdout.startswith("Tue 2026-04-21")
    elsewhere = onedoor(folder, *due, "--region", "CN-44")
    assert elsewhere.stdout.startswith("Mon") and "the nation's calendar counts" in elsewhere.stderr
