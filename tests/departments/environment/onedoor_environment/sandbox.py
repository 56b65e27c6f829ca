"""The sandbox of the environment department's system.

PUT  /permits          takes an application and answers with its state
GET  /decided?limit=   decided applications that have not been acknowledged
POST /acknowledged     keys of applications that need not be reported again
"""

import asyncio
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import Field, SecretStr

from contracts.messages.plans import Outcome
from services.departments.sandbox.backend import SandboxBackend
from services.departments.sandbox.behaviour import Mistake
from services.departments.sandbox.ledger import LedgerEntry
from services.departments.sandbox.settings import SandboxSettings
from services.departments.sdk.adapter import Clock


class EnvironmentSandboxSettings(SandboxSettings):
    """Settings of the sandbox."""

    host: str = Field("127.0.0.1", description="Address the sandbox listens on.")
    port: int = Field(8383, ge=0, le=65535, description="Port the sandbox listens on; 0 for any that is free.")
    key: SecretStr = Field(min_length=16, description="The API key that it accepts.")
    no_answer_s: float = Field(30.0, gt=0, description="Seconds without an answer in the mistake 'no-answer'.")


class EnvironmentSandbox:
    """The HTTP interface."""

    def __init__(self, settings: EnvironmentSandboxSettings, backend: SandboxBackend) -> None:
        self._settings = settings
        self._backend = backend

    def application(self) -> web.Application:
        application = web.Application(middlewares=[self._guard])
        application.add_routes([web.put("/permits", self.take), web.get("/decided", self.decided)])
        application.add_routes([web.post("/acknowledged", self.acknowledged)])
        return application

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        key = self._settings.key.get_secret_value()
        if not hmac.compare_digest(request.headers.get("X-Api-Key", "").encode(), key.encode()):
            raise web.HTTPUnauthorized
        if self._backend.away:
            raise web.HTTPServiceUnavailable
        return await handler(request)

    async def take(self, request: web.Request) -> web.Response:
        content = await request.json()
        if self._backend.rejects(content["item"]):
            raise web.HTTPUnprocessableEntity
        (entry,) = (await self._backend.take({content["key"]: content["item"]})).values()
        if entry.makes(Mistake.NO_ANSWER):
            await asyncio.sleep(self._settings.no_answer_s)
        if entry.makes(Mistake.GARBLED_RECEIPT):
            return web.Response(text="<html>系统繁忙</html>")
        return web.json_response(_permit(entry, decided=entry.decided(self._backend.clock.now())))

    async def decided(self, request: web.Request) -> web.Response:
        permits: list[dict[str, Any]] = []
        for entry in await self._backend.unreported(int(request.query["limit"])):
            for reported in entry.reported:
                permit = _permit(reported, decided=True)
                permits.append(permit | ({"verdict": "??"} if entry.makes(Mistake.GARBLED_DECISION) else {}))
        return web.json_response({"permits": permits})

    async def acknowledged(self, request: web.Request) -> web.Response:
        await self._backend.mark_reported(await request.json())
        return web.Response(status=204)


def _permit(entry: LedgerEntry, *, decided: bool) -> dict[str, Any]:
    taken = {"key": entry.task_id, "received": entry.by_its_clock(entry.received_at).isoformat()}
    if not decided:
        return taken | {"number": entry.receipt_number}
    return {
        **taken,
        "number": entry.number,
        "verdict": "granted" if entry.outcome is Outcome.APPROVED else "denied",
        "decided": entry.by_its_clock(entry.decide_at).isoformat(),
        "document": entry.certificate,
        "remark": entry.opinion,
    }


@asynccontextmanager
async def running(settings: EnvironmentSandboxSettings, clock: Clock) -> AsyncIterator[str]:
    """The sandbox, answering at the address given."""
    backend = SandboxBackend("environment", "环受", settings, clock)
    await backend.open()
    runner = web.AppRunner(EnvironmentSandbox(settings, backend).application(), access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.host, settings.port).start()
        yield f"http://{settings.host}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
        await backend.close()
