"""By what a process is operated: its readiness, figures and description, on a port that is not public.

On the public port balancers learn whether the process is ready, and nobody learns why not.
"""

import asyncio
from collections.abc import Awaitable, Callable
from math import inf
from typing import Literal

from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import Field

from contracts.bilingual import Bilingual
from contracts.values import Model
from services.runtime.http.app import web_application
from services.runtime.security.access_record import AccessRecord

FRESH_S = 1.0
"""Machine seconds for which ``/health`` gives the same answer. Everybody may ask, and each look costs a query."""


class Readiness(Model):
    """Whether a replica can do its work, and if not, why.

    ``impaired``: it answers requests, and some of its other work stands still.
    """

    status: Literal["ready", "impaired", "not ready"]
    faults: list[str]
    impairments: list[str] = Field([], description="Omitted if there are none.")


def operator_application(
    api: FastAPI,
    faults: Callable[[], Awaitable[list[Bilingual]]],
    impairments: Callable[[], list[Bilingual]] = list,
    routes: APIRouter | None = None,
    record: AccessRecord | None = None,
) -> FastAPI:
    """The application of the operator's port: health, metrics, the description of ``api``, and these routes.

    ``faults`` lists the reasons why this replica cannot do its work, ``impairments`` what it cannot do at present while
    it does the rest. ``record``: see `web_application`.
    """
    app = web_application("operation", routes, record=record)

    @app.get("/health/live")
    async def live() -> dict[str, str]:
        """The process runs."""
        return {"status": "alive"}

    @app.get("/health/ready")
    async def ready() -> Response:
        """Kafka, database and migrations are as this replica needs them. Impaired, it still answers requests (200): a
        topic or a job that stands still must not take the service from those who do not need it."""
        found, impaired = [one.en for one in await faults()], [one.en for one in impairments()]
        status: Literal["ready", "impaired", "not ready"] = "impaired" if impaired else "ready"
        body = Readiness(status="not ready" if found else status, faults=found, impairments=impaired)
        return JSONResponse(body.model_dump(exclude_defaults=True), status_code=503 if found else 200)

    @app.get("/metrics")
    async def metrics() -> Response:
        """Figures for Prometheus."""
        return PlainTextResponse(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    @app.get("/openapi.json")
    async def description() -> Response:
        """The description of the API."""
        return JSONResponse(api.openapi())

    return app


def add_health(app: FastAPI, faults: Callable[[], Awaitable[list[Bilingual]]]) -> None:
    """Add ``/health`` to a public application: 200, or 503 for a replica that cannot do its work, without a reason."""
    latest = _Latest(faults)

    @app.get("/health", include_in_schema=False)
    async def health() -> Response:
        return Response(status_code=503 if await latest.faults() else 200, headers={"Cache-Control": "no-store"})


class _Latest:
    """The faults as of a moment ago, looked up once for all who ask meanwhile."""

    def __init__(self, look: Callable[[], Awaitable[list[Bilingual]]]) -> None:
        self._look = look
        self._looked_at = -inf
        self._looking: asyncio.Future[list[Bilingual]] | None = None

    async def faults(self) -> list[Bilingual]:
        now = asyncio.get_running_loop().time()
        if self._looking is None or (self._looking.done() and now - self._looked_at >= FRESH_S):
            self._looking, self._looked_at = asyncio.ensure_future(self._look()), now
        return await asyncio.shield(self._looking)
