"""The page of the time of a case in a browser: where it is stuck, and what a supervisor does about it."""

import re

import pytest
from playwright.async_api import Browser, expect

from contracts.messages.documents import PostsPublished, PublishedPost
from contracts.messages.tasks import DoubtfulTime, TimeField
from contracts.rights.holders import Holders
from contracts.rights.table import Role
from tests.browser.conftest import MonitorAtWork
from tests.browser.worklist_data import FAULT, LATER, NOW, RED, SOON, SUPERVISOR, YELLOW, matter
from tests.support.messages import at
from tests.support.pages.browser import looked_at, looks, window
from tests.support.staff import ISSUER, STAFF

pytestmark = pytest.mark.asyncio(loop_scope="session")


@looks
async def test_the_page_is_accessible_and_fits(
    browser: Browser, unchanged: MonitorAtWork, language: str, scheme: str, size_for_axe: str
) -> None:
    async with window(browser, unchanged.address, STAFF, language, color_scheme=scheme) as page:
        for name, case_id in (("red", RED), ("yellow", YELLOW), ("fault", FAULT), ("soon", SOON)):
            await page.goto(f"/time/{case_id}")
            await looked_at(page, f"time-{name}.{language}.{scheme}", size_for_axe)


async def test_the_page_says_where_the_case_is_stuck_and_why_the_limit_ended_then(
    browser: Browser, at_work: MonitorAtWork
) -> None:
    async with window(browser, at_work.address, STAFF, "zh", java_script_enabled=False) as page:
        await page.goto(f"/time/{YELLOW.lower().replace('-', '')}")
        answer = page.locator(".answer")
        await expect(answer).to_contain_text("卡在自然资源局的不动产权属审核，超期 9 个工作日，3月31日 17:30 到期。")
        await expect(answer).to_contain_text("另有 1 个环节在等待。")
        derivation = page.locator("#step-review")
        await expect(derivation).to_contain_text("2026-03-30 周一 10:00 起算,期限 1个工作日")
        await expect(derivation.locator("td.end").first).to_have_text("31到期")
        assert await page.locator("[style]").count() == 0
        await expect(page.locator("svg.gantt .bar-over").first).to_be_attached()
        await page.goto(f"/time/{FAULT}")
        await expect(answer).to_contain_text("平台故障，不计部门")


@pytest.mark.parametrize("script", [True, False])
async def test_a_supervisor_holds_the_time_of_a_case_and_lets_it_run_again(
    browser: Browser, at_work: MonitorAtWork, script: bool
) -> None:
    async with window(browser, at_work.address, STAFF, "zh", java_script_enabled=script) as page:
        await page.goto(f"/time/{SOON}")
        await expect(page.locator("#hold-section")).to_contain_text("若现在暂停，期间不到期，承诺时限剩 3 个工作日。")
        await page.get_by_role("button", name="暂停计时").click()
        await expect(page.locator(".problem")).to_contain_text("理由")
        await page.get_by_label("理由").fill("等待上级批复")
        await page.get_by_label("开始时间").fill("2026-05-01T10:00")
        await page.get_by_role("button", name="暂停计时").click()
        await expect(page.locator(".problem")).to_contain_text("晚于当前时间")
        await expect(page.get_by_label("理由")).to_have_value("等待上级批复")
        await page.get_by_label("开始时间").fill("")
        await page.get_by_role("button", name="暂停计时").click()
        await expect(page.locator(".done")).to_contain_text("等待上级批复")
        await expect(page.locator(".answer")).to_contain_text("暂停计时，剩 3 个工作日，4月14日 起")
        await page.goto("/due?region=4501")
        await expect(page.locator("tr[data-row]")).to_have_count(0)
        await page.goto(f"/time/{SOON}")
        await expect(page.locator("#hold-section")).to_contain_text("若现在恢复，承诺时限为")
        await expect(page.locator("#hold-section")).to_contain_text("等待上级批复 Everybody（窗口人员）")
        await page.get_by_label("理由").fill("已批复")
        await page.get_by_role("button", name="恢复计时").click()
        await expect(page.locator(".done")).to_contain_text("至 4月14日 10:24")


async def test_foreign_and_unknown_cases_look_the_same_and_others_have_no_forms(
    browser: Browser, at_work: MonitorAtWork
) -> None:
    posts = (
        PublishedPost(role=Role.SUPERVISOR.value, person=SUPERVISOR, region="440305"),
        PublishedPost(role=Role.AUDITOR.value, person="auditor"),
    )
    at_work.monitor.process.access.holders = Holders(PostsPublished(posts=posts))
    texts = []
    async with window(browser, at_work.address, ISSUER.header(SUPERVISOR), "en") as page:
        for case_id in (RED, "0000-0000-0099-1"):
            answer = await page.goto(f"/time/{case_id}")
            assert answer is not None and answer.status == 404
            texts.append(re.sub("[0-9-]{16}", "", await page.inner_text("main")))
    assert texts[0] == texts[1]
    async with window(browser, at_work.address, ISSUER.header("auditor"), "en") as page:
        await page.goto(f"/time/{SOON}")
        await expect(page.locator("main form")).to_have_count(0)
        refused = await page.request.post(f"/time/{SOON}/holds", form={"reason": "x"})
        assert refused.status == 403


async def test_a_supervisor_settles_a_time_that_cannot_be_true(browser: Browser, at_work: MonitorAtWork) -> None:
    doubt = DoubtfulTime(field=TimeField.DECIDED_AT, claimed=at("1970-01-01 08:00"))
    late = matter().done("review", NOW, delivered_at=LATER, doubtful=(doubt,))
    await at_work.monitor.process_messages(YELLOW, late)
    async with window(browser, at_work.address, STAFF, "zh", java_script_enabled=False) as page:
        await page.goto(f"/time/{YELLOW}")
        await expect(page.locator("section", has_text="存疑时间").last).to_contain_text("部门报为 1970年1月1日 08:00")
        settle = page.locator("form", has=page.get_by_role("button", name="认定时间"))
        await settle.get_by_label("以此时间为准").fill("2026-03-29T09:00")
        await settle.get_by_label("理由").fill("以窗口登记为准")
        await page.get_by_role("button", name="认定时间").click()
        await expect(page.locator(".problem")).to_contain_text("早于该环节的交办时间")
        await expect(settle.get_by_label("理由")).to_have_value("以窗口登记为准")
        await settle.get_by_label("以此时间为准").fill("2026-03-31T16:00")
        await page.get_by_role("button", name="认定时间").click()
        await expect(page.locator(".done")).to_contain_text("不动产权属审核：3月31日 16:00。以窗口登记为准")
        await expect(page.locator("main")).to_contain_text(
            "Everybody（窗口人员） 4月14日 10:24 认定：以 3月31日 16:00 为准。"
        )
        await expect(page.get_by_role("button", name="认定时间")).to_have_count(0)
