"""Recorded histories on the whole platform, with a department that answers as recorded."""

import csv
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from contracts.working_time import OfficeHours, due_after, published_calendar
from services.monitor.store.rule_store import SHIPPED
from tests.support.installation import run_onedoor

ZONE = ZoneInfo("Asia/Shanghai")
COLUMNS = ("case_id", "startdate", "deadline", "enddate", "department", "channel")
MUNICIPALITY = Path(__file__).parents[3] / "shared/data/event-log/receipt-cases.csv"


def replay(file: Path, tmp_path: Path, *options: str) -> dict[str, Any]:
    output = tmp_path / "result.json"
    completed = run_onedoor("replay", str(file), "--plain", "--json", str(output), *options)
    assert completed.returncode == 0, completed.stdout + completed.stderr
    result: dict[str, Any] = json.loads(output.read_text())
    return result


def at(day: int, hour: int = 10) -> datetime:
    return datetime(2026, 3, 2, hour, tzinfo=ZONE) + timedelta(days=day)


Recorded = tuple[str, datetime, datetime | None, datetime | None, str, str]


def write(file: Path, rows: Sequence[Recorded]) -> Path:
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(COLUMNS)
        for name, started, due, ended, department, channel in rows:
            moments = [moment.isoformat() if moment else "" for moment in (started, due, ended)]
            writer.writerow([name, *moments, department, channel])
    return file


def read(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as rows:
        return list(csv.DictReader(rows))


ROWS: list[Recorded] = [
    ("in time", at(0), at(20), at(10), "Permits", "Desk"),
    ("to the second", at(0), at(20), at(20), "Permits", "Desk"),
    ("a second late", at(0), at(20), at(20) + timedelta(seconds=1), "Permits", "Internet"),
    ("far too late", at(1), at(5), at(60), "Roads", "Post"),
    ("open, not due", at(40), at(100), None, "Roads", "Post"),
    ("open and late", at(2), at(30), None, "Permits", "fax"),
    ("no deadline", at(3), None, at(50), "Roads", "Desk"),
    ("no deadline, open", at(3), None, None, "Roads", "Desk"),
    ("ends before it starts", at(10), at(20), at(9), "Roads", "Desk"),
    ("in time", at(0), at(20), at(10), "Permits", "Desk"),
]


LATE = {"a second late", "far too late", "open and late"}


def test_every_case_is_on_time_or_late_to_the_second_and_every_row_is_counted(tmp_path: Path) -> None:
    ladder = tmp_path / "ladder.csv"
    result = replay(write(tmp_path / "cases.csv", ROWS), tmp_path, "--ladder", str(ladder))
    counts = {name: result[name] for name in ("cases", "closed", "late", "open", "open_late")}
    assert counts == {"cases": 9, "closed": 6, "late": 2, "open": 3, "open_late": 1}
    assert [row["line"] for row in result["rejected"]] == [11]
    assert [row["case_id"] for row in result["odd"]] == ["ends before it starts"]
    assert set(result["alerts"]) | set(result["open_alerts"]) == LATE
    assert set(result["open_alerts"]) == {"open and late"}
    for rungs in (result["alerts"] | result["open_alerts"]).values():
        assert sorted(rungs) == ["red", "warning", "yellow"]
    assert result["withdrawn_alerts"] == 0
    assert result["by_department"]["Roads"] == {"cases": 5, "closed": 3, "late": 1, "open": 2, "open_late": 0}
    assert result["by_channel"]["fax"] == {"cases": 1, "closed": 0, "late": 0, "open": 1, "open_late": 1}
    fired = read(ladder)
    assert {row["case_id"] for row in fired if row["rung"] != "warning"} == LATE
    # A case answered between its warning and its deadline has a warning.
    assert {row["case_id"] for row in fired if row["rung"] == "warning"} == LATE | {"to the second"}
    assert [row["due_at"] for row in fired] == sorted(row["due_at"] for row in fired)


def test_with_a_limit_and_other_rules_the_deadlines_are_working_days_and_other_rungs_fire(tmp_path: Path) -> None:
    started = datetime(2026, 9, 28, 10, tzinfo=ZONE)  # the National Day holiday lies ahead
    due = due_after(started, 5, published_calendar(), OfficeHours()).at
    rows: list[Recorded] = [
        ("to the minute", started, None, due, "Permits", "Desk"),
        ("late", started, None, due + timedelta(minutes=1), "Permits", "Desk"),
        ("a deadline on file counts for nothing", started, started, due, "Permits", "Desk"),
    ]
    ladder, rules = tmp_path / "ladder.csv", tmp_path / "rules.yaml"
    text = SHIPPED.read_text(encoding="utf-8")
    rules.write_text(text.replace("red: {limit: statutory}", "red: {limit: statutory, days_over: 60}"))
    file = write(tmp_path / "cases.csv", rows)
    result = replay(file, tmp_path, "--limit-days", "5", "--ladder", str(ladder), "--rules", str(rules))
    assert (result["closed"], result["late"]) == (3, 1)
    assert set(result["alerts"]) == {"late"}
    assert {row["rung"] for row in read(ladder) if row["case_id"] == "late"} == {"warning", "yellow"}


def test_a_file_without_a_history_is_refused_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "cases.csv"
    file.write_text("a,b\n1,2\n")
    completed = run_onedoor("replay", str(file), "--plain")
    assert completed.returncode == 1
    assert "no column case_id" in completed.stdout
    assert "Traceback" not in completed.stdout + completed.stderr


@pytest.mark.skipif(not MUNICIPALITY.exists(), reason="the municipality's log is not beside this checkout")
def test_a_municipalitys_1434_cases_and_its_377_late_ones(tmp_path: Path) -> None:
    result = replay(MUNICIPALITY, tmp_path)
    counts = {name: result[name] for name in ("cases", "closed", "late", "open", "open_late")}
    assert counts == {"cases": 1434, "closed": 1329, "late": 377, "open": 105, "open_late": 37}
    assert len(result["alerts"]) == 377
    assert all(sorted(rungs) == ["red", "warning", "yellow"] for rungs in result["alerts"].values())
    assert len(result["odd"]) == 2 and not result["rejected"]
