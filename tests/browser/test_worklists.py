"""The lists of due and overdue commitments in a browser, as a supervisor uses them."""

import re
from html import unescape
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from playwright.async_api import Browser, expect
from sqlalchemy import event

from contracts.messages.alerts import Rung
from services.monitor.jobs.figure_counter import FigureCounter
from tests.browser.conftest import MonitorAtWork
from tests.browser.worklist_data import FAULT, LAND, NOW, QINGXIU, RED, SOON, YELLOW, alert_number
from tests.support.monitor_process import alert_raised
from tests.support.pages.browser import looked_at, looks, window
from tests.support.staff import STAFF

pytestmark = pytest.mark.asyncio(loop_scope="session")


@looks
async def test_the_lists_are_accessible_and_fit(
    browser: Browser, unchanged: MonitorAtWork, language: str, scheme: str, size_for_axe: str
) -> None:
    async with window(browser, unchanged.address, STAFF, language, color_scheme=scheme) as page:
        for path in ("/overdue", "/due", "/due?days=x"):
            await page.goto(path)
            await looked_at(page, f"{path[1:]}.{language}.{scheme}", size_for_axe)


async def test_the_sentence_the_tabs_and_the_rows_say_the_same(browser: Browser, at_work: MonitorAtWork) -> None:
    async with window(browser, at_work.address, STAFF, "zh", java_script_enabled=False) as page:
        await page.goto("/overdue")
        lead = page.locator(".lead")
        await expect(lead).to_contain_text("超期 5 件，红牌 2 件，黄牌 2 件，平台故障 1 件，其中 4 件无人签收。")
        await expect(lead).to_contain_text("今天到期 0 件，3 个工作日内 2 件。")
        tabs = page.locator(".views").get_by_role("link")
        assert await tabs.all_inner_texts() == ["今日到期 0", "3 个工作日内 2", "超期 5", "平台故障 1"]
        rows = page.locator("tr[data-row]")
        await expect(rows).to_have_count(5)
        await expect(rows.nth(0)).to_contain_text("法定 3月31日 止")
        await expect(rows.nth(0)).to_contain_text("红牌")
        await expect(rows.nth(4)).to_contain_text("平台故障，不计部门")
        await tabs.nth(3).click()
        await expect(rows).to_have_count(1)
        await expect(rows.nth(0)).to_contain_text(FAULT)
        await tabs.nth(1).click()
        await expect(rows.nth(0)).to_contain_text("还有 1 个工作日 4月15日 周三 17:30 止")
        await expect(rows.nth(0)).to_contain_text(SOON)


async def test_filters_work_without_a_script_and_each_can_be_removed(browser: Browser, at_work: MonitorAtWork) -> None:
    async with window(browser, at_work.address, STAFF, "en", java_script_enabled=False) as page:
        await page.goto(f"/overdue?owner={LAND}&region=4501")
        rows = page.locator("tr[data-row]")
        await expect(rows).to_have_count(3)
        await page.get_by_label("Rung").select_option("yellow")
        await page.get_by_role("button", name="Show").click()
        await expect(page).to_have_url(re.compile("rung=yellow"))
        assert "item=" not in page.url, "a field without a value leaves no trace in the address"
        await expect(rows).to_have_count(1)
        await expect(rows).to_contain_text(YELLOW)
        await page.locator(".chosen").get_by_role("link", name="Rung: Yellow card 1").click()
        await expect(rows).to_have_count(3)
        async with page.expect_download() as download:
            await page.get_by_role("link", name="CSV").click()
        content = (await (await download.value).path()).read_text(encoding="utf-8")
        assert [line.partition(",")[0] for line in content.splitlines()[1:]] == [RED, YELLOW, FAULT]


async def test_a_long_list_has_pages_that_keep_their_place(browser: Browser, at_work: MonitorAtWork) -> None:
    many = [(n, alert_raised(NOW, Rung.YELLOW, LAND, QINGXIU)) for n in range(100, 150)]
    await at_work.monitor.publish(*many)
    async with window(browser, at_work.address, STAFF, "en", java_script_enabled=False) as page:
        await page.goto("/overdue?region=4501")
        pages = page.locator(".pages")
        await expect(pages).to_contain_text("1 to 50 of 55")
        await pages.get_by_role("link", name="Next page").click()
        await expect(pages).to_contain_text("51 to 55 of 55")
        await expect(page).to_have_url(re.compile("region=4501.*start=51"))
        await page.reload()
        await expect(page.locator("tr[data-row]")).to_have_count(5)
        await pages.get_by_role("link", name="Back to the start").click()
        await expect(pages).to_contain_text("1 to 50 of 55")


async def test_news_is_counted_above_the_list_and_moves_nothing(browser: Browser, at_work: MonitorAtWork) -> None:
    async with window(browser, at_work.address, STAFF, "en") as page:
        async with page.expect_response(re.compile("/api/monitor/stream")):
            await page.goto("/overdue")
        news, rows = page.locator(".fresh"), page.locator("tr[data-row]")
        await expect(news).to_be_hidden()
        await at_work.monitor.publish((100, alert_raised(NOW, Rung.RED, LAND, QINGXIU)))
        await expect(news).to_contain_text("1 newly raised")
        await expect(rows).to_have_count(5)
        await news.get_by_role("link", name="Renew the list").click()
        await expect(rows).to_have_count(6)


@pytest.mark.parametrize(
    ("path", "statements"),
    [("/overdue", 8), ("/due", 10), ("/alerts", 5), ("/alerts/{number}", 5), (f"/time/{RED}", 4)],
)
async def test_a_page_takes_as_many_statements_however_long_it_is(
    at_work: MonitorAtWork, path: str, statements: int
) -> None:
    number = await alert_number(at_work.monitor, RED, Rung.RED)
    database = at_work.monitor.process.database.sync_engine
    counts = []
    async with httpx2.AsyncClient(base_url=at_work.address, headers=STAFF) as client:
        for more in (0, 20):
            await at_work.monitor.publish(
                *((n, alert_raised(NOW, Rung.YELLOW, LAND, QINGXIU)) for n in range(100, 100 + more))
            )
            executed: list[str] = []

            def note(*call: Any, executed: list[str] = executed) -> None:
                executed.append(call[2])

            event.listen(database, "before_cursor_execute", note)
            answer = await client.get(path.format(number=number))
            event.remove(database, "before_cursor_execute", note)
            assert answer.status_code == httpx2.codes.OK
            counts.append(len(executed))
    assert counts == [statements] * 2


async def test_a_list_works_by_keys_alone(browser: Browser, at_work: MonitorAtWork) -> None:
    async with window(browser, at_work.address, STAFF, "en") as page:
        await page.goto("/overdue")
        for key in ("j", "x", "j", "x", "k"):
            await page.keyboard.press(key)
        boxes = page.locator("tr[data-row] input[type=checkbox]")
        assert [await box.is_checked() for box in await boxes.all()][:3] == [True, True, False]
        await page.keyboard.press("?")
        await expect(page.get_by_role("dialog")).to_be_visible()
        await page.get_by_label("Turn single keys off in this browser").check()
        await page.keyboard.press("Escape")
        await page.keyboard.press("x")
        assert await boxes.nth(0).is_checked(), "a single key does nothing where it is turned off"
        await page.keyboard.press("Enter")
        await expect(page).to_have_url(re.compile(f"/time/{RED}"))
        await page.evaluate("localStorage.clear()")
        await page.reload()
        way = page.get_by_role("navigation", name="Records of the list")
        await expect(way).to_contain_text("1 of 5")
        await page.keyboard.press("]")
        await expect(way).to_contain_text("2 of 5")
        await page.keyboard.press("[")
        await expect(way).to_contain_text("1 of 5")
        await page.get_by_role("link", name="Back to the list").click()
        await expect(page).to_have_url(re.compile("/overdue$"))


LINK = '<a href="([^"]+)" rel="{}">'


@pytest.mark.parametrize(
    ("path", "record", "counted"),
    [
        ("/overdue?region=4501", "time", True),
        ("/overdue?region=4501", "alerts", True),
        ("/due?days=3", "time", True),
        ("/alerts?state=standing", "alerts", True),
        ("/alerts?state=all&rung=yellow", "time", False),
        ("/board/cases?figure=received&kind=step&period=2026", "time", True),
    ],
)
async def test_records_lead_through_the_list_that_they_were_opened_from(
    at_work: MonitorAtWork, path: str, record: str, counted: bool
) -> None:
    while await FigureCounter(at_work.monitor.process.database, 0, lambda _: 0.0).run_once():
        pass
    async with httpx2.AsyncClient(base_url=at_work.address, headers=STAFF) as client:
        content = (await client.get(path)).text
        opened = [unescape(link) for link in re.findall(rf'href="(/{record}/[^"?]+\?list=[^"]+)"', content)]
        assert len(opened) > 1
        address, walked = opened[0], []
        for place in range(1, len(opened) + 1):
            walked.append(address)
            content = (await client.get(address)).text
            assert (f"第 {place} 件，共 {len(opened)} 件" in content) is counted
            before, after = (re.search(LINK.format(rel), content) for rel in ("prev", "next"))
            assert (unescape(before[1]) if before else None) == (walked[-2] if place > 1 else None)
            assert (after is None) is (place == len(opened))
            address = unescape(after[1]) if after else ""
        assert walked == opened, "the records follow each other as the rows of the list do"
        for wrong in ("https://evil.example/", "/overdue?rung=none", "/board"):
            assert (
                "rel="
                not in (await client.get(f"{walked[0].partition('?')[0]}?list={quote(wrong)}")).text.split("<main")[1]
            )
