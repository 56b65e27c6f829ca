"""The monthly bulletin over HTTP, on a real PostgreSQL: as data, files and document for print."""

import csv
import io

import httpx2
import pytest
from pypdf import PdfReader

from services.monitor.web.board.bulletin import HEADS
from services.runtime.http.bodies import pdf
from tests.integration.monitor.board_figures import count
from tests.integration.monitor.test_board import sheet
from tests.integration.monitor.test_figures import events
from tests.support.messages import at
from tests.support.monitor_process import NANNING, SHENZHEN, MonitorProcess

MARCH = "2026-03"

TRICKY = '#emph[x] *y* "=1+1" \\ $z$ <w> @v #read("/etc/passwd")'
"""The name of a department that would do something if it were read as typst, as a formula, or as HTML."""


@pytest.fixture
async def nine_cases(monitor: MonitorProcess) -> MonitorProcess:
    """Cases of two regions in March, seen in April."""
    for case, message, time in events():
        await monitor.process_messages(case, message, time=time)
    await count(monitor)
    monitor.clock.set(at("2026-04-02 09:00"), 0)
    return monitor


def text_of(answer: httpx2.Response) -> str:
    """The text of a document, without white space."""
    assert answer.status_code == httpx2.codes.OK, answer.text
    assert answer.headers["content-type"] == pdf.MEDIA_TYPE
    return "".join("".join(page.extract_text().split()) for page in PdfReader(io.BytesIO(answer.content)).pages)


async def test_its_numbers_are_those_of_the_board(nine_cases: MonitorProcess) -> None:
    found = await nine_cases.get("/bulletin")
    assert (found["period"], found["is_over"], found["uncounted_since"]) == (MARCH, True, None)
    regions = {row["name"]: row for row in (await nine_cases.get("/board", by="region", period=MARCH))["rows"]}
    owners = await nine_cases.get("/board", by="owner", period=MARCH)
    departments = {row["name"]: row for row in owners["rows"]}
    assert found["total"]["figures"].items() <= owners["total"]["figures"].items()
    ranked = {one["name"]: (ranking["pool"], one) for ranking in found["rankings"] for one in ranking["regions"]}
    assert ranked.keys() == {NANNING, SHENZHEN}
    for name, (pool, one) in ranked.items():
        assert pool == regions[name]["pool"]
        assert one["rank"] == regions[name]["ranks"]["closed_per_month"]["pool"]
        assert one["figures"].items() <= regions[name]["figures"].items()
        assert one["change"] == regions[name]["change"]
    assert found["worst"]
    for row in (*found["worst"], *found["improved"]):
        assert row["figures"].items() <= departments[row["name"]]["figures"].items()


async def test_one_version_stands_for_the_same_numbers(nine_cases: MonitorProcess) -> None:
    first = await nine_cases.get("/bulletin", period=MARCH)
    nine_cases.clock.set(at("2026-04-09 09:00"), 0)
    assert (await nine_cases.get("/bulletin"))["version"] == first["version"]
    await nine_cases.execute("UPDATE figures SET closed = closed + 1 WHERE closed > 0")
    assert (await nine_cases.get("/bulletin"))["version"] != first["version"]


async def test_a_place_has_its_own_bulletin_and_ranks_among_all(nine_cases: MonitorProcess) -> None:
    whole = await nine_cases.get("/bulletin", period=MARCH)
    own = await nine_cases.get("/bulletin", period=MARCH, region=NANNING)
    (ranking,) = own["rankings"]
    assert ranking["regions"] == [
        one for ranking in whole["rankings"] for one in ranking["regions"] if one["name"] == NANNING
    ]
    assert own["version"] != whole["version"]


async def test_its_files_have_real_numbers(nine_cases: MonitorProcess) -> None:
    found = await nine_cases.get("/bulletin", period=MARCH)
    answer = await nine_cases.http.get("/bulletin", params={"period": MARCH, "form": "xlsx"})
    assert 'filename="bulletin-2026-03.xlsx"' in answer.headers["content-disposition"]
    heads, *rows = sheet(answer)
    assert tuple(heads) == HEADS
    total = dict(zip(HEADS, rows[0], strict=True))
    assert {name: total[name] for name in found["total"]["figures"]} == found["total"]["figures"]
    text = (await nine_cases.http.get("/bulletin", params={"period": MARCH, "form": "csv"})).content.decode("utf-8-sig")
    lines = list(csv.DictReader(io.StringIO(text)))
    assert [line["part"] for line in lines] == [row[0] for row in rows]
    assert [line["closed"] for line in lines] == [f"{row[HEADS.index('closed')]:.0f}" for row in rows]


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("zh", ["2026年3月办件情况通报", "一、总体情况", "办件量排名", "青秀区", "第1页，共"]),
        ("en", ["Bulletinofcases,March2026", "1.Allwork", "Rankingbycasesclosed", "青秀区", "Page1of"]),
    ],
)
async def test_its_document_says_the_same(nine_cases: MonitorProcess, language: str, expected: list[str]) -> None:
    await nine_cases.execute("UPDATE figures SET owner = :name WHERE owner = 'Commerce'", name=TRICKY)
    found = await nine_cases.get("/bulletin", period=MARCH)
    wanted = {"period": MARCH, "form": "pdf", "language": language}
    text = text_of(await nine_cases.http.get("/bulletin", params=wanted))
    for part in (*expected, found["version"], "2026-04-0209:00", "".join(TRICKY.split())):
        assert part in text, text
    worst = found["worst"][0]
    assert TRICKY in [row["name"] for row in found["worst"]]
    assert f"{worst['figures']['on_time_rate']:.2f}" in text


@pytest.mark.parametrize("query", [{"period": "2026-13"}, {"period": "2026-Q1"}, {"region": "x"}, {"form": "doc"}])
async def test_a_wrong_query_is_refused(monitor: MonitorProcess, query: dict[str, str]) -> None:
    assert (await monitor.http.get("/bulletin", params=query)).status_code == 422
