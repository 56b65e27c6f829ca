"""Sessions over time: idle, too long, renewed by several processes, refused by the issuer; what the database has."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from services.identity.store import people, sessions
from tests.support.front.fronting import Fronting, follow, fronting
from tests.support.identity.browser import Browser

TOKEN = timedelta(minutes=10)
"""The life of an access token."""


@pytest.fixture
async def two(databases: tuple[str, str], tmp_path: Path) -> AsyncIterator[Fronting]:
    """Two processes of the front."""
    async with fronting(*databases, tmp_path, replicas=2) as running:
        yield running


async def disable(running: Fronting) -> None:
    def work(connection: Connection) -> None:
        people.disable(connection, "wang-fang", running.clock())
        sessions.end_all(connection, "wang-fang", "disabled", running.clock())

    await running.issuing.issuer.run(work)


async def content_of(database: str, table: str) -> str:
    """All rows of a table as text."""
    engine = create_async_engine(database)
    async with engine.connect() as connection:
        rows = (await connection.execute(text(f"SELECT * FROM {table}"))).all()
    await engine.dispose()
    return "\n".join(map(str, rows))


async def test_a_session_that_is_not_used_ends_and_says_so(running: Fronting, browser: Browser) -> None:
    await running.log_in(browser)
    for _ in range(3):
        running.clock.ahead += timedelta(minutes=14)
        assert (await browser.get("/board")).status == 200
    running.clock.ahead += timedelta(minutes=16)
    again = await browser.get("/board")
    assert again.status == 303
    why = await browser.get(again.location, Accept_Language="en")
    assert why.status == 200 and "It was not used for 15 min" in why.text
    asked = await browser.get("/session/login?next=%2Fboard&again=1")
    assert asked.query["prompt"] == "login", "an issuer whose own login lasts longer asks as well"
    assert (await follow(browser, asked)).location == f"{running.url}/board"
    assert (await browser.get("/board")).status == 200


async def test_no_session_lasts_longer_than_a_working_day(running: Fronting, browser: Browser) -> None:
    await running.log_in(browser)
    for _ in range(51):
        running.clock.ahead += timedelta(minutes=14)
        assert (await browser.get("/board")).status == 200
    running.clock.ahead += timedelta(minutes=7)
    again = await browser.get("/board")
    assert again.status == 303
    assert "12 小时" in (await browser.get(again.location)).text


async def test_what_a_page_does_by_itself_keeps_no_session_open(running: Fronting, browser: Browser) -> None:
    await running.log_in(browser)
    for _ in range(4):
        running.clock.ahead += timedelta(minutes=4)
        assert (await browser.get("/session/state")).status == (200 if running.clock.ahead.seconds < 900 else 401)
        await browser.get("/api/monitor/alerts/stream", Accept="text/event-stream")
    assert (await browser.get("/board")).status == 303


async def test_a_token_is_renewed_before_it_ends(running: Fronting, browser: Browser) -> None:
    await running.log_in(browser)
    first = await running.access_token(browser)
    running.clock.ahead += TOKEN - timedelta(seconds=59)
    assert (await running.access_token(browser)).authenticated_at == first.authenticated_at
    assert len({asked.subject for asked in running.monitor.asked}) == 2
    await browser.get("/board")
    assert len({asked.subject for asked in running.monitor.asked}) == 2, "once"


@pytest.mark.parametrize("after", [TOKEN - timedelta(seconds=30), TOKEN + timedelta(seconds=30)])
async def test_two_processes_never_use_one_refresh_token(two: Fronting, after: timedelta) -> None:
    """A second use would look like a theft, and end the login."""
    async with Browser(two.url) as browser, Browser(two.replicas[1].url) as at_the_other:
        await two.log_in(browser)
        at_the_other.cookies = browser.cookies
        for round in range(3):
            two.clock.ahead += after
            answers = await asyncio.gather(*(one.get("/board") for one in (browser, at_the_other) * 10))
            assert {answer.status for answer in answers} == {200}, f"round {round}"
        assert "reused" not in {entry.outcome for entry in await two.issuing.recorded()}


async def test_a_disabled_person_sees_nothing_after_ten_minutes(running: Fronting, browser: Browser) -> None:
    await running.log_in(browser)
    await disable(running)
    running.clock.ahead += TOKEN - timedelta(seconds=50)
    seen = len(running.monitor.asked)
    assert (await browser.get("/api/monitor/alerts")).status == 401
    again = await browser.get("/board")
    assert again.status == 303 and len(running.monitor.asked) == seen
    assert "账号已停用" in (await browser.get(again.location)).text


async def test_an_issuer_that_is_away_ends_no_session(databases: tuple[str, str], tmp_path: Path) -> None:
    async with fronting(*databases, tmp_path) as running, Browser(running.url) as browser:
        await running.log_in(browser)
        async with running.without_issuer():
            running.clock.ahead += TOKEN - timedelta(seconds=30)
            assert (await browser.get("/board")).status == 200, "the token still gives access"
            running.clock.ahead += timedelta(minutes=1)
            page = await browser.get("/board")
            assert page.status == 503 and "Retry-After" in page.headers
            assert (await browser.get("/api/monitor/x")).headers["Content-Type"] == "application/problem+json"
        assert (await browser.get("/board")).status == 200


async def test_a_database_that_is_away_closes_no_public_page(databases: tuple[str, str], tmp_path: Path) -> None:
    away = "postgresql+asyncpg://nobody@127.0.0.1:1/nothing"
    async with fronting(away, databases[1], tmp_path) as running, Browser(running.url) as browser:
        assert (await browser.get("/published")).status == 200
        browser.cookies["__Host-onedoor"] = "x" * 43
        page = await browser.get("/board", Accept_Language="en")
        assert page.status == 503 and "database of sessions" in page.text and page.headers["Retry-After"] == "10"
        assert (await browser.get("/api/monitor/x")).headers["Content-Type"] == "application/problem+json"
        login = await browser.get("/session/login")
        assert login.status == 503 and login.headers["Content-Type"].startswith("text/html")


async def test_the_database_lets_nobody_in(running: Fronting, browser: Browser, databases: tuple[str, str]) -> None:
    await running.log_in(browser)
    assert (await browser.get("/board")).status == 200
    token = running.monitor.latest.subject
    kept = await content_of(databases[0], "sessions")
    assert token is not None and token not in kept and "eyJ" not in kept
    assert browser.cookies["__Host-onedoor"] not in kept
    await browser.post("/session/logout", {}, Origin=running.url)
    assert "gAAAA" in kept and "gAAAA" not in await content_of(databases[0], "sessions"), "tokens go with the session"


async def test_with_another_key_all_log_in_again(databases: tuple[str, str], tmp_path: Path) -> None:
    async with fronting(*databases, tmp_path) as running, Browser(running.url) as browser:
        await running.log_in(browser)
        cookies = browser.cookies
    async with fronting(*databases, tmp_path, secret_key="g" * 32) as running, Browser(running.url) as browser:
        browser.cookies = cookies
        assert (await browser.get("/board")).status == 303


async def test_what_has_ended_is_ended_at_the_issuer_and_deleted(
    running: Fronting, browser: Browser, databases: tuple[str, str]
) -> None:
    await running.log_in(browser)
    await browser.get("/session/login")
    running.clock.ahead += timedelta(minutes=20)
    await running.replicas[0].sessions.tidy()
    assert "idle" in await content_of(databases[0], "sessions") and not await content_of(databases[0], "logins")
    assert "given back" in {entry.outcome for entry in await running.issuing.recorded()}
    running.clock.ahead += timedelta(days=1, minutes=1)
    await running.replicas[0].sessions.tidy()
    assert not await content_of(databases[0], "sessions")


async def test_a_form_that_was_typed_survives_the_end_of_its_session(running: Fronting, browser: Browser) -> None:
    await running.log_in(browser)
    running.clock.ahead += timedelta(minutes=20)
    typed = {"reason": "第一行\r\n<b>第二行</b>", "answer": "granted"}
    kept = await browser.post("/alerts/7012?after=1", typed, Origin=running.url)
    assert kept.status == 401 and "尚未提交" in kept.text and "<b>" not in kept.text
    assert kept.headers["Cache-Control"] == "no-store"
    async with Browser(running.url) as tab:
        tab.cookies = browser.cookies
        back = await follow(tab, await tab.get("/session/login?next=%2Fsession%2Fdone&again=1"))
        assert "关闭本标签页" in (await tab.get(back.location)).text
    sent = await browser.post("/alerts/7012?after=1", kept.form("/alerts/7012?after=1").values, Origin=running.url)
    assert sent.status == 200
    asked = running.monitor.latest
    assert (asked.method, asked.target) == ("POST", "/alerts/7012?after=1")
    assert asked.body.decode() == (
        "reason=%E7%AC%AC%E4%B8%80%E8%A1%8C%0D%0A%3Cb%3E%E7%AC%AC%E4%BA%8C%E8%A1%8C%3C%2Fb%3E&answer=granted"
    )


async def test_another_content_is_sent_again_by_the_browser(running: Fronting, browser: Browser) -> None:
    kept = await browser.post("/alerts/7012", {}, Content_Type="text/csv", Origin=running.url)
    assert kept.status == 401 and "刷新" in kept.text


async def test_a_script_gets_a_problem_and_no_login(running: Fronting, browser: Browser) -> None:
    for headers in ({"Sec_Fetch_Dest": "empty"}, {"Accept": "text/event-stream"}):
        answer = await browser.get("/board", **headers)
        assert answer.status == 401 and answer.headers["Content-Type"] == "application/problem+json"
    assert urlsplit((await browser.get("/board", Sec_Fetch_Dest="document")).location).path == "/session/login"
