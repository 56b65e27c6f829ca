"""A journey through the pages of people: a person is enrolled by two managers, and disabled."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from contracts.messages.documents import PostsPublished, PublishedPost
from contracts.rights.holders import Holders
from deploy.local.engines import Engines
from services.front.migrations import FRONT_MIGRATIONS
from services.identity.migrations import ISSUER_MIGRATIONS
from tests.support.databases import service_database
from tests.support.front.fronting import Fronting, fronting
from tests.support.identity.issuing import PASSWORD
from tests.support.pages.browser import looked_at, window

pytestmark = pytest.mark.asyncio(loop_scope="session")

POSTS = PostsPublished(
    posts=(
        PublishedPost(role="centre_manager", person="zheng"),
        PublishedPost(role="operator", person="qian", deputy="zheng"),
        PublishedPost(role="window_clerk", person="li-na", department="税务局", region="450103"),
    )
)

AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
def databases(engines: Engines) -> Iterator[tuple[str, str]]:
    """The addresses of empty databases of the front and of the issuer."""
    with (
        service_database(engines, "front", FRONT_MIGRATIONS) as front,
        service_database(engines, "identity", ISSUER_MIGRATIONS) as issuer,
    ):
        yield front, issuer


@pytest_asyncio.fixture(loop_scope="session")
async def running(databases: tuple[str, str], tmp_path: Path) -> AsyncIterator[Fronting]:
    """A front with an issuer that has this directory in force, and the accounts of its people."""
    async with fronting(*databases, tmp_path) as running:
        running.issuing.issuer.access.holders = Holders(POSTS)
        for person, name in (("zheng", "郑凯"), ("qian", "钱进")):
            await running.issuing.with_password(person, name)
        await running.issuing.enrolment("li-na", "李娜")
        yield running


async def log_in(page: Page, person: str, password: str, path: str) -> None:
    """Open a page, and log in where it leads to the login."""
    await page.goto(path)
    await page.locator("#person").fill(person)
    await page.locator("#password").fill(password)
    await page.locator("form:not([data-passkey]) button").click()


async def test_two_managers_enrol_a_person_who_keeps_the_own_account_and_is_disabled(
    browser: Browser, running: Fronting
) -> None:
    async with (
        window(browser, running.url, {}, "zh") as asking,
        window(browser, running.url, {}, "en", color_scheme="dark") as giving,
        window(browser, running.url, {}, "zh", "telephone") as own,
    ):
        await log_in(asking, "zheng", PASSWORD, "/people")
        await expect(asking.get_by_role("navigation", name="主菜单").get_by_role("link")).to_contain_text(["人员账号"])
        await looked_at(asking, "people.zh.light", "wide")
        await asking.get_by_role("link", name="李娜").click()
        await asking.get_by_role("button", name="申请登记").click()
        await expect(asking.get_by_role("alert")).to_contain_text("理由")
        await asking.get_by_label("理由").fill("新入职")
        await asking.get_by_role("button", name="申请登记").click()
        await expect(asking.get_by_role("status")).to_contain_text("新入职")
        await looked_at(asking, "people-asked.zh.light", "telephone")
        await expect(asking.get_by_role("button", name="发放登记码")).to_have_count(0)

        await log_in(giving, "qian", PASSWORD, "/people?state=waiting")
        await giving.get_by_role("link", name="李娜").click()
        await expect(giving.locator("blockquote")).to_have_text("新入职")
        await looked_at(giving, "people-waiting.en.dark", "telephone")
        await giving.get_by_label("Reason").fill("seen in person")
        await giving.get_by_role("button", name="Give a code out").click()
        code = await giving.locator("strong code").inner_text()
        await looked_at(giving, "people-code.en.dark", "wide")
        await giving.emulate_media(media="print")
        await looked_at(giving, "people-code.en.print", "telephone")
        await giving.emulate_media(media="screen")

        words = "blue kettle under the stairs"
        await own.goto("/enrol")
        await own.locator("#code").fill(code.lower())
        for field in ("#password", "#repeat"):
            await own.locator(field).fill(words)
        await own.get_by_role("button", name="设置密码").click()
        await expect(own.get_by_role("heading", level=1)).to_have_text("登录方式已设置")
        await own.goto("/board")  # the front logs in by the session that the enrolment has begun
        assert running.monitor.latest.subject is not None
        devices = await own.context.new_cdp_session(own)
        await devices.send("WebAuthn.enable")
        await devices.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
        await own.goto("/session/account")
        await own.get_by_role("button", name="添加本机的通行密钥").click()
        await expect(own.get_by_role("status")).to_contain_text("通行密钥已添加")
        await expect(own.locator(".story li").first).to_contain_text("已添加通行密钥")
        await expect(own.locator(".story")).to_contain_text("qian + zheng: seen in person")
        await looked_at(own, "account.zh.light", "telephone")

        await giving.get_by_role("link", name="Back to the account").click()
        await giving.get_by_label("Reason").fill("has left")
        await giving.get_by_role("button", name="Disable").click()
        await expect(giving.get_by_role("status")).to_contain_text("has left")
        await looked_at(giving, "people-disabled.en.dark", "wide")
        await own.goto("/account")
        await expect(own.locator(".notice")).to_contain_text("管理员")
        running.clock.ahead = timedelta(minutes=10)
        await own.goto("/board")
        await expect(own.get_by_role("heading", level=1)).to_have_text("登录已结束")
        await own.goto("/login")
        await own.get_by_role("button", name="用通行密钥登录").click()
        await expect(own.get_by_role("alert").first).to_be_visible()
