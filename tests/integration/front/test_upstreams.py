"""Services that are away, slow, endless or hostile, and clients that leave."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientPayloadError, ClientSession, ClientTimeout, DummyCookieJar

from services.front.core.routes import Backend
from tests.support.front.fronting import Fronting, fronting
from tests.support.front.upstream import Asked, answer, upstream
from tests.support.identity.browser import Browser

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENTS = HEAD.replace(b"text/plain", b"text/event-stream")


def chunk(content: bytes) -> bytes:
    return f"{len(content):x}\r\n".encode() + content + b"\r\n"


@pytest.fixture
async def client() -> AsyncIterator[ClientSession]:
    async with ClientSession(cookie_jar=DummyCookieJar(), timeout=ClientTimeout(20)) as client:
        yield client


async def test_a_service_that_is_away_is_named(databases: tuple[str, str], tmp_path: Path) -> None:
    services = {"monitor": Backend(addresses=("http://127.0.0.1:1",), public=("published",))}
    async with fronting(*databases, tmp_path, services=services) as running, Browser(running.url) as browser:
        page = await browser.get("/published", Accept_Language="en")
        assert page.status == 502 and "monitor does not answer" in page.text and page.headers["Retry-After"] == "10"
        problem = await browser.get("/api/monitor/alerts")
        assert problem.status == 502 and "没有应答" in problem.text and "Try again" in problem.text


async def test_another_process_answers_for_one_that_is_away(databases: tuple[str, str], tmp_path: Path) -> None:
    async with upstream() as first, upstream() as second:
        away = "http://127.0.0.1:1"
        backend = Backend(addresses=(first.address, away, second.address), public=("published",))
        async with (
            fronting(*databases, tmp_path, services={"monitor": backend}) as running,
            Browser(running.url) as browser,
        ):
            for number in range(6):
                sent = await browser.post("/api/monitor/x", {"number": str(number)})
                assert sent.status == 200
        bodies = sorted(asked.body for one in (first, second) for asked in one.asked)
        assert bodies == [f"number={number}".encode() for number in range(6)], "each is sent once"
        assert first.asked and second.asked


async def test_a_request_that_was_sent_is_not_sent_again(running: Fronting, browser: Browser) -> None:
    async def hang_up(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.close()

    running.monitor.handler = hang_up
    assert (await browser.post("/api/monitor/x", {"a": "1"})).status == 502
    assert len(running.monitor.asked) == 1


async def test_a_slow_service_has_its_time(databases: tuple[str, str], tmp_path: Path) -> None:
    async def never(_: Asked, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with (
        fronting(*databases, tmp_path, upstream_limits={"answer_s": 0.3}) as running,
        Browser(running.url) as browser,
    ):
        running.monitor.handler = never
        page = await browser.get("/published", Accept_Language="en")
        assert page.status == 504 and "shorter period" in page.text
        await asyncio.wait_for(running.monitor.left.wait(), 10)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nX-Large: " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: 1\r\n" % number for number in range(1000)) + b"\r\n",
        b"not HTTP\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    ],
    ids=["large", "many", "no-http", "negative", "two-lengths"],
)
async def test_a_head_that_is_none_gives_an_error(running: Fronting, browser: Browser, head: bytes) -> None:
    async def hostile(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        await writer.drain()
        writer.close()

    running.monitor.handler = hostile
    assert (await browser.get("/published")).status == 502


async def test_a_broken_body_is_no_complete_response(
    databases: tuple[str, str], tmp_path: Path, client: ClientSession
) -> None:
    async with fronting(*databases, tmp_path, upstream_limits={"silence_s": 0.5}) as running:
        for rest in (b"zz\r\nabc\r\n", b"5\r\nab", b""):
            begun = asyncio.Event()

            async def hostile(
                _: Asked, writer: asyncio.StreamWriter, rest: bytes = rest, begun: asyncio.Event = begun
            ) -> None:
                writer.write(HEAD + chunk(b"begun"))
                await writer.drain()
                await begun.wait()
                writer.write(rest)
                writer.close()

            running.monitor.handler = hostile
            async with client.get(f"{running.url}/published") as response:
                assert await response.content.readexactly(5) == b"begun"
                begun.set()
                with pytest.raises(ClientPayloadError):
                    await response.read()


async def test_parts_of_a_response_come_at_once(running: Fronting, client: ClientSession) -> None:
    more = asyncio.Event()

    async def in_parts(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(EVENTS + chunk(b"data: 1\n\n"))
        await writer.drain()
        await more.wait()
        writer.write(chunk(b"data: 2\n\n") + b"0\r\n\r\n")

    running.monitor.handler = in_parts
    async with client.get(f"{running.url}/api/monitor/stream", headers={"Last-Event-ID": "7"}) as response:
        assert response.content_type == "text/event-stream"
        assert await response.content.readany() == b"data: 1\n\n"
        more.set()
        assert await response.content.read() == b"data: 2\n\n"
    assert running.monitor.latest.one("Last-Event-ID") == "7"


async def test_an_endless_response_ends_with_its_client(running: Fronting, client: ClientSession) -> None:
    async def endless(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD)
        while not writer.is_closing():
            writer.write(chunk(b"x" * 65_536))
            await writer.drain()

    running.monitor.handler = endless
    async with client.get(f"{running.url}/published") as response:
        assert len(await response.content.readexactly(1_000_000)) == 1_000_000
        response.close()
    await asyncio.wait_for(running.monitor.left.wait(), 20)


async def test_a_client_that_leaves_ends_its_request(running: Fronting, client: ClientSession) -> None:
    async def never(_: Asked, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    running.monitor.handler = never
    asking = asyncio.ensure_future(client.get(f"{running.url}/published"))
    await asyncio.wait_for(running.monitor.arrived.wait(), 10)
    asking.cancel()
    await asyncio.wait_for(running.monitor.left.wait(), 10)


async def test_a_large_body_streams_through(running: Fronting, client: ClientSession) -> None:
    content = b"x" * 1_500_000

    async def parts() -> AsyncIterator[bytes]:
        for start in range(0, len(content), 100_000):
            yield content[start : start + 100_000]

    for data in (content, parts()):
        async with client.post(f"{running.url}/api/monitor/x", data=data) as response:
            assert response.status == 200
        assert running.monitor.latest.body == content
    assert [bool(asked.one("Content-Length")) for asked in running.monitor.asked] == [True, False]


async def test_status_and_headers_of_a_service_come_back(running: Fronting, browser: Browser) -> None:
    async def refuse(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(b"{}", "409 Conflict", 'Content-Type: application/problem+json\r\nETag: "7"\r\n'))

    running.monitor.handler = refuse
    given = await browser.get("/api/monitor/x")
    assert given.status == 409 and given.headers["ETag"] == '"7"' and given.text == "{}"
    assert len(given.headers.getall("Date")) == 1  # type: ignore[attr-defined]


async def test_a_logout_closes_the_streams_of_the_session(running: Fronting, browser: Browser) -> None:
    await running.log_in(browser)

    async def silent(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(EVENTS)
        await writer.drain()
        await asyncio.Event().wait()

    running.monitor.handler = silent
    reading = asyncio.ensure_future(browser.get("/api/monitor/stream", Accept="text/event-stream"))
    running.monitor.arrived.clear()
    await asyncio.wait_for(running.monitor.arrived.wait(), 10)
    await browser.post("/session/logout", {}, Origin=running.url)
    await running.replicas[0].front.close_streams()
    await asyncio.wait_for(running.monitor.left.wait(), 10)
    reading.cancel()
