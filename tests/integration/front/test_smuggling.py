"""What a client says about itself or about its path gives it nothing."""

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.front.fronting import Fronting, fronting
from tests.support.front.upstream import Asked, answer
from tests.support.identity.browser import Browser


async def raw(running: Fronting, request: str) -> str:
    """The answer to bytes that no client library would send."""
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(running.url).port)
    writer.write(request.replace("\n", "\r\n").encode("latin-1"))
    content = (await asyncio.wait_for(reader.read(), 10)).decode()
    writer.close()
    return content


async def test_identity_comes_from_the_session_alone(running: Fronting, browser: Browser) -> None:
    await running.log_in(browser)
    said = {
        "Authorization": "Bearer forged",
        "Forwarded": "for=10.0.0.1;host=evil.example",
        "X_Forwarded_For": "10.0.0.1",
        "X_Forwarded_Host": "evil.example",
        "X_Forwarded_Proto": "https",
        "X_Real_IP": "10.0.0.1",
        "X_Forwarded_User": "zhou",
        "Remote_User": "zhou",
        "X_Original_URL": "/api/monitor/rules",
        "X_HTTP_Method_Override": "DELETE",
    }
    assert (await browser.get("/board", **said)).status == 200
    asked = running.monitor.latest
    token = await running.access_token(browser)
    assert token.subject == "wang-fang" and asked.subject == running.monitor.latest.subject
    host = urlsplit(running.url).netloc
    assert asked.one("Host") == urlsplit(running.monitor.address).netloc
    assert (asked.one("X-Forwarded-Host"), asked.one("X-Forwarded-Proto")) == (host, "http")
    assert not {"x-real-ip", "x-forwarded-user", "remote-user", "x-original-url", "x-http-method-override"} & {
        name.lower() for name, _ in asked.headers
    }


async def test_the_address_of_the_client_is_its_own(databases: tuple[str, str], tmp_path: Path) -> None:
    async with (
        fronting(*databases, tmp_path, trusted_proxies=("192.0.2.1",)) as running,
        Browser(running.url) as browser,
    ):
        await browser.get("/published", X_Forwarded_For="10.0.0.1", Forwarded="for=10.0.0.1")
        asked = running.monitor.latest
        assert asked.one("X-Forwarded-For") == "127.0.0.1"
        assert (asked.one("Forwarded") or "").startswith("for=127.0.0.1;")


async def test_a_proxy_that_is_trusted_names_the_client(running: Fronting, browser: Browser) -> None:
    await browser.get("/published", X_Forwarded_For="10.9.9.9, 203.0.113.7, 127.0.0.1")
    assert running.monitor.latest.one("X-Forwarded-For") == "203.0.113.7"


async def test_a_token_beside_a_session_cookie_is_dropped(running: Fronting, browser: Browser) -> None:
    browser.cookies["__Host-onedoor"] = "of-nobody"
    assert (await browser.get("/api/monitor/alerts", Authorization="Bearer forged")).status == 401
    await browser.get("/published", Authorization="Bearer forged")
    assert running.monitor.latest.subject is None
    assert (await browser.post("/token", {}, Authorization="Basic eDp5")).status in (400, 401)


async def test_services_see_no_cookie_and_set_none(running: Fronting, browser: Browser) -> None:
    await running.log_in(browser)
    secret = browser.cookies["__Host-onedoor"]

    async def plant(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(
            answer(head="Set-Cookie: __Host-onedoor=planted; Path=/\r\nSet-Cookie: onedoor-language=en; Path=/\r\n")
        )

    running.monitor.handler = plant
    page = await browser.get("/board")
    assert [one.partition("=")[0] for one in page.set_cookies] == ["onedoor-language"]
    assert browser.cookies["__Host-onedoor"] == secret
    assert running.monitor.latest.one("Cookie") is None


@pytest.mark.parametrize(
    "lines",
    [
        "Cookie: __Host-onedoor=a\nCookie: __Host-onedoor=b",
        "Authorization: Bearer a\nAuthorization: Bearer b",
        "Host: evil.example",
        "Upgrade: websocket\nConnection: Upgrade",
    ],
)
async def test_a_request_that_can_be_read_in_two_ways_is_refused(running: Fronting, lines: str) -> None:
    content = await raw(running, f"GET /published HTTP/1.1\nHost: localhost\n{lines}\nConnection: close\n\n")
    assert content.startswith("HTTP/1.1 400") and running.monitor.asked == []


@pytest.mark.parametrize(
    "length", ["Content-Length: 5\nTransfer-Encoding: chunked", "Content-Length: 5\nContent-Length: 6"]
)
async def test_a_body_of_two_lengths_is_refused(running: Fronting, length: str) -> None:
    request = (
        f"POST /api/monitor/x HTTP/1.1\nHost: localhost\n{length}\nConnection: close\n\n0\n\nGET /board HTTP/1.1\n\n"
    )
    assert (await raw(running, request)).startswith("HTTP/1.1 400") and running.monitor.asked == []


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND"])
async def test_other_methods_are_refused(running: Fronting, method: str) -> None:
    content = await raw(running, f"{method} /published HTTP/1.1\nHost: localhost\nConnection: close\n\n")
    assert content.startswith("HTTP/1.1 400") and running.monitor.asked == []


async def test_no_path_reaches_another_service(running: Fronting) -> None:
    for path in (
        "/published/../api/monitor/rules",
        "/published/%2e%2e/api/monitor/rules",
        "/published/..;/board",
        "/published//board",
        "//board",
        "/published/..%2fboard",
        "/published\\board",
        "/%70ublished",
        "/api/monitor/../intake/x",
    ):
        content = await raw(running, f"GET {path} HTTP/1.1\nHost: localhost\nConnection: close\n\n")
        assert content[:12] in ("HTTP/1.1 400", "HTTP/1.1 404"), path
    assert running.monitor.asked == []


async def test_the_host_of_an_absolute_address_leads_nowhere_else(running: Fronting) -> None:
    content = await raw(
        running, "GET http://evil.example/published?a=1 HTTP/1.1\nHost: evil.example\nConnection: close\n\n"
    )
    assert content.startswith("HTTP/1.1 200")
    asked = running.monitor.latest
    assert asked.target == "/published?a=1" and "evil" not in str(asked.headers)


async def test_a_path_goes_on_as_it_was_sent(running: Fronting, browser: Browser) -> None:
    target = "/published/%E5%8A%A1;a=1/x..y?q=%2F..%2F&q=a+b&c=%e5%8a%a1"
    await raw(running, f"GET {target} HTTP/1.1\nHost: localhost\nConnection: close\n\n")
    assert running.monitor.latest.target == target


async def test_assets_carry_nothing_of_the_session(running: Fronting, browser: Browser) -> None:
    await running.log_in(browser)
    await browser.get("/assets/monitor/onedoor.css")
    assert running.monitor.latest.subject is None and running.monitor.latest.one("Cookie") is None


async def test_over_https_browsers_are_bound_to_it(databases: tuple[str, str], tmp_path: Path) -> None:
    async with (
        fronting(*databases, tmp_path, address="https://onedoor.example") as running,
        Browser(running.url) as browser,
    ):
        page = await browser.get("/published")
        assert page.headers["Strict-Transport-Security"] == "max-age=31536000"
        assert running.monitor.latest.one("X-Forwarded-Proto") == "https"
        assert (await browser.get("/board")).location.startswith("https://onedoor.example/session/login")
