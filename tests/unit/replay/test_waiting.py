"""The client of a demonstration or a replay waits for services that are busy."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from onedoor.temporary_run import WaitingTransport, local_client


class Service:
    """Answers that it is busy so many times, and then 200."""

    def __init__(self) -> None:
        self.busy: list[dict[str, str]] = []
        self.bodies: list[bytes] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.read())
        return web.Response(status=503, headers=self.busy.pop(0)) if self.busy else web.Response()


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
async def url(service: Service) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/", service.answer)
    async with TestServer(app) as server:
        yield str(server.make_url("/"))


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(WaitingTransport, "sleep", staticmethod(sleep))
    return waits


async def test_a_request_is_sent_again_after_the_time_that_is_named(
    service: Service, url: str, waits: list[float]
) -> None:
    service.busy = [{"Retry-After": "2"}, {"Retry-After": "5"}]
    async with local_client(5) as client:
        answer = await client.post(url, json={"a": 1})
    assert (answer.status_code, waits) == (200, [2.0, 5.0])
    assert service.bodies == [b'{"a":1}'] * 3


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "61"}])
async def test_it_does_not_wait_without_a_time_or_too_long(
    service: Service, url: str, waits: list[float], headers: dict[str, str]
) -> None:
    service.busy = [headers]
    async with local_client(5) as client:
        assert (await client.post(url)).status_code == httpx2.codes.SERVICE_UNAVAILABLE
    assert waits == []
