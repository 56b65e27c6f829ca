"""Wall displays: opened by a code once, shown the wall and nothing else, renewed by themselves, revoked."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from services.front.store import walls
from services.front.store.walls import CODE_VALID
from services.runtime.security.access_tokens import TokenVerifier
from tests.support.front.fronting import Fronting
from tests.support.identity.browser import Answer, Browser

T = TypeVar("T")

WALL, CODE_PAGE, HALL, CODE = "/board/wall", "/session/wall", "一楼大厅", "K7Q29MXF4TBA"


async def in_database(running: Fronting, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
    engine = create_async_engine(running.settings.database.get_secret_value())
    async with engine.begin() as connection:
        found = await work(connection)
    await engine.dispose()
    return found


async def add(running: Fronting, code: str = CODE, program: str = "wall") -> None:
    """Add the display, as ``onedoor wall add`` does."""
    await in_database(running, lambda on: walls.add(on, HALL, program, code, "feng", running.clock()))


async def type_code(browser: Browser, code: str = "k7q2-9mxf-4tba") -> Answer:
    """Type a code at the display."""
    page = await browser.get(CODE_PAGE)
    return await browser.submit(page, CODE_PAGE, code=code)


async def test_a_display_shows_the_wall_and_nothing_else(running: Fronting, browser: Browser) -> None:
    await add(running)
    first = await browser.get(WALL)
    assert (first.status, first.location) == (303, running.url + CODE_PAGE), "no login of a person is asked for"
    opened = await type_code(browser)
    assert (opened.status, opened.location) == (303, running.url + WALL)
    (cookie,) = opened.set_cookies
    assert cookie.startswith("__Host-onedoor=") and "HttpOnly" in cookie and "Secure" in cookie
    assert CODE not in opened.location and (await browser.get(WALL)).status == 200
    token = running.monitor.latest.subject
    assert token is not None
    assert (await TokenVerifier(running.issuing.url, "onedoor", running.clock).verify(token)).subject == "wall"
    asked = len(running.monitor.asked)
    for path in ("/board", "/board/wall/", "/board/cases?figure=late", "/alerts", "/published", "/api/monitor/board"):
        assert (await browser.get(path)).status == 403, path
    assert (await browser.post("/alerts/acknowledge", {"alert": "1"}, Origin=running.url)).status == 403
    assert len(running.monitor.asked) == asked, "no service is even asked"


async def test_it_goes_on_for_weeks_without_a_person(running: Fronting, browser: Browser) -> None:
    await add(running)
    await type_code(browser)
    for pause in (timedelta(minutes=20), timedelta(days=3), timedelta(days=20)):
        running.clock.ahead += pause
        assert (await browser.get(WALL)).status == 200, "its program gets a new token"
        await running.replicas[0].sessions.tidy()
    (listed,) = await in_database(running, walls.listed)
    assert (listed.name, listed.program, listed.added_by) == (HALL, "wall", "feng")
    assert listed.used_at is not None and listed.used_at <= running.clock()
    running.clock.ahead += timedelta(days=32)
    assert (await browser.get(WALL)).status == 303, "a screen that is not used ends"


async def test_it_is_revoked_at_once(running: Fronting, browser: Browser) -> None:
    await add(running)
    await type_code(browser)
    assert await in_database(running, lambda on: walls.revoke(on, HALL, "zhou", running.clock()))
    again = await browser.get(WALL)
    assert (again.status, again.location) == (303, running.url + CODE_PAGE)
    assert not await in_database(running, lambda on: walls.revoke(on, HALL, "zhou", running.clock()))
    (listed,) = await in_database(running, walls.listed)
    assert (listed.revoked_by, listed.used_at) == ("zhou", None)
    assert listed.opened_at is not None and listed.revoked_at is not None


@pytest.mark.parametrize("typed", ["", "K7Q2-9MXF-4TBB", CODE * 2])
async def test_a_wrong_code_opens_nothing(running: Fronting, browser: Browser, typed: str) -> None:
    await add(running)
    answer = await type_code(browser, typed)
    assert answer.status == 422 and "开屏码有误" in answer.text
    assert (await browser.get(WALL)).status == 303


async def test_a_code_opens_one_display_once_and_not_for_long(running: Fronting, browser: Browser) -> None:
    await add(running)
    running.clock.ahead += CODE_VALID
    assert (await type_code(browser)).status == 422
    await add(running)
    assert (await type_code(browser)).status == 303
    async with Browser(running.url) as other:
        assert (await type_code(other)).status == 422
        await add(running, "4TBAK7Q29MXF")
        assert (await browser.get(WALL)).status == 200, "the first one shows until the new code is typed"
        assert (await type_code(other, "4TBA K7Q2 9MXF")).status == 303
        assert (await other.get(WALL)).status == 200
        assert (await browser.get(WALL)).status == 303


async def test_a_program_that_the_issuer_does_not_know_keeps_its_code(running: Fronting, browser: Browser) -> None:
    await add(running, program="nobody")
    assert (await type_code(browser)).status == 503
    await in_database(running, lambda on: walls.add(on, HALL, "wall", CODE, None, running.clock()))
    assert (await type_code(browser)).status == 303


async def test_no_other_site_opens_a_display(running: Fronting, browser: Browser) -> None:
    await add(running)
    answer = await browser.post(CODE_PAGE, {"code": CODE}, Sec_Fetch_Site="cross-site")
    assert answer.status == 403
