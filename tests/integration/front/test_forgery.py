"""Requests that other sites have a browser send (CSRF)."""

import re

import pytest

from tests.support.front.fronting import Fronting
from tests.support.identity.browser import Browser

REFUSED: list[dict[str, str]] = [
    {"Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Site": "same-site"},
    {"Sec_Fetch_Site": "none"},
    {"Sec_Fetch_Site": "cross-site", "Origin": "SELF"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {},
]


async def test_a_form_of_another_site_changes_nothing(running: Fronting, browser: Browser) -> None:
    await running.log_in(browser)
    seen = len(running.monitor.asked)
    for headers in REFUSED:
        given = {name: running.url if value == "SELF" else value for name, value in headers.items()}
        for path in ("/alerts/7012", "/api/monitor/alerts/7012", "/session/logout", "/session/keep", "/preferences"):
            answer = await browser.post(path, {"answer": "granted"}, **given)
            assert answer.status == 403, (path, given)
    assert len(running.monitor.asked) == seen and (await browser.get("/board")).status == 200


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_every_unsafe_method_is_examined(running: Fronting, browser: Browser, method: str) -> None:
    await running.log_in(browser)
    assert (await browser.send(method, "/api/monitor/alerts/1", Origin="https://evil.example")).status == 403
    assert (await browser.send(method, "/api/monitor/alerts/1", Origin=running.url)).status == 200


async def test_an_own_form_works_in_new_browsers_and_in_old_ones(running: Fronting, browser: Browser) -> None:
    await running.log_in(browser)
    for headers in ({"Sec_Fetch_Site": "same-origin", "Origin": running.url}, {"Origin": running.url}):
        assert (await browser.post("/alerts/7012", {"answer": "granted"}, **headers)).status == 200


async def test_the_refusal_says_where_to_send_it_from(running: Fronting, browser: Browser) -> None:
    page = await browser.post("/alerts/7012", {}, Sec_Fetch_Site="cross-site", Accept_Language="en")
    assert running.url in page.text and page.headers["Content-Type"].startswith("text/html")
    problem = await browser.post("/api/monitor/x", {}, Sec_Fetch_Site="cross-site")
    assert problem.headers["Content-Type"] == "application/problem+json" and "其他网站" in problem.text


async def test_a_program_without_a_session_is_no_browser(running: Fronting, browser: Browser) -> None:
    assert (await browser.post("/api/monitor/x", {}, Authorization="Bearer of-a-program")).status == 200
    assert running.monitor.latest.subject == "of-a-program"
    assert (await browser.post("/api/monitor/x", {})).status == 200
    assert running.monitor.latest.subject is None


async def test_pages_of_the_front_are_framed_by_nobody(running: Fronting, browser: Browser) -> None:
    page = await browser.get("/nowhere")
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert page.headers["X-Content-Type-Options"] == "nosniff" and page.headers["Cache-Control"] == "no-store"
    assert "<script>" not in page.text and "style=" not in page.text
    (style,) = re.findall(r'href="(/assets/front/onedoor[^"]+)"', page.text)
    assert (await browser.get(style)).headers["Content-Type"].startswith("text/css")
