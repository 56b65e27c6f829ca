"""Proxies, load balancers and old clients, on a real server."""

import asyncio
import gzip
from collections.abc import AsyncIterator

import httpx2
import pytest

from services.intake.app import SERVICE
from services.runtime.http.app import application
from services.runtime.http.connections.server import Server
from tests.support.http_server import http_server
from tests.support.staff import STAFF
from tests.unit.intake.web.endpoints import intake

LONGEST_OF_PROXIES_S = 90
"""The longest default time for which a widespread proxy keeps an idle connection: that of Go's HTTP client, in Traefik
and Caddy. nginx and the load balancers of the large clouds have 60."""


@pytest.fixture
async def served() -> AsyncIterator[tuple[Server, str]]:
    """Intake, and its address."""
    async with http_server(application(SERVICE, intake())) as served:
        yield served


@pytest.fixture
async def client(served: tuple[Server, str]) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=served[1], trust_env=False) as client:
        yield client


async def test_the_proxy_closes_an_idle_connection_and_not_the_server(
    served: tuple[Server, str], client: httpx2.AsyncClient
) -> None:
    await client.get("/catalogue")
    (connection,) = served[0].server_state.connections
    left_s = connection.deadline - asyncio.get_running_loop().time()  # type: ignore[union-attr]
    assert left_s > LONGEST_OF_PROXIES_S


async def test_a_client_that_waits_to_be_told_to_continue_is(served: tuple[Server, str]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(served[1].rpartition(":")[2]))
    writer.write(
        b"POST /cases HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
        b"Connection: close\r\nExpect: 100-continue\r\n\r\n"
    )
    async with asyncio.timeout(10):
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"{}")
        assert (await reader.read()).startswith(b"HTTP/1.1 422 ")
    writer.close()


@pytest.mark.parametrize("path", ["/cases", "/imports"])
@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
async def test_a_compressed_body_is_refused_with_what_to_do(client: httpx2.AsyncClient, path: str, coding: str) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": coding, **STAFF}
    answer = await client.post(path, content=gzip.compress(b"{}"), headers=headers)
    assert answer.status_code == httpx2.codes.UNSUPPORTED_MEDIA_TYPE
    assert answer.headers["accept-encoding"] == "identity"
    assert "Content-Encoding" in answer.json()["detail"] and "压缩" in answer.json()["detail_zh"]


@pytest.mark.parametrize(
    "target", ["/catalogue?name=%CB%B0%CE%F1", "/cases/%CE%F1", "/cases/x?secret=%FF", "/nowhere?%80"]
)
async def test_an_address_in_gbk_is_refused_and_not_misread(client: httpx2.AsyncClient, target: str) -> None:
    answer = await client.get(target)
    assert answer.status_code == httpx2.codes.BAD_REQUEST
    assert "UTF-8" in answer.json()["title"] and "UTF-8" in answer.json()["detail_zh"]


async def test_raw_bytes_in_an_address_are_refused(served: tuple[Server, str]) -> None:
    for target in ("/catalogue?name=税", "/cases/税"):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(served[1].rpartition(":")[2]))
        writer.write(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        async with asyncio.timeout(10):
            assert (await reader.read()).startswith(b"HTTP/1.1 400 "), target
        writer.close()


async def test_an_address_in_utf_8_is_read(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/catalogue?name=%E7%A8%8E")).status_code == httpx2.codes.OK


@pytest.mark.parametrize(("method", "path"), [("GET", "/catalogue/"), ("POST", "/cases/"), ("GET", "/imports/")])
async def test_no_answer_leads_to_the_address_behind_the_proxy(
    client: httpx2.AsyncClient, method: str, path: str
) -> None:
    answer = await client.request(method, path, headers={"Host": "10.0.0.7:8000"})
    assert answer.status_code == httpx2.codes.NOT_FOUND and "location" not in answer.headers
