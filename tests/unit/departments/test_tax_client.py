"""The HTTP client of the tax department, against a server under the test's control."""

import asyncio
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import unquote_plus

import pytest
from aiohttp import ClientError, web
from aiohttp.test_utils import TestServer

from services.departments.tax import client as module
from services.departments.tax.client import NotHttp, TaxAway, TaxClient, TokenRefused
from services.departments.tax.settings import TaxSettings
from services.runtime.external_system import RequestRefused, UnparseableReply

SECRET = "a secret: of the tests + more"


class Department:
    """Grants numbered tokens and answers requests with a valid one."""

    def __init__(self) -> None:
        self.issued = 0
        self.valid: set[str] = set()
        self.expires_in: float | str | None = 600.0
        self.requests: list[web.Request] = []
        self.token_answer: Callable[[], web.Response] | None = None
        self.answer: Callable[[web.Request], Awaitable[web.StreamResponse]] = self.fine

    async def fine(self, _: web.Request) -> web.StreamResponse:
        return web.Response(body=b"{}")

    async def token(self, request: web.Request) -> web.Response:
        self.issued += 1
        if self.token_answer is not None:
            return self.token_answer()
        kind, _, encoded = request.headers["Authorization"].partition(" ")
        name, _, secret = b64decode(encoded).decode().partition(":")
        assert (kind, unquote_plus(name), unquote_plus(secret)) == ("Basic", "onedoor", SECRET)
        assert (await request.post())["grant_type"] == "client_credentials"
        self.valid.add(token := f"token-{self.issued}")
        return web.json_response({"access_token": token, "token_type": "bearer", "expires_in": self.expires_in})

    async def request(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        if request.headers["Authorization"].removeprefix("Bearer ") not in self.valid:
            return web.Response(status=401)
        return await self.answer(request)


@pytest.fixture
def department() -> Department:
    return Department()


@pytest.fixture
async def server(department: Department) -> AsyncIterator[TestServer]:
    app = web.Application()
    app.router.add_post("/oauth/token", department.token)
    app.router.add_route("*", "/{tail:.*}", department.request)
    server = TestServer(app)
    await server.start_server()
    yield server
    await server.close()


@pytest.fixture
async def client(server: TestServer) -> AsyncIterator[TaxClient]:
    client = TaxClient(TaxSettings(url=str(server.make_url("")), client_secret=SECRET, timeout_s=1, connections=2))
    await client.open()
    yield client
    await client.close()


async def get(client: TaxClient) -> bytes:
    return await client.request("GET", client.url("/x"))


async def test_many_requests_share_one_token(client: TaxClient, department: Department) -> None:
    assert await asyncio.gather(*(get(client) for _ in range(10))) == [b"{}"] * 10
    assert department.issued == 1


async def test_a_refused_token_is_replaced_once_for_all_requests(client: TaxClient, department: Department) -> None:
    await get(client)
    department.valid.clear()
    await asyncio.gather(*(get(client) for _ in range(10)))
    assert department.issued == 2


@pytest.mark.parametrize("expires_in", [0, 1, 5, "3600", None, -1, -2])
async def test_no_life_of_a_token_causes_a_fetch_for_each_request(
    client: TaxClient, department: Department, expires_in: float | str | None
) -> None:
    department.expires_in = expires_in
    for _ in range(10):
        await get(client)
    assert department.issued == 1


async def test_a_token_without_its_type_is_used(client: TaxClient, department: Department) -> None:
    department.valid.add("t")
    department.token_answer = lambda: web.json_response({"access_token": "t", "expires_in": "7200"})
    assert await get(client) == b"{}"


async def test_a_refused_new_token_is_not_replaced_again(client: TaxClient, department: Department) -> None:
    async def never(_: web.Request) -> web.StreamResponse:
        return web.Response(status=401)

    department.answer = never
    with pytest.raises(TaxAway, match="401"):
        await get(client)
    assert (department.issued, len(department.requests)) == (2, 2)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (lambda: web.json_response({"error": "invalid_client"}, status=401), "invalid_client"),
        (lambda: web.json_response({"error": "张三 110105"}, status=400), "not understood"),
        (lambda: web.json_response({"error": "invalid_client"}), "invalid_client"),
        (lambda: web.json_response({"access_token": "t", "expires_in": float("inf")}), "not understood"),
        (lambda: web.Response(text="系统繁忙"), "not understood"),
        (lambda: web.json_response({"access_token": "a\r\nb", "token_type": "bearer"}), "not understood"),
        (lambda: web.json_response({"access_token": "t", "token_type": "mac"}), "not understood"),
    ],
)
async def test_no_token(
    client: TaxClient, department: Department, answer: Callable[[], web.Response], error: str
) -> None:
    department.token_answer = answer
    with pytest.raises(TokenRefused) as refused:
        await get(client)
    assert refused.value.error == error
    assert not department.requests


async def test_without_a_token_endpoint_the_department_is_unavailable(
    client: TaxClient, department: Department
) -> None:
    department.token_answer = lambda: web.Response(status=503)
    with pytest.raises(TaxAway, match="503"):
        await get(client)


@pytest.mark.parametrize("status", [429, 503])
async def test_a_busy_department_names_the_time_to_wait(client: TaxClient, department: Department, status: int) -> None:
    async def busy(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers={"Retry-After": "120"})

    department.answer = busy
    with pytest.raises(TaxAway, match="wait for 120 s") as away:
        await get(client)
    assert away.value.retry_after_s == 120


async def test_a_busy_token_endpoint_names_the_time_to_wait(client: TaxClient, department: Department) -> None:
    department.token_answer = lambda: web.Response(status=429, headers={"Retry-After": "7"})
    with pytest.raises(TaxAway) as away:
        await get(client)
    assert away.value.retry_after_s == 7


async def test_a_refused_request_does_not_mean_unavailable(client: TaxClient, department: Department) -> None:
    async def refuse(_: web.Request) -> web.StreamResponse:
        return web.Response(status=422, text="no such item")

    department.answer = refuse
    with pytest.raises(RequestRefused, match="422") as refused:
        await get(client)
    assert refused.value.raw == b"no such item"


async def test_a_redirect_is_not_followed(client: TaxClient, department: Department) -> None:
    async def elsewhere(_: web.Request) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": "/elsewhere"})

    department.answer = elsewhere
    with pytest.raises(TaxAway, match="307"):
        await get(client)
    assert [request.path for request in department.requests] == ["/x"]


async def test_an_endless_answer_is_given_up(
    client: TaxClient, department: Department, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 1000)

    monkeypatch.setattr(module, "MOST_BYTES", 100_000)
    department.answer = endless
    with pytest.raises(UnparseableReply, match="too long") as fault:
        await get(client)
    assert fault.value.raw == b"x" * module.KEPT_BYTES
    department.answer = department.fine
    assert await get(client) == b"{}"


async def test_a_missing_answer_times_out(client: TaxClient, department: Department) -> None:
    async def silent(_: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    department.answer = silent
    with pytest.raises(TimeoutError):
        await get(client)


@pytest.mark.parametrize("reply", [b"\x00\x01\x02\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"])
async def test_an_answer_that_is_not_http_is_an_error_without_secrets(
    client: TaxClient, department: Department, reply: bytes
) -> None:
    async def garbled(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.write(reply)
        request.transport.close()
        return web.Response()

    department.answer = garbled
    with pytest.raises(NotHttp) as fault:
        await get(client)
    assert "token" not in repr(fault.value)
    assert fault.value.__cause__ is None


async def test_the_long_cookies_of_a_gateway_do_no_harm(client: TaxClient, department: Department) -> None:
    async def with_cookie(_: web.Request) -> web.StreamResponse:
        return web.Response(body=b"{}", headers={"Set-Cookie": f"sso={'x' * 20_000}"})

    department.answer = with_cookie
    assert await get(client) == b"{}"


async def test_a_broken_answer_is_an_error(client: TaxClient, department: Department) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport is not None
        request.transport.abort()
        return response

    department.answer = cut
    with pytest.raises(ClientError):
        await get(client)


async def test_a_kept_connection_that_the_server_closes_under_a_request_is_an_error_once(
    client: TaxClient, department: Department
) -> None:
    """A request with a body may have been processed. It is repeated under its idempotency key, and not here."""

    async def closing(request: web.Request) -> web.StreamResponse:
        department.answer = department.fine
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    await get(client)
    department.answer = closing
    with pytest.raises(ClientError):
        await client.request("POST", client.url("/x"), b"{}")
    assert len(department.requests) == 2
    assert await client.request("POST", client.url("/x"), b"{}") == b"{}"


async def test_proxies_of_the_environment_are_not_used(client: TaxClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert await get(client) == b"{}"
