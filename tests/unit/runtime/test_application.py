"""The HTTP application of a service: readiness, paused topics, and errors as problems."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx2
import pytest
from fastapi import APIRouter, FastAPI
from pydantic import SecretStr

from services.runtime.http import topics
from services.runtime.http.app import application
from services.runtime.store.database import DatabaseUnreachable
from services.runtime.store.documents import UnusableVersion
from tests.support.runtime.fakes import MemoryHost
from tests.support.runtime.toy import AT, settings, toy

TOKEN = "a token of staff"


@dataclass
class Pause:
    """A pause of a topic."""

    reason: str = "too many dead letters"
    since: datetime = AT


@dataclass
class Reader:
    """A fake consumer that reads two topics."""

    topics: tuple[str, ...] = ("onedoor.answers.tax", "onedoor.cases")
    paused: dict[str, Pause] = field(default_factory=dict)

    async def resume(self, topic: str) -> bool:
        return self.paused.pop(topic, None) is not None


def served(
    *, faults: tuple[str, ...] = (), impairments: tuple[str, ...] = (), route: Callable[[], None] | None = None
) -> FastAPI:
    router = APIRouter()
    if route is not None:
        router.get("/route")(route)
    service = toy(routes=lambda _: router)
    host = MemoryHost(service, settings("postgresql+asyncpg://127.0.0.1:1/none"), datetime.now(UTC))

    async def found() -> list[str]:
        return list(faults)

    return application(service, host, found, lambda: list(impairments))


def client(app: FastAPI, token: str | None = None) -> httpx2.AsyncClient:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    return httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000", headers=headers)


@pytest.mark.parametrize(
    ("faults", "impairments", "expected"),
    [
        ((), (), (200, "ready")),
        ((), ("topic onedoor.answers.tax is paused",), (200, "impaired")),
        (("database: OSError",), ("poll: failed 3 times",), (503, "not ready")),
    ],
)
async def test_readiness_names_what_stands_still(
    faults: tuple[str, ...], impairments: tuple[str, ...], expected: tuple[int, str]
) -> None:
    async with client(served(faults=faults, impairments=impairments)) as asking:
        answer = await asking.get("/health/ready")
    body = answer.json()
    assert (answer.status_code, body["status"]) == expected
    assert (body["faults"], body.get("impairments", [])) == (list(faults), list(impairments))


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

    async with client(served(route=route)) as asking:
        answer = await asking.get("/route")
    assert (answer.status_code, answer.json()["type"]) == (status, kind)
    assert "catalogue" not in answer.text


async def test_an_operator_sees_and_resumes_paused_topics() -> None:
    reader = Reader(paused={"onedoor.answers.tax": Pause()})
    app = served()
    app.include_router(topics.routes(reader, SecretStr(TOKEN)))
    async with client(app) as stranger:
        assert (await stranger.get("/topics")).status_code == 401
        assert (await stranger.post("/topics/onedoor.answers.tax/resume")).status_code == 401
    async with client(app, TOKEN) as operator:
        assert (await operator.get("/topics")).json() == [
            {
                "topic": "onedoor.answers.tax",
                "paused_since": "2026-03-02T01:00:00Z",
                "reason": "too many dead letters",
            },
            {"topic": "onedoor.cases", "paused_since": None, "reason": None},
        ]
        assert (await operator.post("/topics/onedoor.answers.tax/resume")).status_code == 200
        assert not reader.paused
        assert (await operator.post("/topics/onedoor.answers.tax/resume")).status_code == 404
