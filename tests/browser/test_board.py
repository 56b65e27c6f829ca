"""The board in a browser, as a supervisor uses it."""

import re

import pytest
from playwright.async_api import Browser, expect

from services.monitor.web.pages.figures import VIEWS
from tests.browser.board_data import DEPARTMENTS, WORST
from tests.support.pages.browser import axe_faults, looked_at, looks, picture, window
from tests.support.staff import STAFF

pytestmark = pytest.mark.asyncio(loop_scope="session")

APRIL = "period=2026-04"

PAGES = {
    "board": f"/board?{APRIL}",
    **{f"board-{view.name}": f"/board?{APRIL}&view={view.name}" for view in VIEWS[1:]},
    "board-by-county": f"/board?{APRIL}&by=region",
    "board-by-item": "/board?period=2026&by=item",
    "board-empty": "/board?period=2019-04&region=4509",
    "board-wrong": "/board?period=april&region=x&owner=%E7%A8%8E%E5%8A%A1%E5%B1%80",
    "board-cases": f"/board/cases?figure=overdue&{APRIL}",
    "board-cases-late": "/board/cases?figure=late&period=2025",
    "board-cases-cards": f"/board/cases?figure=yellow_cards&{APRIL}",
    "board-cases-none": f"/board/cases?figure=red_cards&{APRIL}&region=450981",
    "board-figures": "/board/figures",
    "not-found": "/board/nothing",
}


@looks
async def test_the_pages_are_accessible_and_fit(
    browser: Browser, monitor_address: str, language: str, scheme: str, size_for_axe: str
) -> None:
    async with window(browser, monitor_address, STAFF, language, color_scheme=scheme) as page:
        for name, path in PAGES.items():
            await page.goto(path)
            await looked_at(page, f"{name}.{language}.{scheme}", size_for_axe)


async def test_a_bad_number_leads_to_its_cases(browser: Browser, monitor_address: str) -> None:
    overdue = DEPARTMENTS[WORST][3]
    async with window(browser, monitor_address, STAFF, "en") as page:
        await page.goto(PAGES["board"])
        await page.locator(".lead").get_by_role("link", name=f"{WORST} {overdue}").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Overdue")
        await expect(page.locator("tbody tr")).to_have_count(overdue)
        await expect(page.locator("tbody .due.over")).to_have_count(overdue)
        await page.get_by_role("link", name="Board of departments").nth(1).click()
        await expect(page).to_have_url(re.compile(r"/board\?owner=.*&kind=case&period=2026-04"))


async def test_every_number_of_a_row_is_that_of_its_list(browser: Browser, monitor_address: str) -> None:
    async with window(browser, monitor_address, STAFF, "en") as page:
        for view in VIEWS:
            await page.goto(f"/board?{APRIL}&view={view.name}&owner={WORST}")
            links = await page.locator(f"tr:has(th:text('{WORST}')) td.num a").all()
            numbers = {await link.get_attribute("href"): await link.inner_text() for link in links}
            for link, number in numbers.items():
                if "." in number:
                    continue
                await page.goto(str(link))
                counted = page.locator("td[data-l=Counted]")
                each = [int(text) for text in await counted.all_inner_texts()]
                assert int(number) == (sum(each) if each else await page.locator("tbody tr").count()), link


async def test_filters_work_without_a_script_and_each_can_be_removed(browser: Browser, monitor_address: str) -> None:
    async with window(browser, monitor_address, STAFF, "en", java_script_enabled=False) as page:
        await page.goto(PAGES["board"])
        await page.get_by_label("Region", exact=True).select_option("450981")
        await page.get_by_label("Department", exact=True).select_option(WORST)
        await page.get_by_role("button", name="Show").first.click()
        await expect(page).to_have_url(re.compile(r"region=450981.*owner=%E8"))
        assert "item=" not in page.url, "a field without a value leaves no trace in the address"
        await expect(page.locator("tbody tr")).to_have_count(2)
        await page.locator(".chosen").get_by_role("link", name=f"Department: {WORST}").click()
        await expect(page).to_have_url(re.compile(r"^(?!.*owner=).*region=450981"))


async def test_any_days_become_a_period(browser: Browser, monitor_address: str) -> None:
    async with window(browser, monitor_address, STAFF, "en", java_script_enabled=False) as page:
        await page.goto(f"{PAGES['board']}&owner={WORST}")
        await page.get_by_text("Any other days").click()
        await page.get_by_label("First day").fill("2026-04-03")
        await page.get_by_label("Last day").fill("2026-05-06")
        await page.get_by_role("button", name="Show").nth(1).click()
        await expect(page).to_have_url(re.compile(r"owner=.*period=2026-04-03\.\.2026-05-06$"))
        await expect(page.locator(".head")).to_contain_text("3 Apr to 6 May 2026")


async def test_the_table_is_in_the_order_of_the_head_that_was_pressed(browser: Browser, monitor_address: str) -> None:
    async with window(browser, monitor_address, STAFF, "en", java_script_enabled=False) as page:
        await page.goto(PAGES["board"])
        await expect(page.locator("th[aria-sort=ascending]")).to_contain_text("Rate %")
        await page.get_by_role("columnheader", name="Received").get_by_role("link").click()
        await expect(page.locator("th[aria-sort=descending]")).to_have_text("Received")
        numbers = [int(text) for text in await page.locator("tbody:not(.total) tr td:nth-of-type(8)").all_inner_texts()]
        assert numbers == sorted(numbers, reverse=True) and len(numbers) == len(DEPARTMENTS)


async def test_what_is_wrong_is_said_and_what_was_typed_is_kept(browser: Browser, monitor_address: str) -> None:
    async with window(browser, monitor_address, STAFF, "en") as page:
        answer = await page.goto(PAGES["board-wrong"])
        assert answer is not None and answer.status == 422
        assert (await page.title()).startswith("Error:")
        await expect(page.locator(".problem")).to_be_focused()
        await page.locator(".problem").get_by_role("link", name="Period is no period").click()
        await expect(page.get_by_label("Period")).to_be_focused()
        await expect(page.get_by_label("Period")).to_have_value("april")
        await page.get_by_label("Period").fill("2026-04")
        await page.get_by_label("Region").fill("4509")
        await page.keyboard.press("Enter")
        await expect(page.locator("tr", has_text="税务局").first).to_be_visible()


async def test_the_keyboard_suffices(browser: Browser, monitor_address: str) -> None:
    async with window(browser, monitor_address, STAFF, "en") as page:
        await page.goto(PAGES["board"])
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.locator("main")).to_be_focused()
        for _ in range(40):
            await page.keyboard.press("Tab")
            if await page.get_by_label("Region", exact=True).evaluate("one => one === document.activeElement"):
                break
        await page.keyboard.press("End")  # the last county
        for _ in range(5):
            await page.keyboard.press("Tab")
            if await page.evaluate("document.activeElement.matches('.filters button')"):
                break
        await page.keyboard.press("Enter")
        await expect(page.locator(".head")).to_contain_text("北流市")
        for _ in range(60):
            await page.keyboard.press("Tab")
            if await page.evaluate("document.activeElement.matches('.scroll')"):
                break
        await expect(page.locator(".scroll")).to_be_focused()


async def test_the_language_is_chosen_on_the_page(browser: Browser, monitor_address: str) -> None:
    async with window(browser, monitor_address, STAFF, "en", java_script_enabled=False) as page:
        await page.goto(PAGES["board"])
        await page.get_by_role("link", name="中文").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("部门看板")
        assert page.url.endswith(PAGES["board"])
        await expect(page.locator("html")).to_have_attribute("lang", "zh-CN")


async def test_a_board_for_a_wall_needs_no_scrolling_sideways(browser: Browser, monitor_address: str) -> None:
    async with window(browser, monitor_address, STAFF, "zh", "wall") as page:
        await page.goto(PAGES["board"])
        await picture(page, "board.zh.wall")
        assert not await page.evaluate("(one => one.scrollWidth > one.clientWidth)(document.querySelector('.scroll'))")


async def test_nobody_sees_a_page_without_a_token(browser: Browser, monitor_address: str) -> None:
    async with window(browser, monitor_address, {}, "zh") as page:
        for path in ("/board", "/board/cases?figure=late", "/board/figures"):
            answer = await page.goto(path)
            assert answer is not None and answer.status == 401
            await expect(page.get_by_role("heading", level=1)).to_have_text("您尚未登录")
        await picture(page, "not-logged-in.zh")
        assert await axe_faults(page) == []
