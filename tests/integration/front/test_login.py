"""The way in and out, and attacks on it: states and codes in wrong hands, sessions that are planted, redirects away."""

import asyncio
import re
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from services.front.core.headers import ISSUER_COOKIES
from services.front.core.routes import EVERYWHERE, ISSUER, ISSUER_PAGES
from services.identity.web.pages import cookies
from services.identity.web.routes import WITH_RIGHTS, applications
from services.runtime.http.pages.preferences import CHOICES
from tests.support.front.fronting import Fronting, follow, fronting, to_the_front
from tests.support.identity.browser import Browser
from tests.support.identity.program import content

SESSION, BEGUN = "__Host-onedoor", "__Host-onedoor-begun"


async def test_a_page_leads_through_the_login_and_back_to_itself(running: Fronting, browser: Browser) -> None:
    first = await browser.get("/board?period=2026-04")
    assert first.status == 303 and first.location == f"{running.url}/session/login?next=%2Fboard%3Fperiod%3D2026-04"
    back = await running.log_in(browser, "/board?period=2026-04")
    assert back.location == f"{running.url}/board?period=2026-04"
    (cookie,) = back.set_cookies
    assert cookie.startswith(f"{SESSION}=") and "Secure" in cookie and "HttpOnly" in cookie
    assert "SameSite=lax" in cookie and "Path=/" in cookie and "Domain" not in cookie and "Max-Age" not in cookie
    assert (await browser.get("/board?period=2026-04")).text == "well"
    asked = running.monitor.latest
    assert asked.target == "/board?period=2026-04" and asked.one("Cookie") is None
    token = await running.access_token(browser)
    assert (token.subject, token.name) == ("wang-fang", "王芳")


async def test_the_request_of_a_login_has_state_nonce_and_pkce(running: Fronting, browser: Browser) -> None:
    fields = (await browser.get("/session/login", Accept_Language="en")).query
    assert fields["code_challenge_method"] == "S256" and len(fields["code_challenge"]) == 43
    assert min(len(fields[name]) for name in ("state", "nonce")) == 43
    assert fields["redirect_uri"] == f"{running.url}/session/back" and fields["ui_locales"] == "en"
    assert "prompt" not in fields and "max_age" not in fields


async def test_the_front_knows_paths_and_cookies_of_the_issuer(running: Fronting) -> None:
    of_issuer = applications(running.issuing.issuer)
    paths = set(paths_of(of_issuer.described.routes)) - {"/health"}
    assert {path.split("/")[1] for path in paths} == ISSUER | {"assets"}
    assert WITH_RIGHTS - EVERYWHERE == ISSUER_PAGES
    assert {cookies.SESSION, cookies.FORM, cookies.BROWSER} <= ISSUER_COOKIES
    assert {cookie for cookie, _ in CHOICES.values()} <= ISSUER_COOKIES


async def test_the_page_of_the_login_has_its_style(running: Fronting, browser: Browser) -> None:
    page = await browser.get("/login")
    (style,) = re.findall(r'href="(/assets/[^"]+\.css)"', page.text)
    assert (await browser.get(style)).headers["Content-Type"].startswith("text/css")


def paths_of(routes: Iterable[Any]) -> Iterator[str]:
    """The paths of routes, those of routers that are included among them."""
    for route in routes:
        if hasattr(route, "original_router"):
            yield from paths_of(route.original_router.routes)
        else:
            yield route.path


async def test_an_outside_issuer_serves_by_three_settings(databases: tuple[str, str], tmp_path: Path) -> None:
    async with fronting(*databases, tmp_path, outside=True) as running, Browser(running.url) as browser:
        first = await browser.get((await browser.get("/board")).location)
        assert first.location.startswith(f"{running.issuing.url}/authorize?")
        assert running.issuing.url != running.url
        assert (await browser.get("/login")).status == 404, "the issuer is not at this address"
        async with Browser(running.issuing.url) as at_the_issuer:
            leads_back = await to_the_front(at_the_issuer, first)
        assert (await browser.get(leads_back.location)).location == f"{running.url}/board"
        assert (await running.access_token(browser)).subject == "wang-fang"


async def test_several_tabs_log_in_at_the_same_time(running: Fronting, browser: Browser) -> None:
    tabs = [await browser.get(f"/session/login?next=/board/{tab}") for tab in range(3)]
    for tab, answer in enumerate(tabs):
        assert (await follow(browser, answer)).location == f"{running.url}/board/{tab}"
    assert (await browser.get("/board")).status == 200


async def test_a_session_of_before_the_login_is_worth_nothing(running: Fronting, browser: Browser) -> None:
    """Session fixation: a secret that somebody else has chosen or knows gets no session."""
    browser.cookies[SESSION] = "planted"
    await running.log_in(browser)
    first = browser.cookies[SESSION]
    assert first != "planted" and len(first) == 43
    await follow(browser, await browser.get("/session/confirm"))
    assert browser.cookies[SESSION] != first, "each login has a new secret"
    async with Browser(running.url) as thief:
        for known in ("planted", first):
            thief.cookies[SESSION] = known
            assert (await thief.get("/board")).status == 303


async def test_a_state_belongs_to_its_browser_and_serves_once(running: Fronting, browser: Browser) -> None:
    leads_back = (await to_the_front(browser, await browser.get("/session/login"))).location
    async with Browser(running.url) as thief:
        assert (await thief.get(leads_back)).status == 400, "stolen, by a browser without a login"
        await thief.get("/session/login")
        assert (await thief.get(leads_back)).status == 400, "stolen, by a browser with one of its own"
        assert SESSION not in thief.cookies
    assert (await browser.get(leads_back)).status == 303
    session = browser.cookies[SESSION]
    again = await browser.get(leads_back)
    assert again.status == 400 and "重新登录" in again.text and browser.cookies[SESSION] == session


async def test_a_state_is_worth_nothing_after_ten_minutes(running: Fronting, browser: Browser) -> None:
    leads_back = (await to_the_front(browser, await browser.get("/session/login"))).location
    running.clock.ahead += timedelta(minutes=10)
    assert (await browser.get(leads_back)).status == 400


async def test_of_two_answers_at_once_one_gives_a_session(running: Fronting, browser: Browser) -> None:
    leads_back = (await to_the_front(browser, await browser.get("/session/login"))).location
    answers = await asyncio.gather(*(browser.get(leads_back) for _ in range(5)))
    assert sorted(answer.status for answer in answers) == [303, 400, 400, 400, 400]


async def test_a_code_of_another_login_gives_nothing(running: Fronting, browser: Browser) -> None:
    """An attacker's code in the victim's browser: PKCE binds the code to the login that began there."""
    mine = (await to_the_front(browser, await browser.get("/session/login"))).query
    async with Browser(running.url) as other:
        theirs = (await to_the_front(other, await other.get("/session/login"))).query
    answer = await browser.get(f"/session/back?state={mine['state']}&code={theirs['code']}&iss={quote(running.url)}")
    assert answer.status == 400 and SESSION not in browser.cookies


async def test_an_answer_of_another_issuer_is_refused(running: Fronting, browser: Browser) -> None:
    """Mix-up (RFC 9207)."""
    for named in (f"&iss={quote('https://evil.example')}", "&iss=", ""):
        given = (await to_the_front(browser, await browser.get("/session/login"))).query
        assert (await browser.get(f"/session/back?state={given['state']}&code={given['code']}{named}")).status == 400
        assert SESSION not in browser.cookies


@pytest.mark.parametrize("shown", ["access_denied", "<script>alert(1)</script>"])
async def test_a_refusal_of_the_issuer_is_shown(running: Fronting, browser: Browser, shown: str) -> None:
    state = (await browser.get("/session/login")).query["state"]
    answer = await browser.get(f"/session/back?state={state}&error={quote(shown)}&iss={quote(running.url)}")
    assert answer.status == 400 and ("access_denied" in answer.text) == (shown == "access_denied")
    assert "<script>" not in answer.text


@pytest.mark.parametrize("path", ["/session/login", "/session/confirm"])
async def test_a_login_leads_to_own_paths_only(running: Fronting, browser: Browser, path: str) -> None:
    for address in (
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "/\t/evil.example",
        "/session/login",
    ):
        back = await follow(browser, await browser.get(f"{path}?next={quote(address, safe='')}"))
        assert back.location == f"{running.url}/home"
        chosen = await browser.post("/preferences", {"next": address, "language": "en"}, Origin=running.url)
        assert chosen.location == f"{running.url}/home"


async def test_a_person_proves_anew_who_he_is(running: Fronting, browser: Browser) -> None:
    await running.log_in(browser)
    running.clock.ahead += timedelta(minutes=5)
    before = (await running.access_token(browser)).authenticated_at
    asked = await browser.get("/session/confirm?next=/alerts/7012")
    assert (asked.query["prompt"], asked.query["max_age"]) == ("login", "0")
    assert (await follow(browser, asked)).location == f"{running.url}/alerts/7012"
    after = (await running.access_token(browser)).authenticated_at
    assert before is not None and after is not None and after - before == timedelta(minutes=5)


async def test_an_old_login_is_no_new_one(running: Fronting, browser: Browser) -> None:
    """The browser leaves out what the front has asked for."""
    await running.log_in(browser)
    running.clock.ahead += timedelta(minutes=5)
    asked = (await browser.get("/session/confirm")).location
    without = asked.replace("prompt=login", "prompt=").replace("max_age=0", "max_age=1000")
    assert without != asked
    answer = await browser.get((await browser.get(without)).location)
    assert answer.status == 400
    authenticated_at = (await running.access_token(browser)).authenticated_at
    assert authenticated_at is not None and running.clock() - authenticated_at >= timedelta(minutes=5)


async def test_a_logout_ends_everything(running: Fronting, browser: Browser) -> None:
    await running.log_in(browser)
    secret = browser.cookies[SESSION]
    out = await browser.post("/session/logout", {}, Origin=running.url)
    assert out.status == 303 and urlsplit(out.location).path == "/logout" and SESSION not in browser.cookies
    assert "id_token_hint" not in out.location, "a token does not stand in an address"
    after = await browser.get(out.location)
    assert after.location == f"{running.url}/session/ended"
    assert "退出" in (await browser.get(after.location)).text
    browser.cookies[SESSION] = secret
    assert (await browser.get("/board")).status == 303, "the session has ended at the server as well"
    del browser.cookies[SESSION]
    login = await browser.get((await browser.get((await browser.get("/board")).location)).location)
    assert urlsplit(login.location).path == "/login", "the issuer asks who it is"
    assert {entry.outcome for entry in await running.issuing.recorded() if entry.event in ("logout", "revocation")} == {
        "by the program",
        "given back",
    }


async def test_a_logout_needs_no_session(running: Fronting, browser: Browser) -> None:
    assert (await browser.post("/session/logout", {}, Origin=running.url)).status == 303
    assert (await browser.get("/session/logout")).status == 405


async def test_a_login_at_another_name_of_the_machine_goes_on_at_the_one_address(running: Fronting) -> None:
    """The cookie of one host does not count at another one."""
    async with Browser(running.url.replace("localhost", "127.0.0.1")) as browser:
        first = await browser.get("/board")
        assert first.location.startswith(f"{running.url}/session/login")


async def test_state_says_who_is_logged_in_until_when(running: Fronting, browser: Browser) -> None:
    assert (await browser.get("/session/state")).status == 401
    await running.log_in(browser)
    state = content(await browser.get("/session/state", Accept_Language="en"))
    assert (state["person"], state["name"], state["language"]) == ("wang-fang", "王芳", "en")
    before = state["idle_until"]
    running.clock.ahead += timedelta(minutes=10)
    assert content(await browser.get("/session/state"))["idle_until"] == before, "asking is no use"
    kept = content(await browser.post("/session/keep", {}, Origin=running.url))
    assert kept["idle_until"] > before
    assert (await browser.post("/session/keep", {"next": "/board"}, Origin=running.url)).status == 303


async def test_another_claim_may_name_the_person(databases: tuple[str, str], tmp_path: Path) -> None:
    async with fronting(*databases, tmp_path, subject_claim="name") as running, Browser(running.url) as browser:
        await running.log_in(browser)
        assert content(await browser.get("/session/state"))["person"] == "王芳"


async def test_a_reader_chooses_language_and_size_of_text(running: Fronting, browser: Browser) -> None:
    chosen = await browser.post(
        "/preferences", {"language": "en", "text": "large", "next": "/published"}, Origin=running.url
    )
    assert chosen.location == f"{running.url}/published"
    assert browser.cookies == {"onedoor-language": "en", "onedoor-text": "large"}
    await browser.get("/published")
    assert running.monitor.latest.one("Cookie") == "onedoor-language=en; onedoor-text=large"
    missing = await browser.get("/nowhere")
    assert missing.status == 404 and 'class="large"' in missing.text and "There is no such page" in missing.text
    assert parse_qs(urlsplit((await browser.get("/session/login")).location).query)["ui_locales"] == ["en"]
