"""The front has its refusals on record in its own database, in a signed chain, without anything that was typed."""

import asyncio
from datetime import timedelta
from pathlib import Path

from sqlalchemy.ext.asyncio import create_async_engine

from services.addresses import Addresses, write_addresses
from services.operator.options import DatabaseOptions
from services.operator.record.check import verify_record
from services.runtime.journal import verify
from services.runtime.journal.access import AccessRows
from services.runtime.journal.blocks import day_of, signing_key
from services.runtime.journal.writer import JournalWriter
from services.runtime.store import access_record
from tests.support.front.fronting import Fronting
from tests.support.identity.browser import Browser
from tests.support.runtime.processes import rows
from tests.support.waiting import eventually

ENTRIES = """
    SELECT act, outcome, request, filter, sum(times) FROM access_record
    GROUP BY act, outcome, request, filter ORDER BY outcome, request, filter
"""

PEOPLE = "SELECT count(*) FROM access_record WHERE person IS NOT NULL OR address IS NULL"


async def test_each_refusal_is_on_record_and_a_flood_is_few_rows(
    running: Fronting, browser: Browser, databases: tuple[str, str], tmp_path: Path
) -> None:
    assert (await browser.get("/board/wang-fang")).status == 303
    assert (await browser.send("GET", "/board", Sec_Fetch_Dest="empty")).status == 401
    for _ in range(20):
        answer = await browser.post("/alerts/7012", {"reason": "王芳"}, Sec_Fetch_Site="cross-site")
        assert answer.status == 403
    assert (await browser.get("/board/%5cwang-fang")).status == 400
    assert (await browser.get("/session/back?code=x&state=y")).status == 400
    await running.log_in(browser)
    assert (await browser.get("/board")).status == 200
    running.clock.ahead += timedelta(minutes=16)
    assert (await browser.get("/board")).status == 303
    expected = [
        ("visit", "foreign", "POST /alerts", None, 20),
        ("visit", "malformed", "GET /board", '{"reason": "path"}', 1),
        ("visit", "not-logged-in", "GET /board", '{"reason": "idle"}', 1),
        ("login", "not-logged-in", "GET /session", '{"reason": "state"}', 1),
    ]
    database = create_async_engine(databases[0])

    async def all_written() -> bool:
        return await rows(database, ENTRIES) == expected

    await eventually(all_written)
    assert await rows(database, PEOPLE) == [(0,)]
    (count,) = await rows(database, "SELECT count(*) FROM access_record")
    assert count[0] < 12, "equal refusals of a second are one entry"

    key = signing_key(running.settings.secret_key.get_secret_value())
    writer = JournalWriter(database, key, access_record.CHAIN, AccessRows("front"), 0.0, timedelta(hours=12))
    while await writer.run_once():
        pass
    ((moment,),) = await rows(database, "SELECT max(created_at) FROM access_record")
    await database.dispose()
    write_addresses(tmp_path, Addresses({}, {}, front_database=databases[0]))
    options, today = DatabaseOptions("", tmp_path), day_of(moment)
    public = key.public_key().public_bytes_raw().hex()
    status = await asyncio.to_thread(verify_record, options, "front", public, today, None)
    assert status == verify.NOT_PROVEN, "the day is not over; nothing in it contradicts itself"
