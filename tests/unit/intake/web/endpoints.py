"""Requests to intake's endpoints, on a host in memory."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from fastapi.testclient import TestClient
from httpx2 import Response
from pydantic import SecretStr

from services.intake.app import SERVICE
from services.intake.core.state import Case
from services.runtime.clock import FileClock
from services.runtime.http.app import application
from services.runtime.settings import Settings
from tests.support.applications import APPLICATION
from tests.support.messages import MONDAY
from tests.support.runtime.fakes import MemoryHost
from tests.support.staff import STAFF


def intake(systems: Sequence[str] = ("tax", "commerce", "land"), **settings: Any) -> MemoryHost[Case]:
    """A host of intake to which these department systems are connected."""
    own = Settings(
        service="intake",
        systems=tuple(systems),
        database=SecretStr("postgresql+asyncpg://127.0.0.1:1/none"),
        secret_key=SecretStr("a secret key of more than thirty-two bytes"),
        documents_key=SecretStr("k" * 32),
        **settings,
    )
    return MemoryHost(SERVICE, own, MONDAY)


def pass_time(process: MemoryHost[Case], time: timedelta) -> None:
    """Let so much time pass on this host."""
    assert isinstance(process.clock, FileClock)
    process.clock.set(process.clock.now() + time, speed=0)


def client_of(process: MemoryHost[Case], headers: Mapping[str, str] = STAFF) -> TestClient:
    """A client of intake's endpoints on this machine, by default one of staff."""
    app = application(SERVICE, process)
    return TestClient(
        app,
        base_url="http://127.0.0.1",
        client=("127.0.0.1", 50000),
        headers=dict(headers),
        raise_server_exceptions=False,
    )


def post(process: MemoryHost[Case], body: Any = None, **headers: str) -> Response:
    """The answer to an application, by default to `APPLICATION`."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return client_of(process).post("/cases", json=APPLICATION if body is None else body, headers=sent)


def send(process: MemoryHost[Case], path: str, content: Any, **options: Any) -> Response:
    """The answer to content that is posted to this path."""
    return client_of(process, **options).post(path, json=content)


def problem(response: Response, status: int) -> Any:
    """The content of an answer that is a problem with this status."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    content = response.json()
    assert content["status"] == status
    assert content["title"]
    assert content["title_zh"]
    assert ("detail" in content) == ("detail_zh" in content)
    return content
