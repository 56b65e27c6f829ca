"""The HTTP applications of a process: for operators readiness and paused topics, for all errors as problems."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import httpx2
import pytest
from fastapi import APIRouter, FastAPI

from contracts.bilingual import Bilingual
from services.runtime.http.app import application, web_application
from services.runtime.http.operating import routes as operating
from services.runtime.http.operating import topics
from services.runtime.http.operating.routes import add_health, operator_application
from services.runtime.security.access import Access
from services.runtime.security.access_tokens import TokenVerifier
from services.runtime.store.database import DatabaseUnreachable
from services.runtime.store.documents import UnusableVersion
from tests.support.runtime.fakes import MemoryHost, MemoryRecord
from tests.support.runtime.toy import AT, settings, toy
from tests.support.staff import AUDIENCE, HOLDERS, ISSUER, TOKEN

TOO_MANY = Bilingual("too many dead letters", "死信过多")
NO_DATABASE = Bilingual("database: OSError", "数据库：OSError")


COMMON = {
    "/record",
    "/process",
    "/topics",
    "/topics/{topic}/resume",
    "/dead-letters",
    "/dead-letters/{number}",
    "/dead-letter-replays",
    "/dead-letter-drops",
    "/dead-letters/{number}/correction",
}
"""The endpoints that every service has."""


@dataclass
class Pause:
    """A pause of a topic."""

    reason: Bilingual = TOO_MANY
    since: datetime = AT


@dataclass
class Reader:
    """A fake consumer that reads two topics."""

    topics: tuple[str, ...] = ("onedoor.answers.tax", "onedoor.cases")
    paused: dict[str, Pause] = field(default_factory=dict)

    async def resume(self, topic: str) -> bool:
        return self.paused.pop(topic, None) is not None


def served(route: Callable[[], None] | None = None) -> FastAPI:
    """The API of a service with this route."""
    router = APIRouter()
    if route is not None:
        router.get("/route")(route)
    service = toy(routes=lambda _: router)
    return application(
        service, MemoryHost(service, settings("postgresql+asyncpg://127.0.0.1:1/none"), datetime.now(UTC))
    )


def operated(
    *, faults: tuple[Bilingual, ...] = (), impairments: tuple[Bilingual, ...] = (), reader: Reader | None = None
) -> FastAPI:
    """What the operator's port of that service answers."""

    async def found() -> list[Bilingual]:
        return list(faults)

    routes = None if reader is None else topics.routes(reader, access())
    return operator_application(served(lambda: None), found, lambda: list(impairments), routes, MemoryRecord())


def access() -> Access:
    found = Access(TokenVerifier(ISSUER.url, AUDIENCE), date.today, MemoryRecord())
    found.holders = HOLDERS
    return found


def client(app: FastAPI, token: str | None = None) -> httpx2.AsyncClient:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    return httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000", headers=headers)


@pytest.mark.parametrize(
    ("faults", "impairments", "expected"),
    [
        ((), (), (200, "ready")),
        ((), (Bilingual("topic onedoor.answers.tax is paused", "主题已暂停"),), (200, "impaired")),
        ((NO_DATABASE,), (Bilingual("poll: failed 3 times", "poll：连续失败 3 次"),), (503, "not ready")),
    ],
)
async def test_readiness_names_what_stands_still(
    faults: tuple[Bilingual, ...], impairments: tuple[Bilingual, ...], expected: tuple[int, str]
) -> None:
    async with client(operated(faults=faults, impairments=impairments)) as asking:
        answer = await asking.get("/health/ready")
    body = answer.json()
    assert (answer.status_code, body["status"]) == expected
    assert (body["faults"], body.get("impairments", [])) == (
        [one.en for one in faults],
        [one.en for one in impairments],
    )


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (DatabaseUnreachable("no connection"), 503, "about:blank"),
        (UnusableVersion("version 7"), 503, "urn:onedoor:problem:unusable-version"),
        (PermissionError("catalogue.yaml"), 500, "about:blank"),
        (TimeoutError(), 500, "about:blank"),
        (ConnectionResetError(), 500, "about:blank"),
    ],
)
async def test_only_a_fault_of_the_database_passes_for_one(error: Exception, status: int, kind: str) -> None:
    def route() -> None:
        raise error

    async with client(served(route)) as asking:
        answer = await asking.get("/route")
    assert (answer.status_code, answer.json()["type"]) == (status, kind)
    assert "catalogue" not in answer.text


async def test_operators_read_the_description_of_the_api_and_of_nothing_else() -> None:
    async with client(operated()) as asking:
        described = (await asking.get("/openapi.json")).json()
        assert (await asking.head("/metrics")).status_code == 200
    assert described["servers"] == [{"url": "/api/toy"}]
    assert set(described["paths"]) == {"/route", *COMMON}


async def test_the_public_learns_whether_a_replica_works_and_not_why_it_does_not() -> None:
    faults, looks, free = [NO_DATABASE], 0, asyncio.Event()

    async def look() -> list[Bilingual]:
        nonlocal looks
        looks += 1
        await free.wait()
        return faults

    app = web_application("pages")
    add_health(app, look)
    async with client(app) as asking:
        together = asyncio.gather(*(asking.get("/health") for _ in range(50)))
        free.set()
        for answer in [*await together, await asking.get("/health")]:
            assert (answer.status_code, answer.content) == (503, b"")
        assert looks == 1, "a flood of questions asks the database once a second"
        for path in ("/health/ready", "/health/live", "/metrics", "/openapi.json", "/topics"):
            assert (await asking.get(path)).status_code == 404


async def test_a_replica_that_works_again_is_known_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operating, "FRESH_S", 0.0)
    faults = [NO_DATABASE]

    async def look() -> list[Bilingual]:
        return list(faults)

    app = web_application("pages")
    add_health(app, look)
    async with client(app) as asking:
        assert (await asking.get("/health")).status_code == 503
        faults.clear()
        assert (await asking.get("/health")).status_code == 200


async def test_an_operator_sees_and_resumes_paused_topics() -> None:
    reader = Reader(paused={"onedoor.answers.tax": Pause()})
    app = operated(reader=reader)
    async with client(app) as stranger:
        assert (await stranger.get("/topics")).status_code == 401
        assert (await stranger.post("/topics/onedoor.answers.tax/resume")).status_code == 401
    async with client(app, TOKEN) as operator:
        assert (await operator.get("/topics")).json() == [
            {
                "topic": "onedoor.answers.tax",
                "paused_since": "2026-03-02T01:00:00Z",
                "reason": "too many dead letters",
                "reason_zh": "死信过多",
            },
            {"topic": "onedoor.cases", "paused_since": None, "reason": None, "reason_zh": None},
        ]
        assert (await operator.post("/topics/onedoor.answers.tax/resume")).status_code == 200
        assert not reader.paused
        assert (await operator.post("/topics/onedoor.answers.tax/resume")).status_code == 404


async def test_a_process_that_does_not_know_the_directory_yet_asks_to_wait() -> None:
    known = False
    unknown = Access(TokenVerifier(ISSUER.url, AUDIENCE), date.today, MemoryRecord(), lambda: known)
    app = web_application("operator", topics.routes(Reader(), unknown), record=MemoryRecord())
    async with client(app, TOKEN) as operator:
        waiting = await operator.get("/topics")
        assert (waiting.status_code, waiting.headers["retry-after"]) == (503, "1")
        known = True
        assert (await operator.get("/topics")).status_code == 403, "there is no directory"
