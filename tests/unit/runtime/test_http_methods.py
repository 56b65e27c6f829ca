"""HEAD and OPTIONS, and the probes of load balancers, on a real server."""

import asyncio
from collections.abc import AsyncIterator

import httpx2
import pytest

from contracts.bilingual import Bilingual
from services.intake.app import SERVICE
from services.runtime.http.app import application
from services.runtime.http.operating.routes import add_health
from tests.support.http_server import http_server
from tests.support.staff import STAFF
from tests.unit.intake.web.endpoints import intake

FAULTS: list[Bilingual] = []
CASE = "/cases/K7Q2-9MXF-4TBA-3"


@pytest.fixture
async def address() -> AsyncIterator[str]:
    """The address of intake."""

    async def faults() -> list[Bilingual]:
        return FAULTS

    api = application(SERVICE, intake())
    add_health(api, faults)
    async with http_server(api) as (_, served):
        yield served


@pytest.fixture
async def client(address: str) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=address, trust_env=False) as client:
        yield client


async def sent(address: str, request: bytes) -> bytes:
    """All that the server answers to these bytes until it closes, or waits for more."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2]))
    writer.write(request)
    async with asyncio.timeout(10):
        answer = await reader.read(1) if request else b""  # a client that leaves earlier gets no answer
        if b"Connection: close" not in request:
            writer.write_eof()
        answer += await reader.read()
    writer.close()
    return answer


@pytest.mark.parametrize("faults", [[], [Bilingual("Kafka: lag unknown", "Kafka：积压数未知")]])
@pytest.mark.parametrize("path", ["/health", "/catalogue", CASE, "/cases/x", "/", "/none"])
async def test_head_has_the_status_and_headers_of_get_and_no_body(
    client: httpx2.AsyncClient, path: str, faults: list[Bilingual], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "FAULTS", faults)
    head, get = await client.head(path), await client.get(path)
    assert head.status_code == get.status_code < 504
    assert head.content == b""
    assert head.headers.get("content-type") == get.headers.get("content-type")
    if path != "/catalogue":
        assert head.headers["content-length"] == get.headers["content-length"]
    if path == "/health":
        assert head.status_code == (503 if faults else 200)


async def test_head_of_an_endpoint_without_get_is_refused_with_the_methods_that_there_are(
    client: httpx2.AsyncClient,
) -> None:
    for method in ("HEAD", "GET", "DELETE"):
        answer = await client.request(method, "/cases")
        assert (answer.status_code, answer.headers["allow"]) == (405, "OPTIONS, POST")
    assert (await client.head("/imports", headers=STAFF)).status_code == 405


@pytest.mark.parametrize(
    ("path", "allowed"),
    [("/health", "GET, HEAD, OPTIONS"), ("/cases", "OPTIONS, POST"), (CASE, "GET, HEAD, OPTIONS")],
)
async def test_options_names_the_methods_of_a_path(client: httpx2.AsyncClient, path: str, allowed: str) -> None:
    answer = await client.options(path, headers={"Origin": "https://x.example", "Access-Control-Request-Method": "GET"})
    assert (answer.status_code, answer.headers["allow"], answer.content) == (204, allowed, b"")
    assert not any(name.startswith("access-control") for name in answer.headers), "no other origin is allowed"
    assert (await client.options("/none")).status_code == 404


@pytest.mark.parametrize(
    ("probe", "status"),
    [
        (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 204"),
        (b"HEAD /health HTTP/1.0\r\n\r\n", b"HTTP/1.1 200"),
        (b"OPTIONS /health HTTP/1.0\r\n\r\n", b"HTTP/1.1 204"),
        (b"GET /health HTTP/1.0\r\n\r\n", b"HTTP/1.1 200"),
        (b"HEAD http://x/health HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 200"),
        (b"GET /health HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", b"HTTP/1.1 400"),
        (b"POST /cases HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", b"HTTP/1.1 400"),
        (b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\nGET / HTTP/1.0\r\n\r\n", b"HTTP/1.1 400"),
        (b"\x16\x03\x01\x02\x00\x01\x00", b"HTTP/1.1 400"),
        (b"", b""),
    ],
)
async def test_a_probe_gets_its_status_and_the_next_client_is_served(
    address: str, client: httpx2.AsyncClient, probe: bytes, status: bytes
) -> None:
    answer = await sent(address, probe)
    assert answer.startswith(status)
    if status == b"HTTP/1.1 200" and probe.startswith(b"HEAD"):
        assert answer.endswith(b"\r\n\r\n")
    assert (await client.get("/health")).status_code == 200


async def test_one_connection_serves_head_options_and_get(address: str) -> None:
    requests = b"".join(
        f"{method} /catalogue HTTP/1.1\r\nHost: x\r\n{last}\r\n".encode()
        for method, last in (("HEAD", ""), ("OPTIONS", ""), ("GET", "Connection: close\r\n"))
    )
    answer = await sent(address, requests)
    assert [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]] == [b"200", b"204", b"200"]
    assert answer.count(b'"id_kinds"') == 1
