"""Several alerts are acknowledged at once in a browser, while colleagues work on the same ones."""

import pytest
from playwright.async_api import Browser, Page, expect

from contracts.messages.alerts import AlertAcknowledged, Rung
from contracts.messages.documents import PostsPublished, PublishedPost
from contracts.rights.holders import Holders
from contracts.rights.table import Role
from tests.browser.conftest import MonitorAtWork
from tests.browser.worklist_data import NOW, RED, SUPERVISOR, YELLOW, alert_number
from tests.support.pages.browser import axe_faults, looked_at, looks, window
from tests.support.staff import ISSUER, STAFF

pytestmark = pytest.mark.asyncio(loop_scope="session")

WHY = "已电话督促，明天上午回复。"


async def tick(page: Page, *places: int) -> None:
    boxes = page.locator("tr[data-row] input[type=checkbox]")
    for place in places:
        await boxes.nth(place).check()
    await page.get_by_role("button", name="签收所选…").click()


@pytest.mark.parametrize("script", [True, False])
async def test_exactly_the_ticked_ones_are_listed_again_and_each_has_a_result(
    browser: Browser, at_work: MonitorAtWork, script: bool
) -> None:
    async with window(browser, at_work.address, STAFF, "zh", java_script_enabled=script) as page:
        await page.goto("/overdue?region=4501")
        await tick(page, 0, 2, 3)
        await expect(page.get_by_role("heading", level=1)).to_have_text("签收 3 件警示")
        rows = page.locator("tr[data-row]")
        await expect(rows).to_have_count(3)
        await page.get_by_role("button", name="签收这 3 件").click()
        await expect(page.locator(".problem")).to_contain_text("理由")
        await rows.nth(1).get_by_role("checkbox").uncheck()
        await page.get_by_label("共同的理由").fill(WHY)
        # A colleague is faster with one of them.
        faster = AlertAcknowledged(
            commitment="case", rung=Rung.YELLOW, by=SUPERVISOR, reason="我来处理。", acknowledged_at=NOW
        )
        await at_work.monitor.process_messages(YELLOW, faster)
        await page.get_by_role("button", name="签收这 3 件").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("已由您签收 1 件，共 2 件")
        await expect(page.locator(".done")).to_contain_text(f"{RED} 不动产权属审核")
        await expect(page.locator(".done")).to_contain_text(WHY)
        await expect(page.locator(".notice")).to_contain_text("周宁（监督人员） 4月14日 10:24 签收")
        await expect(page.locator(".notice")).to_contain_text("我来处理。")
        await page.reload()  # reads the record, and does nothing again
        await page.get_by_role("link", name="返回清单").last.click()
        await expect(page).to_have_url(f"{at_work.address}/overdue?region=4501")
        await expect(rows.nth(0)).to_contain_text("Everybody（窗口人员），4月14日 10:24")


async def test_what_was_typed_is_kept_and_nothing_ticked_is_said(browser: Browser, at_work: MonitorAtWork) -> None:
    async with window(browser, at_work.address, STAFF, "en") as page:
        await page.goto("/overdue")
        await page.get_by_role("button", name="Acknowledge the ticked ones").click()
        await expect(page.locator(".problem")).to_contain_text("Tick at least one alert")
        await page.get_by_role("link", name="Back to the list").first.click()
        await page.locator("tr[data-row] input[type=checkbox]").first.check()
        await page.get_by_role("button", name="Acknowledge the ticked ones").click()
        await page.get_by_label("One reason for all of them").fill("typed")
        await page.get_by_role("checkbox").uncheck()
        await page.get_by_role("button", name="Acknowledge this one").click()
        await expect(page.locator(".problem")).to_contain_text("Tick at least one alert")
        await expect(page.get_by_label("One reason for all of them")).to_have_value("typed")
        assert await axe_faults(page) == []


async def test_another_county_and_another_role_acknowledge_nothing(browser: Browser, at_work: MonitorAtWork) -> None:
    posts = (
        PublishedPost(role=Role.SUPERVISOR.value, person="elsewhere", region="440305"),
        PublishedPost(role=Role.AUDITOR.value, person="auditor"),
    )
    at_work.monitor.process.access.holders = Holders(PostsPublished(posts=posts))
    number = await alert_number(at_work.monitor, RED, Rung.RED)
    async with window(browser, at_work.address, ISSUER.header("elsewhere"), "en") as page:
        await page.goto("/overdue")
        await expect(page.locator(".lead")).to_contain_text("Nothing is overdue")
        foreign = await page.goto(f"/alerts/acknowledge?alert={number}")
        assert foreign is not None and foreign.status == 404
        unknown = await page.goto("/alerts/acknowledge?alert=999")
        assert unknown is not None and unknown.status == 404
    async with window(browser, at_work.address, ISSUER.header("auditor"), "en") as page:
        await page.goto("/overdue")
        await expect(page.locator("tr[data-row]")).to_have_count(5)
        await expect(page.get_by_role("checkbox")).to_have_count(0)
        refused = await page.goto(f"/alerts/acknowledge?alert={number}")
        assert refused is not None and refused.status == 403


@looks
async def test_the_pages_are_accessible_and_fit(
    browser: Browser, unchanged: MonitorAtWork, language: str, scheme: str, size_for_axe: str
) -> None:
    numbers = [await alert_number(unchanged.monitor, one, Rung.YELLOW) for one in (RED, YELLOW)]
    query = "&".join(f"alert={one}" for one in numbers)
    done = query.replace("alert", "done")
    async with window(browser, unchanged.address, STAFF, language, color_scheme=scheme) as page:
        for name, path in (
            ("alerts", "/alerts"),
            ("alerts-undecided", "/alerts?state=undecided"),
            ("acknowledge", f"/alerts/acknowledge?{query}"),
            ("acknowledged", f"/alerts/acknowledge?{done}"),
        ):
            await page.goto(path)
            await looked_at(page, f"{name}.{language}.{scheme}", size_for_axe)
