"""A host that keeps cases in memory, and requests to intake's endpoints on it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx2 import Response
from pydantic import SecretStr

from contracts.envelope import Message, envelop
from services.intake.core.state import Case
from services.intake.web.api import routes
from services.runtime.http import problems
from services.runtime.settings import Settings
from tests.support.persons import citizen_number
from tests.unit.intake.cases import handle

NOW = datetime(2026, 3, 2, 2, tzinfo=UTC)

APPLICATION: dict[str, Any] = {
    "bundle": "transfer-property",
    "applicant": {"kind": "person", "name": "王小明", "id_number": citizen_number()},
    "materials": ["identity", "房屋买卖合同", "Certificate of title"],
    "region": "110105",
    "channel": "window",
}


class MemoryHost:
    """Keeps states and published messages in memory."""

    def __init__(self, systems: Sequence[str] = ("tax", "commerce", "land"), **settings: Any) -> None:
        self.settings = Settings(
            service="intake",
            systems=tuple(systems),
            database=SecretStr("postgresql+asyncpg://nowhere/intake"),
            secret_key=SecretStr("a secret key of more than thirty-two bytes"),
            **settings,
        )
        self.clock = SimpleNamespace(now=lambda: NOW)
        self.states: dict[str, Case] = {}
        self.published: list[Message] = []

    async def command(self, case_id: str, message: Message, *, time: datetime | None = None) -> Case:
        envelope = envelop(message, id=uuid4(), source="onedoor/intake", subject=case_id, time=time or NOW)
        step = handle(self.states.get(case_id), envelope)
        self.states[case_id] = step.state
        self.published += step.out
        return step.state

    async def commands(
        self, messages: list[tuple[str, Message]], *, time: datetime | None = None
    ) -> list[Case | BaseException]:
        results: list[Case | BaseException] = []
        for case_id, message in messages:
            try:
                results.append(await self.command(case_id, message, time=time))
            except Exception as error:
                results.append(error)
        return results

    async def read(self, case_id: str) -> Case | None:
        return self.states.get(case_id)


def client_of(process: MemoryHost, host: str = "127.0.0.1") -> TestClient:
    """A client of intake's endpoints that calls from this address."""
    app = FastAPI()
    problems.install(app)
    app.include_router(routes(process))  # type: ignore[arg-type]
    return TestClient(app, base_url="http://127.0.0.1", client=(host, 50000), raise_server_exceptions=False)


def post(process: MemoryHost, body: Any = None, **headers: str) -> Response:
    """The answer to an application, by default to `APPLICATION`."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return client_of(process).post("/cases", json=APPLICATION if body is None else body, headers=sent)


def problem(response: Response, status: int) -> Any:
    """The content of an answer that is a problem with this status."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    content = response.json()
    assert content["status"] == status
    assert content["title"]
    assert content["title_zh"]
    return content
