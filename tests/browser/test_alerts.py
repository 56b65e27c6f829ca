"""The page of an alert in a browser: evidence, history, and an appeal that is made and decided."""

import re

import pytest
from playwright.async_api import Browser, expect

from contracts.messages.alerts import AppealDecided, Rung
from contracts.messages.documents import PostsPublished, PublishedPost
from contracts.rights.holders import Holders
from contracts.rights.table import Role
from tests.browser.conftest import MonitorAtWork
from tests.browser.worklist_data import APPELLANT, LAND, NOW, REASON, RED, SUPERVISOR, YELLOW, alert_number
from tests.support.pages.browser import looked_at, looks, window
from tests.support.staff import ISSUER, STAFF

pytestmark = pytest.mark.asyncio(loop_scope="session")

WHY = "回执显示 3月30日 已送达。"

PEOPLE = Holders(
    PostsPublished(
        posts=(
            PublishedPost(role=Role.SUPERVISOR.value, person=SUPERVISOR, region="45"),
            PublishedPost(role=Role.DEPARTMENT_HEAD.value, person=APPELLANT, department=LAND),
            PublishedPost(role=Role.AUDITOR.value, person="auditor"),
        )
    )
)


@looks
async def test_the_page_is_accessible_and_fits(
    browser: Browser, unchanged: MonitorAtWork, language: str, scheme: str, size_for_axe: str
) -> None:
    appealed = await alert_number(unchanged.monitor, YELLOW, Rung.YELLOW, "step/review")
    red = await alert_number(unchanged.monitor, RED, Rung.RED, "step/review")
    async with window(browser, unchanged.address, STAFF, language, color_scheme=scheme) as page:
        for name, path in (("alert-appealed", f"/alerts/{appealed}"), ("alert-red", f"/alerts/{red}")):
            await page.goto(path)
            await looked_at(page, f"{name}.{language}.{scheme}", size_for_axe)


@pytest.mark.parametrize("script", [True, False])
async def test_an_appeal_is_decided_after_a_fresh_login_and_is_then_on_record(
    browser: Browser, at_work: MonitorAtWork, script: bool
) -> None:
    at_work.monitor.process.access.holders = PEOPLE
    number = await alert_number(at_work.monitor, YELLOW, Rung.YELLOW, "step/review")
    old = ISSUER.header(SUPERVISOR, auth_time=0)
    async with window(browser, at_work.address, old, "zh", java_script_enabled=script) as page:
        await page.goto(f"/alerts/{number}")
        await expect(page.locator(".answer")).to_contain_text(
            "李强（自然资源局部门负责人） 已提出申诉，尚未裁决。3月31日 17:30 到期，超期 9 个工作日。"
        )
        await expect(page.locator("blockquote")).to_have_text(REASON)
        await expect(page.get_by_role("button", name="裁决", exact=True)).to_have_count(0)
        confirm = page.get_by_role("link", name="验证身份并裁决")
        await expect(confirm).to_have_attribute("href", f"/session/confirm?next=%2Falerts%2F{number}")
    async with window(browser, at_work.address, ISSUER.header(SUPERVISOR), "zh", java_script_enabled=script) as page:
        await page.goto(f"/alerts/{number}")
        await expect(page.locator("#decide")).to_contain_text("承诺时限仍为 3月31日 17:30 止。 此后：红牌")
        await page.get_by_role("button", name="裁决", exact=True).click()
        await expect(page.locator(".problem")).to_contain_text("裁决")
        await page.get_by_label("驳回，维持此牌").check()
        await page.get_by_label("理由").fill(WHY)
        # The login grows old while the reason is typed: what was typed is kept.
        await page.set_extra_http_headers(old)
        await page.get_by_role("button", name="裁决", exact=True).click()
        await expect(page.locator(".problem")).to_contain_text("请再次确认身份")
        await expect(page.get_by_role("link", name="1. 在新标签页确认身份")).to_have_attribute(
            "href", "/session/confirm?next=%2Fsession%2Fdone"
        )
        await expect(page.get_by_label("理由")).to_have_value(WHY)
        await expect(page.get_by_label("驳回，维持此牌")).to_be_checked()
        await page.set_extra_http_headers(ISSUER.header(SUPERVISOR))
        await page.get_by_role("button", name="裁决", exact=True).click()
        await expect(page).to_have_url(re.compile("done=decided"))
        await expect(page.locator(".done")).to_contain_text(f"周宁（监督人员），4月14日 10:24：驳回。{WHY}")
        await expect(page.locator(".answer")).to_contain_text("申诉已驳回，此牌维持。")
        await expect(page.locator(".story")).to_contain_text("周宁（监督人员） 驳回对黄牌的申诉")
        await expect(page.locator("#decide")).to_have_count(0)


async def test_what_a_colleague_decided_meanwhile_is_told_and_not_overwritten(
    browser: Browser, at_work: MonitorAtWork
) -> None:
    number = await alert_number(at_work.monitor, YELLOW, Rung.YELLOW, "step/review")
    async with window(browser, at_work.address, STAFF, "en", java_script_enabled=False) as page:
        await page.goto(f"/alerts/{number}")
        decided = AppealDecided(
            commitment="step/review", rung=Rung.YELLOW, by=SUPERVISOR, upheld=True, reason="granted", decided_at=NOW
        )
        await at_work.monitor.process_messages(YELLOW, decided)
        await page.get_by_label("Reject: the card stands").check()
        await page.get_by_label("Reason").fill(WHY)
        await page.get_by_role("button", name="Record the decision").click()
        await expect(page.locator(".problem")).to_contain_text("the appeal has been decided")
        await expect(page.locator(".answer")).to_contain_text("It was withdrawn: an appeal was granted.")
        await expect(page.locator("#decide")).to_have_count(0)


async def test_a_department_appeals_and_does_not_decide_its_own_appeal(
    browser: Browser, at_work: MonitorAtWork
) -> None:
    at_work.monitor.process.access.holders = PEOPLE
    number = await alert_number(at_work.monitor, RED, Rung.RED, "step/review")
    async with window(browser, at_work.address, ISSUER.header(APPELLANT), "en", java_script_enabled=False) as page:
        await page.set_extra_http_headers(ISSUER.header("nobody"))
        await page.goto("/home")
        await expect(page.locator("main")).to_contain_text("Ask for a post: 冯远 (centre manager), Everybody")
        await page.set_extra_http_headers(ISSUER.header(APPELLANT))
        await page.goto("/home")
        await expect(page).to_have_url(re.compile("/board$"))
        await page.goto(f"/alerts/{number}")
        await page.get_by_role("button", name="Appeal").click()
        await expect(page.locator(".problem")).to_contain_text("Reason")
        await page.get_by_label("Reason").fill(WHY)
        await page.get_by_role("button", name="Appeal").click()
        await expect(page.locator(".done")).to_contain_text(WHY)
        await expect(page.get_by_role("button", name="Record the decision")).to_have_count(0)
        foreign = await alert_number(at_work.monitor, RED, Rung.RED)
        for path in (f"/alerts/{foreign}", "/alerts/999999"):
            answer = await page.goto(path)
            assert answer is not None and answer.status == 404
            assert "cannot be found" in await page.inner_text("h1")
    async with window(browser, at_work.address, ISSUER.header("auditor"), "en") as page:
        await page.goto(f"/alerts/{number}")
        await expect(page.locator("blockquote")).to_have_text(WHY)
        await expect(page.locator("main form")).to_have_count(0)
