"""The board in a browser, as a supervisor uses it."""

import re

import pytest
from playwright.async_api import Browser, expect

from tests.browser.board_data import WORST
from tests.support.pages.browser import LANGUAGES, SIZES, axe_faults, is_too_wide, picture, window
from tests.support.staff import STAFF

pytestmark = pytest.mark.asyncio(loop_scope="session")

PERIOD = "period=2026-04"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_board_is_accessible_and_fits(
    browser: Browser, monitor_address: str, language: str, size: str, scheme: str
) -> None:
    async with window(browser, monitor_address, STAFF, language, size, color_scheme=scheme) as page:
        await page.goto(f"/board?{PERIOD}")
        await expect(page.get_by_role("heading", level=1)).to_be_visible()
        await picture(page, f"board.{language}.{size}.{scheme}")
        assert await axe_faults(page) == []
        assert not await is_too_wide(page)


async def test_filters_work_without_a_script_and_each_can_be_removed(browser: Browser, monitor_address: str) -> None:
    async with window(browser, monitor_address, STAFF, "en", java_script_enabled=False) as page:
        await page.goto(f"/board?{PERIOD}")
        await page.get_by_label("Region", exact=True).select_option("450981")
        await page.get_by_label("Department", exact=True).select_option(WORST)
        await page.get_by_role("button", name="Show").first.click()
        await expect(page).to_have_url(re.compile(r"region=450981.*owner=%E8"))
        assert "item=" not in page.url, "a field without a value leaves no trace in the address"
        await expect(page.get_by_role("row")).to_have_count(4)
        await page.locator(".chosen").get_by_role("link", name="Department: 自然资源局").click()
        await expect(page).to_have_url(re.compile(r"^(?!.*owner=).*region=450981"))


async def test_the_language_is_chosen_on_the_page(browser: Browser, monitor_address: str) -> None:
    async with window(browser, monitor_address, STAFF, "en", java_script_enabled=False) as page:
        await page.goto(f"/board?{PERIOD}")
        await page.get_by_role("link", name="中文").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("部门看板")
        assert page.url.endswith(f"/board?{PERIOD}")
        await expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
