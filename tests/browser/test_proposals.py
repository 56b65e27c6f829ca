"""A change is proposed by one person and approved by another one in a browser."""

import pytest
from playwright.async_api import Browser, Page, expect

from contracts.messages.documents import PostsPublished, PublishedPost
from contracts.rights.actor import Actor
from contracts.rights.holders import Holders
from contracts.rights.table import Role
from contracts.working_time.notices import Notice, NoticeDay
from services.monitor.core.rules import rule_set
from services.monitor.store import rule_store
from services.monitor.store.notifications import directory_store
from services.runtime.store import documents, proposals
from services.runtime.store.database import transaction
from tests.browser.conftest import MonitorAtWork
from tests.support.messages import at
from tests.support.pages.browser import axe_faults, is_too_wide, picture, window
from tests.support.staff import ISSUER

pytestmark = pytest.mark.asyncio(loop_scope="session")

FIRST, SECOND, AUDITOR = "feng", "chu", "auditor"

PEOPLE = Holders(
    PostsPublished(
        posts=(
            PublishedPost(role=Role.CENTRE_MANAGER.value, person=FIRST),
            PublishedPost(role=Role.OPERATOR.value, person=SECOND),
            PublishedPost(role=Role.AUDITOR.value, person=AUDITOR),
        ),
        four_eyes=True,
    )
)

TYPHOON = Notice(
    year=2026, region="CN-45", days=(NoticeDay(name="台风", date=at("2026-04-16 00:00").date(), is_off_day=True),)
)

TEXTS = {
    "zh": {
        "approve": "启用",
        "own": "须由另一人批准",
        "waits": "有 2 项变更待另一人批准。",
        "off": "改为休息日",
        "in force": "第 2 版已启用",
        "begun": "开始执行：全部在办时限将重新计算。",
        "withdrawn": "没有任何变更",
        "withdraw": "撤回变更",
    },
    "en": {
        "approve": "Put it in force",
        "own": "another person approves it",
        "waits": "2 changes wait for a second person.",
        "off": "becomes a day off",
        "in force": "Version 2 is in force",
        "begun": "Its roll-out begins: every open deadline is computed again.",
        "withdrawn": "nothing changes",
        "withdraw": "Withdraw it",
    },
}


async def look(page: Page, name: str) -> None:
    await picture(page, name)
    assert await axe_faults(page) == []
    assert not await is_too_wide(page)


async def propose(at_work: MonitorAtWork) -> None:
    """Other rules and another directory, both by the first person."""
    async with transaction(at_work.monitor.process.database) as connection:
        before = await rule_store.in_force(connection)
        rules = before.rule_set.rules.replace(version="2026-typhoon")
        after = rule_set(rules, [TYPHOON])
        summary = rule_store.summary(before.rule_set, after)
        await proposals.propose(connection, rule_store.RULES, after, summary, Actor(FIRST), before.number)
        known = await documents.in_force(connection, directory_store.DIRECTORY.kind)
        assert known is not None
        directory = directory_store.DIRECTORY.parse(known.number, known.body)
        changed = directory.replace(version="2026-autumn")
        await proposals.propose(
            connection, directory_store.DIRECTORY, changed, "2026-autumn", Actor(FIRST), known.number
        )


@pytest.mark.parametrize(("language", "size"), [("zh", "wide"), ("en", "telephone")])
async def test_a_second_person_approves_and_the_first_one_cannot(
    browser: Browser, at_work: MonitorAtWork, language: str, size: str
) -> None:
    at_work.monitor.process.access.holders = PEOPLE
    texts = TEXTS[language]
    await propose(at_work)
    async with window(browser, at_work.address, ISSUER.header(FIRST), language, size) as page:
        await page.goto("/proposals/rules/1")
        await expect(page.locator("aside")).to_contain_text(texts["own"])
        await expect(page.get_by_role("button", name=texts["approve"], exact=True)).to_have_count(0)
        # Also not by a form that is sent anyway.
        answer = await page.request.post("/proposals/rules/1/approval", form={})
        assert answer.status == 409
        # An old login confirms first.
        await page.set_extra_http_headers(ISSUER.header(SECOND, auth_time=0))
        await page.goto("/proposals/rules/1")
        confirm = page.locator("aside a.button")
        await expect(confirm).to_have_attribute("href", "/session/confirm?next=%2Fproposals%2Frules%2F1")
        await page.set_extra_http_headers(ISSUER.header(SECOND))
        await page.goto("/proposals")
        await expect(page.locator(".lead")).to_contain_text(texts["waits"])
        await look(page, f"proposals.{language}.{size}")
        await page.locator("h3 a").first.click()
        await expect(page.locator("tbody").first).to_contain_text(texts["off"])
        await expect(page.locator(".diff .added")).to_contain_text("2026-typhoon")
        await look(page, f"proposal.{language}.{size}")
        await page.get_by_role("button", name=texts["approve"], exact=True).click()
        await expect(page.locator(".done")).to_contain_text(texts["in force"])
        await expect(page.locator(".done")).to_contain_text(texts["begun"])
        await page.locator("h3 a").first.click()
        await page.get_by_role("button", name=texts["withdraw"]).click()
        await expect(page.locator(".done")).to_contain_text(texts["withdrawn"])
        await page.goto("/rules")
        await expect(page.locator("pre")).to_contain_text("2026-typhoon")
        await look(page, f"rules.{language}.{size}")
    # An auditor reads and changes nothing.
    async with window(browser, at_work.address, ISSUER.header(AUDITOR), language, size) as page:
        await page.goto("/directory")
        await expect(page.locator("main form")).to_have_count(0)
        assert (await page.request.post("/proposals/directory/2/withdrawal", form={})).status == 403
