"""An auditor in a browser: finds who has read a case, verifies the record and the journal, and may do nothing."""

import re

import pytest
from playwright.async_api import Browser, Page, expect

from contracts.messages.documents import PostsPublished, PublishedPost
from contracts.rights.holders import Holders
from contracts.rights.table import Role
from services.runtime.clock import machine_now
from services.runtime.journal.blocks import day_of
from services.runtime.journal.verify import verify
from services.runtime.security.access_record import AccessEntry
from services.runtime.store import access_record
from tests.browser.conftest import MonitorAtWork
from tests.browser.worklist_data import APPELLANT, QINGXIU, RED, SUPERVISOR
from tests.support.journal import PUBLIC_KEY, write_journal, write_record
from tests.support.pages.browser import axe_faults, is_too_wide, picture, window
from tests.support.staff import ISSUER

pytestmark = pytest.mark.asyncio(loop_scope="session")

AUDITOR = "auditor"

PEOPLE = Holders(
    PostsPublished(
        posts=(
            PublishedPost(role=Role.AUDITOR.value, person=AUDITOR),
            PublishedPost(role=Role.SUPERVISOR.value, person=SUPERVISOR),
        ),
        four_eyes=False,
    )
)

READING = AccessEntry(
    machine_now(),
    "case.read",
    "given",
    person=APPELLANT,
    client="pages",
    roles=("window_clerk",),
    purpose="核对材料",
    request="GET /cases/{number}",
    case_id=RED,
    rows=1,
)

TEXTS = {
    "zh": {
        "given": "已提供",
        "all": "全部记录和全部条件",
        "sound": "与写入时一致",
        "refused": "拒绝：无权限",
        "verify": "核验该日",
        "one": "目前一人即可变更规则、人员名录和日历",
        "row": "查看含个人信息的办件",
    },
    "en": {
        "given": "given",
        "all": "All of them, with all filters",
        "sound": "is as it was written",
        "refused": "refused: no right",
        "verify": "Verify the day",
        "one": "One person is enough at present to change rules, directory and calendar",
        "row": "Read a case with personal data",
    },
}


async def look(page: Page, name: str) -> None:
    await picture(page, name)
    assert await axe_faults(page) == []
    assert not await is_too_wide(page)


@pytest.mark.parametrize(("language", "size"), [("zh", "wide"), ("en", "telephone")])
async def test_an_auditor_finds_a_reading_verifies_it_and_may_do_nothing(
    browser: Browser, at_work: MonitorAtWork, language: str, size: str
) -> None:
    process, texts = at_work.monitor.process, TEXTS[language]
    process.access.holders = PEOPLE
    async with process.database.begin() as connection:
        await access_record.add(connection, [READING])
    await write_journal(process.database)
    login = ISSUER.header(AUDITOR)
    async with window(browser, at_work.address, login, language, size) as page:
        # An act is refused, and the refusal is on record.
        answer = await page.goto("/alerts/acknowledge?alert=1")
        assert answer is not None and answer.status == 403
        await page.goto("/record")
        await page.locator("#case").fill(RED)
        await page.locator("#purpose").fill("投诉核查")
        await page.locator("main form button").first.click()
        row = page.locator("tr[data-row]")
        await expect(row).to_have_count(1)
        await expect(row).to_contain_text(APPELLANT)
        await expect(row).to_contain_text(texts["row"])
        await expect(row).to_contain_text("核对材料")
        await expect(row).to_contain_text(texts["given"])
        await look(page, f"records.{language}.{size}")
        await page.get_by_role("link", name=texts["all"]).click()
        await expect(page).to_have_url(re.compile("/record/monitor"))
        await expect(page.locator("tr[data-row]")).to_have_count(2)  # and the auditor's own search for the case
        await page.goto(f"/record/monitor?person={AUDITOR}")
        await expect(page.locator("tbody")).to_contain_text(texts["refused"])
        await expect(page.locator("tbody")).to_contain_text("投诉核查")
        await process.recorder.drain()
        await write_record(process.database, "monitor")
        today = day_of(machine_now())
        await page.locator("#verify").fill(today.isoformat())
        await page.get_by_role("button", name=texts["verify"]).click()
        await expect(page.locator(".done")).to_contain_text(texts["sound"])
        await look(page, f"record.{language}.{size}")
        # The journal says who decided what, and whether one person was enough.
        await page.goto("/journal")
        await expect(page.locator(".notice")).to_contain_text(texts["one"])
        await look(page, f"journals.{language}.{size}")
        await page.get_by_role("link", name=re.compile(QINGXIU)).first.click()
        await expect(page.locator("tbody").first).to_contain_text(RED)
        await page.locator("button[name=verify]").click()
        await expect(page.locator(".done")).to_contain_text(texts["sound"])
        await expect(page.locator(".notice")).to_contain_text(texts["one"])
        await look(page, f"journal.{language}.{size}")
        file = await page.request.get(f"/journal/monitor/export?region={QINGXIU}")
        assert verify((await file.text()).splitlines(), PUBLIC_KEY).entries > 0
        wrong = await page.goto("/journal/monitor?region=4501x")
        assert wrong is not None and wrong.status == 422
