"""A simulator of the environment department's system.

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

from contracts.messages.plans import Outcome
from services.departments.sandbox.behaviour import Mistake
from services.departments.sandbox.ledger import LedgerEntry
from services.departments.sandbox.simulator import Simulator
from services.departments.sdk.adapter import Clock

from .settings import EnvironmentSandboxSettings


class EnvironmentSandbox:
    """The interface of the simulator."""

    def __init__(self, settings: EnvironmentSandboxSettings, simulator: Simulator) -> None:
        self._settings = settings
        self._simulator = simulator

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
        if self._simulator.away:
            raise web.HTTPServiceUnavailable
        return await handler(request)

    async def take(self, request: web.Request) -> web.Response:
        content = await request.json()
        (entry,) = (await self._simulator.take({content["key"]: content["item"]})).values()
        if entry.makes(Mistake.SILENT):
            await asyncio.sleep(self._settings.silent_s)
        if entry.makes(Mistake.GARBLED_RECEIPT):
            return web.Response(text="<html>系统繁忙</html>")
        return web.json_response(_permit(entry, decided=entry.decided(self._simulator.clock.now())))

    async def decided(self, request: web.Request) -> web.Response:
        permits: list[dict[str, Any]] = []
        for entry in await self._simulator.unreported(int(request.query["limit"])):
            permit = _permit(entry, decided=True)
            if entry.makes(Mistake.GARBLED_DECISION):
                permit["verdict"] = "??"
            permits += [permit] * (2 if entry.makes(Mistake.REPEATED) else 1)
        return web.json_response({"permits": permits})

    async def acknowledged(self, request: web.Request) -> web.Response:
        await self._simulator.mark_reported(await request.json())
        return web.Response(status=204)


def _permit(entry: LedgerEntry, *, decided: bool) -> dict[str, Any]:
    taken = {"key": entry.task_id, "number": entry.number, "received": entry.received_at.isoformat()}
    if not decided:
        return taken
    return {
        **taken,
        "verdict": "granted" if entry.outcome is Outcome.APPROVED else "denied",
        "decided": entry.decide_at.isoformat(),
        "document": entry.certificate,
        "remark": entry.opinion,
    }


@asynccontextmanager
async def running(settings: EnvironmentSandboxSettings, clock: Clock) -> AsyncIterator[str]:
    """The simulator, answering at the address given."""
    simulator = Simulator("environment", "环受", settings, clock)
    await simulator.open()
    runner = web.AppRunner(EnvironmentSandbox(settings, simulator).application(), access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.host, settings.port).start()
        yield f"http://{settings.host}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
        await simulator.close()
