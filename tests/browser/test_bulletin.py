"""A supervisor's month and a hall's day: the bulletin and its files, and the wall display from its code to its end."""

import asyncio
import io
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.async_api import Browser, Page, expect
from pypdf import PdfReader

from contracts.messages.documents import PostsPublished, PublishedPost
from contracts.rights.holders import Holders
from contracts.rights.table import Role
from deploy.local.engines import Engines
from services.front.core.routes import Backend
from services.front.migrations import FRONT_MIGRATIONS
from services.front.store import walls
from services.identity.migrations import ISSUER_MIGRATIONS
from services.monitor.app import SERVICE
from services.runtime.store.database import open_database
from tests.browser import board_data
from tests.browser.conftest import served
from tests.support.databases import service_database
from tests.support.front.fronting import fronting
from tests.support.monitor_process import opened
from tests.support.pages.browser import LANGUAGES, SIZES, axe_faults, is_too_wide, picture, window
from tests.support.staff import STAFF

pytestmark = pytest.mark.asyncio(loop_scope="session")

TITLES = {"zh": "玉林市2026年4月办件情况通报", "en": "Bulletin of cases, 玉林市, April 2026"}

FITS = """
    document.documentElement.scrollHeight <= innerHeight && document.documentElement.scrollWidth <= innerWidth
"""
"""Whether nothing has to be scrolled."""

SMALLEST = """
    Math.min(...[...document.querySelectorAll("main *")].filter((one) => one.offsetHeight > 1 && one.innerText)
        .map((one) => parseFloat(getComputedStyle(one).fontSize)))
"""
"""The smallest letters, in pixels."""

CODE, TYPED = "K7Q29MXF4TBA", "k7q2 9mxf 4tba"


async def downloaded(page: Page, link: str) -> tuple[str, bytes]:
    """The name and the content of a file that a link of the page gives."""
    async with page.expect_download() as download:
        await page.get_by_role("link", name=link, exact=True).click()
    file = await download.value
    path = await file.path()
    return file.suggested_filename, await asyncio.to_thread(path.read_bytes)


async def test_a_supervisor_takes_the_bulletin(browser: Browser, monitor_address: str) -> None:
    for language in LANGUAGES:
        async with window(browser, monitor_address, STAFF, language) as page:
            await page.goto("/board")
            await page.locator(".menu a[href='/bulletin']").click()
            await expect(page).to_have_url(f"{monitor_address}/bulletin/2026-04")
            await expect(page.get_by_role("heading", level=1)).to_have_text(TITLES[language])
            for size, (width, height) in SIZES.items():
                await page.set_viewport_size({"width": width, "height": height})
                await picture(page, f"bulletin.{language}.{size}")
                assert not await is_too_wide(page)
            assert await axe_faults(page) == []
            name, content = await downloaded(page, "PDF")
            assert name == f"bulletin-2026-04.{language}.pdf"
            text = "".join("".join(one.extract_text().split()) for one in PdfReader(io.BytesIO(content)).pages)
            assert "".join(TITLES[language].split()) in text
            for number in await page.locator("table.paper").nth(1).locator("td, tbody th").all_inner_texts():
                assert "".join(number.split()) in text, "the page and the document say the same"
            name, content = await downloaded(page, "Excel")
            assert name == "bulletin-2026-04.xlsx" and content.startswith(b"PK")
    async with window(browser, monitor_address, STAFF, "en", java_script_enabled=False) as page:
        await page.goto("/bulletin/2026-04")
        await page.get_by_label("Month").select_option("2026-03")
        await page.get_by_label("Region").select_option("450921")
        await page.get_by_role("button", name="Show").click()
        await expect(page).to_have_url(f"{monitor_address}/bulletin/2026-03?region=450921")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Bulletin of cases, 容县, March 2026")
        assert (await page.request.get(f"{monitor_address}/bulletin/2026-13")).status == 404
        assert (await page.request.get(f"{monitor_address}/bulletin?period=april")).status == 422


class Databases(NamedTuple):
    """The URLs of the databases of a place with a wall display."""

    monitor: str
    issuer: str
    front: str


@pytest.fixture
def databases(engines: Engines) -> Iterator[Databases]:
    """Empty databases."""
    with (
        service_database(engines, "monitor", SERVICE.migrations) as monitor,
        service_database(engines, "identity", ISSUER_MIGRATIONS) as issuer,
        service_database(engines, "front", FRONT_MIGRATIONS) as front,
    ):
        yield Databases(monitor, issuer, front)


async def test_a_wall_opens_by_a_code_turns_and_shows_nothing_else(
    browser: Browser, databases: Databases, tmp_path: Path
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with opened(databases.monitor, tmp_path, f"http://localhost:{port}") as monitor:
        await board_data.fill(monitor)
        post = PublishedPost(role=Role.WALL_DISPLAY.value, person="wall", region="4509")
        monitor.process.access.holders = Holders(PostsPublished(posts=(post,)))
        async with served(monitor) as address:
            services = {"monitor": Backend(addresses=(address,), pages=("board", "bulletin"))}
            async with fronting(databases.front, databases.issuer, tmp_path, port=port, services=services) as running:
                database = open_database(databases.front, "test", 2)
                async with database.begin() as connection:
                    await walls.add(connection, "一楼大厅", "wall", CODE, "feng", running.clock())
                await database.dispose()
                await _at_the_display(browser, running.url)


async def _at_the_display(browser: Browser, address: str) -> None:
    async with window(browser, address, {}, "zh", "wall") as page:
        await page.clock.install()
        await page.goto("/board/wall")
        await expect(page).to_have_url(f"{address}/session/wall")
        assert await axe_faults(page) == []
        await picture(page, "wall-code.zh")
        await page.get_by_label("开屏码").fill(TYPED)
        await page.get_by_role("button", name="打开").click()
        await expect(page).to_have_url(f"{address}/board/wall")
        await expect(page.get_by_role("heading", level=1)).to_have_text("玉林市 部门履约")
        await expect(page.locator("tbody tr")).to_have_count(5)
        await expect(page.locator("tbody tr").first).to_contain_text("自然资源局")
        for language in LANGUAGES:
            await page.goto(f"/board/wall?language={language}")
            for view in ("departments", "regions", "rates"):
                await expect(page.locator(".turn")).to_have_attribute("data-next", f"/board/wall?view={_AFTER[view]}")
                for size, (width, height) in {"hd": (1920, 1080), "4k": (3840, 2160)}.items():
                    await page.set_viewport_size({"width": width, "height": height})
                    await picture(page, f"wall-{view}.{language}.{size}")
                    assert await page.evaluate(FITS), (view, language, size)
                    assert await page.evaluate(SMALLEST) >= width / 48 - 0.1, "legible from five metres"
                assert await axe_faults(page) == []
                async with page.expect_navigation(url=f"**/board/wall?view={_AFTER[view]}"):
                    await page.clock.fast_forward(21_000)
        for path in ("/board", "/board/cases?figure=late", "/bulletin/2026-04", "/api/monitor/board"):
            answer = await page.request.get(address + path)
            assert answer.status == 403, path
        await page.goto("/board/wall?hold=true")
        await expect(page.get_by_role("link", name="Turn again")).to_be_visible()
        assert await page.locator("[data-next]").count() == 0
        await page.goto("/board/wall")
        await page.route("**/board/wall?view=regions", lambda route: route.fulfill(status=503))
        await expect(page.locator(".lost")).to_be_hidden()
        await page.clock.fast_forward(21_000)
        await expect(page.locator(".lost")).to_contain_text("Connection lost: these numbers are of 7 May")
        await picture(page, "wall-lost.en")


_AFTER = {"departments": "regions", "regions": "rates", "rates": "departments"}
