"""How many requests one client may send, and who a client is."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from fastapi import APIRouter, FastAPI, Request
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from deploy.local.site import free_port
from services.intake.app import SERVICE as INTAKE
from services.runtime.http.app import application, web_application
from services.runtime.http.connections.client_limits import (
    MINUTE_NS,
    MOST_CLIENTS,
    SECOND_NS,
    UNKNOWN,
    ClientLimit,
    client_of,
)
from services.runtime.http.connections.server import serving
from services.runtime.settings import HttpSettings
from tests.support.applications import APPLICATION
from tests.unit.intake.web.endpoints import intake, problem


class Nanoseconds:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.at = 10**15

    def __call__(self) -> int:
        return self.at


@pytest.fixture
def clock() -> Nanoseconds:
    return Nanoseconds()


def allowed(limit: ClientLimit, client: str, requests: int) -> int:
    """How many of these requests, sent at once, are allowed."""
    return sum(limit.wait_ns(client) == 0 for _ in range(requests))


def refused() -> float:
    return REGISTRY.get_sample_value("onedoor_http_limited_total", {"limit": "test"}) or 0


@pytest.mark.parametrize("a_minute", [1, 7, 60, 600, 100_000])
def test_a_client_sends_a_whole_minute_at_once_and_then_evenly(clock: Nanoseconds, a_minute: int) -> None:
    limit = ClientLimit("test", a_minute, clock)
    before = refused()
    assert allowed(limit, "one", a_minute + 3) == a_minute
    assert refused() == before + 3
    clock.at += MINUTE_NS // a_minute
    assert allowed(limit, "one", 3) == 1
    clock.at += MINUTE_NS // 2
    assert allowed(limit, "one", a_minute) == a_minute // 2
    clock.at += 2 * MINUTE_NS
    assert allowed(limit, "one", a_minute + 3) == a_minute


def test_what_is_refused_says_when_it_is_allowed_and_does_not_count(clock: Nanoseconds) -> None:
    limit = ClientLimit("test", 4, clock)
    assert allowed(limit, "one", 1000) == 4
    wait_ns = limit.wait_ns("one")
    assert wait_ns == 15 * SECOND_NS
    clock.at += wait_ns - 1
    assert limit.wait_ns("one") == 1
    clock.at += 1
    assert limit.wait_ns("one") == 0


@given(pauses=st.lists(st.integers(0, 20 * SECOND_NS), max_size=60), a_minute=st.integers(1, 20))
def test_in_no_span_more_than_a_minute_at_once_and_the_rest_evenly(pauses: list[int], a_minute: int) -> None:
    clock = Nanoseconds()
    limit = ClientLimit("test", a_minute, clock)
    let_through = []
    for pause in pauses:
        clock.at += pause
        if limit.wait_ns("one") == 0:
            let_through.append(clock.at)
    for first, begin in enumerate(let_through):
        for last, end in enumerate(let_through[first:], first):
            assert last - first + 1 <= a_minute + (end - begin) * a_minute / MINUTE_NS + 1e-6


def test_the_flood_of_one_client_takes_nothing_from_another(clock: Nanoseconds) -> None:
    limit = ClientLimit("test", 5, clock)
    assert allowed(limit, "flood", 10_000) == 5
    assert allowed(limit, "other", 10) == 5


def test_memory_is_bounded_and_those_that_came_last_are_known(clock: Nanoseconds) -> None:
    limit = ClientLimit("test", 1, clock)
    assert allowed(limit, "early", 2) == allowed(limit, "late", 2) == 1
    for number in range(MOST_CLIENTS - 1):
        limit.wait_ns(f"client {number}")
        assert limit.wait_ns("late") > 0
    assert len(limit) == MOST_CLIENTS
    assert limit.wait_ns("early") == 0, "it is forgotten, and begins anew"


def test_zero_is_no_limit(clock: Nanoseconds) -> None:
    limit = ClientLimit("test", 0, clock)
    assert allowed(limit, "one", 1000) == 1000
    assert len(limit) == 0


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", UNKNOWN),
        ("unknown", UNKNOWN),
        ("192.0.2.7, 192.0.2.8", UNKNOWN),
        ("_hidden" * 1000, UNKNOWN),
    ],
)
def test_a_client_is_an_address_or_the_network_of_one(address: str, client: str) -> None:
    assert client_of(Request({"type": "http", "client": (address, 1)})) == client


def test_a_request_without_an_address_has_a_client() -> None:
    assert client_of(Request({"type": "http", "client": None})) == UNKNOWN


@asynccontextmanager
async def telling(**settings: Any) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a server that answers who the client is."""
    router = APIRouter()

    @router.get("/client")
    async def client(request: Request) -> str:
        return client_of(request)

    own = HttpSettings(port=free_port(), operator_port=free_port(), **settings)
    async with (
        serving(web_application("telling", router), web_application("nothing"), own),
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{own.port}", trust_env=False) as asking,
    ):
        yield asking


@pytest.mark.parametrize(
    ("proxies", "lines", "client"),
    [
        ("127.0.0.1", ["192.0.2.7"], "192.0.2.7"),
        ("127.0.0.0/8", ["192.0.2.7"], "192.0.2.7"),
        ("127.0.0.1", [], "127.0.0.1"),
        ("127.0.0.1", ["203.0.113.1, 192.0.2.7"], "192.0.2.7"),
        ("127.0.0.1", ["203.0.113.1", "192.0.2.7"], "192.0.2.7"),
        ("127.0.0.1, 10.1.0.0/16", ["203.0.113.1, 192.0.2.7, 10.1.2.3"], "192.0.2.7"),
        ("127.0.0.1", ["2001:db8:1:2:3:4:5:6"], "2001:db8:1:2::/64"),
        ("127.0.0.1", ["[2001:db8:1:2::6]:4711"], "2001:db8:1:2::/64"),
        ("127.0.0.1", ["nonsense"], UNKNOWN),
        ("10.1.0.0/16", ["192.0.2.7"], "127.0.0.1"),
        ("", ["192.0.2.7"], "127.0.0.1"),
    ],
)
async def test_only_a_trusted_proxy_says_who_the_client_is(
    monkeypatch: pytest.MonkeyPatch, proxies: str, lines: list[str], client: str
) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")  # uvicorn's own setting does not count
    async with telling(trusted_proxies=proxies) as asking:
        headers = [("X-Forwarded-For", line) for line in lines]
        assert (await asking.get("/client", headers=headers)).json() == client


LIMITED = {"/cases": "ONEDOOR_APPLICATIONS_A_MINUTE", "/cases/{number}": "ONEDOOR_TRACKING_A_MINUTE"}


@pytest.fixture
def limited(monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    """Intake, at which each client may send three requests a minute."""
    for name in LIMITED.values():
        monkeypatch.setenv(name, "3")
    return application(INTAKE, intake())


def from_address(app: FastAPI, address: str) -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app, client=(address, 1))
    return httpx2.AsyncClient(transport=transport, base_url="http://intake")


def public(app: FastAPI) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Method, path and description of the endpoints that everybody may call."""
    for path, methods in app.openapi()["paths"].items():
        for method, described in methods.items():
            if not described.get("security"):
                yield method, path, described


async def test_all_public_endpoints_but_the_constant_one_have_a_limit(limited: FastAPI) -> None:
    endpoints = list(public(limited))
    assert len(endpoints) == 4
    for number, (method, path, described) in enumerate(endpoints):
        async with from_address(limited, f"192.0.2.{number}") as client:
            address = path.replace("{number}", "K7Q2-9MXF-4TBA-3")
            statuses = [(await client.request(method, address, json={})).status_code for _ in range(4)]
            last = await client.request(method, address, json={})
        if path == "/catalogue":  # a constant, and each answer costs less than its refusal would
            assert last.status_code == 200
            continue
        assert 429 not in statuses[:3] and statuses[3] == 429, (method, path)
        assert problem(last, 429)["type"] == "urn:onedoor:problem:too-many-requests"
        assert last.headers["retry-after"] == "20"
        assert "429" in described["responses"]


async def test_another_client_is_served_meanwhile(limited: FastAPI) -> None:
    async with from_address(limited, "2001:db8::1") as flood, from_address(limited, "2001:db8:0:1::1") as other:
        statuses = [(await flood.post("/cases", json=APPLICATION)).status_code for _ in range(5)]
        assert statuses == [201, 201, 201, 429, 429]
        assert (await other.post("/cases", json=APPLICATION)).status_code == 201
