"""The pages of the issuer of logins in a browser."""

import pytest
from playwright.async_api import Browser, Page, expect

from tests.support.identity.issuing import PASSWORD, Issuing
from tests.support.pages.browser import looked_at, looks, window

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def log_in(page: Page, password: str, path: str = "/login") -> None:
    """Log in by the password."""
    await page.goto(path)
    await page.locator("#person").fill("wang-fang")
    await page.locator("#password").fill(password)
    await page.locator("form:not([data-passkey]) button").click()


@looks
async def test_pages_are_accessible_and_fit(
    browser: Browser, issuer: Issuing, language: str, scheme: str, size_for_axe: str
) -> None:
    async with window(browser, issuer.url, {}, language, color_scheme=scheme) as page:
        await page.goto("/login")
        await looked_at(page, f"issuer-login.{language}.{scheme}", size_for_axe)
        await log_in(page, "a wrong password")
        assert (await page.title()).startswith({"zh": "错误：", "en": "Error:"}[language])
        await expect(page.locator("#person")).to_have_value("wang-fang")
        await looked_at(page, f"issuer-refused.{language}.{scheme}", size_for_axe)
        await page.goto("/enrol")
        await looked_at(page, f"issuer-enrol.{language}.{scheme}", size_for_axe)
        await log_in(page, PASSWORD)
        await looked_at(page, f"issuer-logged-in.{language}.{scheme}", size_for_axe)
        await page.goto("/device")
        await looked_at(page, f"issuer-device.{language}.{scheme}", size_for_axe)
        await page.locator("#code").fill("nothing")
        await page.locator("form button").click()
        await looked_at(page, f"issuer-device-refused.{language}.{scheme}", size_for_axe)
        await page.goto("/logout")
        await looked_at(page, f"issuer-logout.{language}.{scheme}", size_for_axe)
        await page.locator("form button").click()
        await looked_at(page, f"issuer-logged-out.{language}.{scheme}", size_for_axe)
        await page.goto("/authorize?client_id=nobody")
        await looked_at(page, f"issuer-error.{language}.{scheme}", size_for_axe)


async def test_a_person_enrols_and_logs_in_with_a_passkey(browser: Browser, issuer: Issuing) -> None:
    code = await issuer.enrolment("li-na", "李娜")
    async with window(browser, issuer.url, {}, "zh") as page:
        devices = await page.context.new_cdp_session(page)
        await devices.send("WebAuthn.enable")
        authenticator = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True}
        settled = {"hasUserVerification": True, "isUserVerified": True, "automaticPresenceSimulation": True}
        await devices.send("WebAuthn.addVirtualAuthenticator", {"options": {**authenticator, **settled}})
        await page.goto(f"/enrol#{code}")
        await expect(page.locator("#code")).to_have_value(code)
        assert code not in page.url, "it does not stay in the address"
        await page.get_by_role("button", name="设置通行密钥").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("登录方式已设置")
        await page.context.clear_cookies()
        await page.goto("/login")
        await page.get_by_role("button", name="用通行密钥登录").click()
        await expect(page.get_by_role("status")).to_contain_text("李娜")


async def test_the_language_of_the_login_is_chosen_and_the_way_back_stays(browser: Browser, issuer: Issuing) -> None:
    async with window(browser, issuer.url, {}, "en", java_script_enabled=False) as page:
        await log_in(page, "a wrong password", "/login?next=/device")
        await page.get_by_role("link", name="中文").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("登录")
        await log_in(page, PASSWORD, page.url)
        await expect(page).to_have_url(f"{issuer.url}/device")


@pytest.mark.parametrize("scheme", ["dark", "light"])
async def test_a_login_follows_the_scheme_of_the_system(browser: Browser, issuer: Issuing, scheme: str) -> None:
    async with window(browser, issuer.url, {}, "zh", color_scheme=scheme, contrast="more") as page:
        await page.goto("/login")
        await looked_at(page, f"issuer-login.zh.{scheme}.contrast", "wide")
