"""The board over HTTP, on a real PostgreSQL."""

import csv
import io
import zipfile
from datetime import date, timedelta
from typing import Any
from xml.etree import ElementTree

import httpx2
import pytest

from contracts.messages.side_timers import SideTimer, SideTimersReported
from services.monitor.core.board.figures import CATALOGUE, COUNTED
from services.monitor.core.board.ranks import Pool
from services.monitor.store.board import counting
from services.monitor.store.board.listing import LISTED
from services.runtime.store.database import transaction
from tests.integration.monitor.board_figures import count
from tests.integration.monitor.test_figures import events
from tests.support.messages import MONDAY, at
from tests.support.monitor_histories import BUSINESS, CASE_RED, INSTANT
from tests.support.monitor_process import NANNING, SHENZHEN, MonitorProcess, number

THIS_MONTH = {"period": "2026-03"}


@pytest.fixture
async def nine_cases(monitor: MonitorProcess) -> MonitorProcess:
    """Cases in two regions that have everything that is counted, on the day after the last of them was answered."""
    for case, message, time in events():
        await monitor.process_messages(case, message, time=time)
    await count(monitor)
    monitor.clock.set(at("2026-03-17 09:00"), 0)
    return monitor


async def test_a_department_has_all_figures(monitor: MonitorProcess) -> None:
    late, good, open_ = map(number, range(3))
    for case in (late, good, open_):
        await monitor.process_messages(case, BUSINESS.accepted(MONDAY))
    await monitor.process_messages(good, BUSINESS.decided(at("2026-03-04 12:00")), time=at("2026-03-04 12:00"))
    await monitor.process_messages(late, BUSINESS.decided(CASE_RED + INSTANT), time=CASE_RED + INSTANT)
    await count(monitor)
    monitor.clock.set(at("2026-03-09 10:00"), 0)
    found = await monitor.get("/board")
    assert (found["period"], found["before"], found["today"]) == ("2026-03", "2026-02", "2026-03-09")
    assert found["uncounted_since"] is None
    (row,) = found["rows"]
    assert row["name"] == "Commerce"
    figures = row["figures"]
    assert {name for name, value in figures.items() if value is None} >= {*CATALOGUE}
    assert {name: value for name, value in figures.items() if value} == {
        "received": 3,
        "closed": 2,
        "on_time": 1,
        "late": 1,
        "on_time_rate": 50.0,
        "early": 1,
        "early_rate": 50.0,
        # Two working days for the good one, ten for the late one.
        "mean_days": 6.0,
        "mean_days_committed": 5.0,
        "mean_days_statutory": 10.0,
        "days_saved": -2,
        "days_saved_statutory": 8,
        "warnings": 1,
        "yellow_cards": 1,
        "red_cards": 1,
        "open": 1,
        "due_today": 1,
        "closed_per_month": 2.0,
    }
    assert figures["acknowledged_in_time_rate"] == figures["same_day_rate"] == 0.0
    assert found["total"]["figures"] == figures
    assert row["ranks"]["on_time_rate"] == {"pool": None, "overall": {"rank": 1, "from_last": 1, "of": 1}}
    assert row["line"][-1] == {"closed": 2, "on_time_rate": 50.0, "same_day_rate": 0.0}
    assert row["line"][0] == {"closed": 0, "on_time_rate": None, "same_day_rate": None}


async def test_without_cases_there_are_no_rows_and_no_rates(monitor: MonitorProcess) -> None:
    found = await monitor.get("/board")
    assert found["rows"] == []
    assert found["total"]["figures"]["received"] == 0
    assert found["total"]["figures"]["on_time_rate"] is None
    assert found["total"]["change"]["on_time_rate"] is None


@pytest.mark.parametrize("kind", ["case", "step", "complaint"])
@pytest.mark.parametrize("by", ["owner", "region", "item"])
async def test_behind_each_number_stand_as_many_commitments(nine_cases: MonitorProcess, by: str, kind: str) -> None:
    board = await nine_cases.get("/board", by=by, kind=kind, **THIS_MONTH)
    assert board["rows"]
    for row in (*board["rows"], board["total"]):
        for figure in LISTED:
            listed = await nine_cases.get(row["cases"][figure])
            assert sum(one["counted"] for one in listed["commitments"]) == row["figures"][figure], (row, figure)
        assert row["cases"]["on_time_rate"] == row["cases"]["late"]
        assert row["cases"].keys() | {*CATALOGUE} == row["figures"].keys()


async def test_rows_add_up_to_the_total_whatever_they_are_by(nine_cases: MonitorProcess) -> None:
    totals = [(await nine_cases.get("/board", by=by, **THIS_MONTH))["total"] for by in ("owner", "region", "item")]
    for total in totals:
        del total["cases"]
    assert totals[0] == totals[1] == totals[2]
    by_region = await nine_cases.get("/board", by="region", **THIS_MONTH)
    assert {row["name"] for row in by_region["rows"]} == {SHENZHEN, NANNING}
    assert sum(row["figures"]["received"] for row in by_region["rows"]) == totals[0]["figures"]["received"] == 9


@pytest.mark.parametrize("region", ["45", "4501", NANNING])
async def test_filters_select_by_place_department_and_item(nine_cases: MonitorProcess, region: str) -> None:
    whole = await nine_cases.get("/board", by="region", **THIS_MONTH)
    nanning = next(row for row in whole["rows"] if row["name"] == NANNING)
    filtered = await nine_cases.get("/board", by="region", region=region, **THIS_MONTH)
    assert filtered["rows"] == [nanning | {"cases": filtered["rows"][0]["cases"]}], "its ranks are among all regions"
    for query in (
        {"region": region},
        {"region": region, "owner": "Commerce"},
        {"region": region, "by": "item"},
        {"region": region, "item": "start-business"},
        {"region": region, "by": "item", "owner": "Commerce"},
        {"region": region, "owner": "Commerce", "item": "start-business"},
    ):
        found = await nine_cases.get("/board", **query, **THIS_MONTH)
        assert found["total"]["figures"] == nanning["figures"], query
    for query in ({"region": "11"}, {"owner": "Nobody"}, {"item": "none"}):
        assert (await nine_cases.get("/board", **query, **THIS_MONTH))["rows"] == []


async def test_days_and_months_and_years_have_the_same_figures(nine_cases: MonitorProcess) -> None:
    wanted = ("2026-03", "2026-Q1", "2026", "2026-02-27..2026-03-20", "2026-03-02..2026-03-16")
    found = [(await nine_cases.get("/board", period=period))["total"]["figures"] for period in wanted]
    for figures in found:
        figures.pop("closed_per_month")
    assert all(figures == found[0] for figures in found)
    split = [
        (await nine_cases.get("/board", period=period))["total"]["figures"]["closed"]
        for period in ("2026-03-01..2026-03-09", "2026-03-10..2026-03-31")
    ]
    assert sum(split) == found[0]["closed"]
    assert all(split)


async def test_a_change_is_against_the_period_before(nine_cases: MonitorProcess) -> None:
    first = (await nine_cases.get("/board", period="2026-03-02..2026-03-09"))["total"]
    second = (await nine_cases.get("/board", period="2026-03-10..2026-03-17"))["total"]
    assert second["before"] == {name: value for name, value in first["figures"].items() if name in second["before"]}
    assert second["change"]["closed"] == second["figures"]["closed"] - first["figures"]["closed"] != 0
    april = (await nine_cases.get("/board", period="2026-04"))["total"]
    assert april["figures"]["on_time_rate"] is april["change"]["on_time_rate"] is None
    assert april["before"]["on_time_rate"] is not None


async def test_changes_that_are_not_counted_yet_are_said(nine_cases: MonitorProcess) -> None:
    await nine_cases.process_messages(number(20), BUSINESS.accepted(MONDAY))
    assert (await nine_cases.get("/board"))["uncounted_since"] is not None


async def test_lists_have_pages(nine_cases: MonitorProcess) -> None:
    query = {"figure": "received", "kind": "step", **THIS_MONTH}
    whole = await nine_cases.commitments("/board/cases", **query)
    assert len(whole) > 3
    assert await nine_cases.walk("/board/cases", **query, limit=3) == whole


async def test_files_have_the_same_figures(nine_cases: MonitorProcess) -> None:
    (row,) = (await nine_cases.get("/board", **THIS_MONTH))["rows"]
    as_csv = await nine_cases.http.get("/board", params={**THIS_MONTH, "form": "csv"})
    (line,) = csv.DictReader(io.StringIO(as_csv.content.decode("utf-8-sig")))
    assert line["name"] == "Commerce"
    assert float(line["on_time_rate"]) == row["figures"]["on_time_rate"]
    assert line["items_due"] == ""
    as_sheet = await nine_cases.http.get("/board", params={**THIS_MONTH, "form": "xlsx"})
    heads, cells = sheet(as_sheet)
    values = dict(zip(heads, cells, strict=True))
    assert values["name"] == "Commerce"
    assert values["on_time_rate"] == row["figures"]["on_time_rate"]
    assert values["on_time_rate_rank_overall"] == 1


async def test_a_spreadsheet_has_dates_and_no_formulas(monitor: MonitorProcess) -> None:
    timer = SideTimer(commitment="complaint/1", owner="=1+1", started_at=MONDAY)
    report = SideTimersReported(change_id="t1", matter="start-business", region=NANNING, timers=(timer,))
    await monitor.process_messages(number(1), report)
    await count(monitor)
    query = {"figure": "received", "kind": "complaint", **THIS_MONTH}
    answer = await monitor.http.get("/board/cases", params={**query, "form": "xlsx"})
    heads, cells = sheet(answer)
    values = dict(zip(heads, cells, strict=True))
    assert values["owner"] == "=1+1", "a text, as it is"
    opened: Any = values["opened_on"]
    assert date(1899, 12, 30) + timedelta(days=opened) == date(2026, 3, 2), "a real date"
    assert b"<f>" not in _part(answer, "xl/worksheets/sheet1.xml")
    as_csv = await monitor.http.get("/board/cases", params={**query, "form": "csv"})
    (line,) = csv.DictReader(io.StringIO(as_csv.content.decode("utf-8-sig")))
    assert (line["owner"], line["opened_on"]) == ("'=1+1", "2026-03-02")
    due = await monitor.http.get("/due", params={"form": "xlsx", "days": 30})
    heads, cells = sheet(due)
    assert isinstance(dict(zip(heads, cells, strict=True))["committed_due"], float), "a real moment"


@pytest.mark.parametrize(
    "query",
    [
        *("period=2026-13", "period=now", "by=colour", "kind=none", "region=abc", "limit=0", "colour=red"),
        "period=2026-05-06..2026-04-03",
    ],
)
async def test_wrong_requests_are_refused_with_what_to_do(monitor: MonitorProcess, query: str) -> None:
    for path in (f"/board?{query}", f"/board/cases?figure=open&{query}"):
        answer = await monitor.http.get(path)
        if "by=" in query and "cases" in path:
            continue
        assert answer.status_code == 422, path
        assert answer.json()["title_zh"]
    for path in ("/board/cases", "/board/cases?figure=mean_days", "/board/cases?figure=open&after=x"):
        assert (await monitor.http.get(path)).status_code == 422


async def test_only_staff_see_the_board(monitor: MonitorProcess) -> None:
    for path in ("/board", "/board/cases?figure=open"):
        assert (await monitor.client({}).get(path)).status_code == 401


# -- published figures -------------------------------------------------------------------------------------------------

YULIN = {
    "450900": 2453,
    "450902": 78,  # Yuzhou
    "450903": 6,  # Fumian
    "450921": 723,  # Rong
    "450922": 1276,  # Luchuan
    "450923": 2583,  # Bobai
    "450924": 67,  # Xingye
    "450981": 6893,  # Beiliu
}
"""Cases closed a month at the centre of the city and of each county, from January to May 2009, as published."""

CITIES, DISTRICTS, COUNTIES = 14, 24, 75

RANKS = {"450900": 8, "450981": 1, "450923": 6, "450922": 20, "450921": 35}
"""The published ranks: of the city among all cities, of the counties among all counties."""


def other_regions() -> dict[str, int]:
    """Made-up numbers of the other cities, districts and counties, so that the ranks are the published ones."""
    cities = [2500] * 7 + [900] * 6
    districts = [1000] * 14 + [40] * 8
    counties = [3000] * 4 + [2000] * 13 + [1000] * 14 + [500] * 39
    assert len(cities) == CITIES - 1
    assert len(districts) == DISTRICTS - 2
    assert len(counties) == COUNTIES - 5
    return (
        {f"45{20 + n}00": closed for n, closed in enumerate(cities)}
        | {f"453{n // 10}{n % 10 + 1:02}": closed for n, closed in enumerate(districts)}
        | {f"45{40 + n // 30}{21 + n % 30}": closed for n, closed in enumerate(counties)}
    )


async def test_published_figures_and_ranks_come_out(monitor: MonitorProcess) -> None:
    months = [date(2009, month, 1) for month in range(1, 6)]
    for region, closed in YULIN.items():
        await monitor.execute(
            """
            INSERT INTO commitment_facts (case_id, commitment, kind, owner, region, matter, opened_on, due_on, paused,
                ended_on, on_time, days_used, days_committed, days_statutory)
            SELECT CAST(:region AS text) || '-' || month || '-' || n, 'case', 'case', 'Centre', CAST(:region AS text),
                'm', month, month + 5, false, month + CAST(n % 5 AS integer), true, 1, 5, 20
            FROM unnest(CAST(:months AS date[])) AS month, generate_series(1, :closed) AS n
            """,
            region=region,
            closed=closed,
            months=months,
        )
    async with transaction(monitor.process.database) as connection:
        await counting.recount(connection)
    others = other_regions()
    await monitor.execute(
        f"""
        INSERT INTO figures SELECT {counting.REGION | counting.MONTH}, 'case', month, '', region, '', closed, closed,
            {", ".join("0" for _ in COUNTED[2:])}
        FROM unnest(CAST(:months AS date[])) AS month,
            unnest(CAST(:regions AS text[]), CAST(:closed AS integer[])) AS other (region, closed)
        """,
        months=months,
        regions=list(others),
        closed=list(others.values()),
    )
    board = await monitor.get("/board", by="region", period="2009-01-01..2009-05-31")
    rows = {row["name"]: row for row in board["rows"]}
    assert {region: rows[region]["figures"]["closed_per_month"] for region in YULIN} == YULIN
    ranks = {region: row["ranks"]["closed_per_month"]["pool"] for region, row in rows.items()}
    assert {region: ranks[region]["rank"] for region in RANKS} == RANKS
    sizes = {rows[region]["pool"]: ranks[region]["of"] for region in YULIN}
    assert sizes == {Pool.CITIES: CITIES, Pool.DISTRICTS: DISTRICTS, Pool.COUNTIES: COUNTIES}
    assert ranks["450902"]["from_last"] == 10, "Yuzhou is the tenth from the bottom"
    assert len({row["name"] for row in board["rows"]}) == CITIES + DISTRICTS + COUNTIES
    assert rows["450981"]["ranks"]["closed_per_month"]["overall"]["rank"] == 1


def sheet(answer: httpx2.Response) -> list[list[str | float | None]]:
    """The rows of the first sheet of a spreadsheet."""
    assert answer.status_code == httpx2.codes.OK, answer.text
    space = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    rows: list[list[str | float | None]] = []
    for row in ElementTree.fromstring(_part(answer, "xl/worksheets/sheet1.xml")).iter(f"{space}row"):
        cells: dict[int, str | float | None] = {}
        for cell in row.iter(f"{space}c"):
            text = "".join(part.text or "" for part in cell.iter(f"{space}t"))
            value = cell.find(f"{space}v")
            cells[_column(cell.attrib["r"])] = text if cell.get("t") == "inlineStr" else float(value.text or "")  # type: ignore[union-attr]
        rows.append([cells.get(column) for column in range(max(cells) + 1)])
    width = max(map(len, rows))
    return [row + [None] * (width - len(row)) for row in rows]


def _column(place: str) -> int:
    """The number of the column in a place such as ``AB12``."""
    number = 0
    for letter in place.rstrip("0123456789"):
        number = 26 * number + ord(letter) - ord("A") + 1
    return number - 1


def _part(answer: httpx2.Response, name: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        return archive.read(name)
