"""Every list of monitor as a file, on a real PostgreSQL: complete, with real numbers and dates, and cut only openly."""

import csv
import io
from datetime import date, datetime, time, timedelta

import pytest

from contracts.messages.alerts import IssueKind, OperationsAlerted, TimeDoubted
from contracts.messages.documents import CatalogueName, NamesPublished
from contracts.messages.tasks import TimeField
from contracts.zone import CHINA
from tests.integration.monitor.test_board import sheet
from tests.support.messages import MONDAY
from tests.support.monitor_process import NANNING, MonitorProcess, alert_raised, number

BEGIN = datetime.combine(date(1899, 12, 30), time())
"""Moment 0 of spreadsheets."""

MOMENTS = {
    "/alerts": ("number", "raised_at"),
    "/platform-issues": ("case_id", "raised_at"),
    "/doubtful-times": ("case_id", "doubted_at"),
    "/digests": ("number", "opened_at"),
}
"""Each list, with the column that names a row and one that is a moment. `test_board.py` has the others."""


@pytest.fixture
async def three_of_each(monitor: MonitorProcess) -> MonitorProcess:
    """Three alerts, failures, doubtful times and digests."""
    place = {"owner": "=1+1", "matter": "m", "region": NANNING}
    item = CatalogueName(key="m", zh="事项", en="Matter")
    await monitor.put_names(NamesPublished(departments=(), items=(item,)))
    for case in range(3):
        failure = OperationsAlerted(commitment="case", issue=IssueKind.UNVERIFIED, raised_at=MONDAY, **place)
        doubt = TimeDoubted(
            step="licence",
            field=TimeField.DECIDED_AT,
            claimed=MONDAY - timedelta(days=9),
            counts_at=MONDAY,
            doubted_at=MONDAY,
            **place,
        )
        await monitor.publish((case, alert_raised(MONDAY, owner="=1+1")), (case, failure), (case, doubt))
        await monitor.execute(
            """
            WITH one AS (INSERT INTO digests (person, opened_at, subject)
                VALUES (:person, :at, '=1+1') RETURNING number)
            INSERT INTO digest_deliveries (digest_numbers, people, address, content)
            SELECT ARRAY[number], ARRAY[:person], 'log:x', '{}' FROM one
            """,
            person=f"p{case}",
            at=MONDAY,
        )
    return monitor


@pytest.mark.parametrize("path", MOMENTS)
async def test_a_list_is_a_file_with_all_of_it(three_of_each: MonitorProcess, path: str) -> None:
    name, moment = MOMENTS[path]
    local = MONDAY.astimezone(CHINA).replace(tzinfo=None)
    heads, *rows = sheet(await three_of_each.http.get(path, params={"form": "xlsx"}))
    of = [dict(zip(heads, row, strict=True)) for row in rows]
    answer = await three_of_each.http.get(path, params={"form": "csv"})
    lines = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert len(rows) == len(lines) == len({row[name] for row in of}) == 3
    for row, line in zip(of, lines, strict=True):
        at = row[moment]
        assert isinstance(at, float) and BEGIN + timedelta(seconds=round(at * 86_400)) == local, "a real moment"
        assert line[moment] == f"{local:%Y-%m-%d %H:%M:%S}", "local to the office"
        text = "subject" if path == "/digests" else "owner"
        assert (row[text], line[text]) == ("=1+1", "'=1+1")
        if path != "/digests":
            assert (line["matter"], line["matter_name"], line["region_name"]) == ("m", "Matter (事项)", "青秀区")
    first = {row[name] for row in of[:2]}
    cut = sheet(await three_of_each.http.get(path, params={"form": "xlsx", "limit": 2}))
    assert {row[heads.index(name)] for row in cut[1:3]} == first
    assert str(cut[3][0]).startswith("cut after 2 rows") and "截至 2 行" in str(cut[3][0])
    whole = await three_of_each.http.get(path, params={"form": "csv", "limit": 4})
    assert "cut after" not in whole.text


async def test_alerts_are_listed_by_what_they_still_need(three_of_each: MonitorProcess) -> None:
    await three_of_each.execute("UPDATE alerts SET acknowledged_at = raised_at WHERE case_id = :case", case=number(0))
    await three_of_each.execute("UPDATE alerts SET appealed_at = raised_at WHERE case_id = :case", case=number(1))
    expected = {"all": {0, 1, 2}, "standing": {0, 1, 2}, "unacknowledged": {1, 2}, "undecided": {1}}
    for state, cases in expected.items():
        found = await three_of_each.get("/alerts", state=state)
        assert {alert["case_id"] for alert in found["alerts"]} == {number(case) for case in cases}
