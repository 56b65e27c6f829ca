"""Requests of the lists of due and overdue commitments: files, wrong requests, limits of queries."""

import asyncio
import csv
import io

import pytest
from sqlalchemy import text

from services.monitor.store.lists import query_limits
from tests.support.messages import MONDAY, at, limits
from tests.support.monitor_histories import BUSINESS, business
from tests.support.monitor_process import MonitorProcess, begun, keys, number

DELIVERED = BUSINESS.delivered("licence", MONDAY)
OF = business(whole=limits(1, 5))
LISTS = ("/due", "/due/counts", "/overdue", "/overdue/counts")


async def test_a_file_has_the_same_rows_and_no_formula(monitor: MonitorProcess) -> None:
    formula = '=HYPERLINK("http://evil";"税务局")'
    for n, owner in enumerate((formula, "+1", "-1", "@x", '税务局, "一"\n二')):
        accepted = OF.accepted(MONDAY, plan=OF.plan.replace(lead_department=owner))
        await monitor.process_messages(number(n), accepted)
    answer = await monitor.http.get("/due", params={"form": "csv", "kind": "case"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="due.csv"'
    assert answer.content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    assert [row["owner"] for row in rows] == [f"'{formula}", "'+1", "'-1", "'@x", '税务局, "一"\n二']
    assert {(row["opened_at"], row["committed_due"], row["working_days_left"]) for row in rows} == {
        ("2026-03-02 10:00:00", "2026-03-03 17:30:00", "1")
    }
    only = await monitor.http.get("/due", params={"form": "csv", "owner": formula})
    assert len(only.content.splitlines()) == 2
    await monitor.pass_to(at("2026-03-05 10:00"))
    for n in range(5):
        await monitor.process_messages(number(n), BUSINESS.reported())
    late = await monitor.http.get("/overdue", params={"form": "csv"})
    found = list(csv.DictReader(io.StringIO(late.content.decode("utf-8-sig"), newline="")))
    page = await monitor.commitments("/overdue")
    assert [(row["case_id"], row["commitment"]) for row in found] == keys(page)
    assert {row["working_days_over"] for row in found} == {"2"}
    empty = await monitor.http.get("/overdue", params={"form": "csv", "item": "another"})
    assert empty.content.decode("utf-8-sig").startswith("case_id,commitment,owner")


async def test_a_long_file_is_complete(monitor: MonitorProcess) -> None:
    for n in range(700):
        await monitor.process_messages(number(n), begun(), DELIVERED)
    answer = await monitor.http.get("/due", params={"form": "csv"})
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert len({(row["case_id"], row["commitment"]) for row in rows}) == len(rows) == 1400
    few = await monitor.http.get("/due", params={"form": "csv", "limit": 10})
    assert len(few.content.splitlines()) == 12, "a head, ten rows, and that it is cut"


async def test_wrong_requests_and_strangers(monitor: MonitorProcess) -> None:
    for path in (
        "/due?days=367", "/due?days=-1", "/due?region=4", "/due?region=45x", "/due?kind=none", "/due?after=x",
        "/due?after=0~2026-13-40T99:00:00.000000Z~0000-0000-0001-1~case", "/due?form=xls", "/due?limit=0",
        "/due?colour=red", "/due?owner=%00", "/due/counts?by=colour", "/overdue?rung=warning", "/overdue?days=5",
        "/overdue/counts?limit=1001",
    ):  # fmt: skip
        answer = await monitor.http.get(path)
        assert (path, answer.status_code) == (path, 422)
        assert answer.headers["content-type"] == "application/problem+json"
    async with monitor.client({}) as stranger:
        assert {(await stranger.get(path)).status_code for path in (*LISTS, "/stream")} == {401}


@pytest.mark.parametrize("path", ["/due", "/board", "/board/cases?figure=open", "/commitments"])
async def test_queries_are_limited_in_number_and_time(
    monitor: MonitorProcess, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    await monitor.process_messages(number(1), begun(), DELIVERED)
    monkeypatch.setattr(query_limits, "WAIT_S", 0.05)
    assert await monitor.get(path)
    async with monitor.process.database.connect() as other:
        await other.execute(text("LOCK TABLE cases, figures, commitment_facts IN ACCESS EXCLUSIVE MODE"))
        requests = [asyncio.create_task(monitor.http.get(path)) for _ in range(query_limits.QUERIES + 1)]
        (refused,), waiting = await asyncio.wait(requests, return_when=asyncio.FIRST_COMPLETED)
        assert (refused.result().status_code, refused.result().headers["retry-after"]) == (503, "5")
        await other.rollback()
        assert {(await one).status_code for one in waiting} == {200}
    monkeypatch.setattr(query_limits, "STATEMENT_S", 0.1)
    async with monitor.process.database.connect() as other:
        await other.execute(text("LOCK TABLE cases, figures, commitment_facts IN ACCESS EXCLUSIVE MODE"))
        slow = await monitor.http.get(path)
        assert (slow.status_code, slow.json()["type"]) == (503, "urn:onedoor:problem:too-much")
        file = await monitor.http.get("/due", params={"form": "csv"})
        assert file.status_code == 503
        await other.rollback()


async def test_a_query_is_read_only(monitor: MonitorProcess) -> None:
    async with query_limits.LimitedQueries(monitor.process.database).query() as connection:
        assert await connection.scalar(text("SHOW transaction_read_only")) == "on"
        assert await connection.scalar(text("SHOW statement_timeout")) == f"{query_limits.STATEMENT_S:.0f}s"
    assert await monitor.rows("SHOW transaction_read_only") == [("off",)]
