"""The HTTP side that every service has: health, metrics, and its own routes."""

from typing import TypeVar

from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from contracts.envelope import Value
from services.runtime import problems
from services.runtime.shell import Shell

S = TypeVar("S", bound=Value)


def application(shell: Shell[S]) -> FastAPI:
    """The service's HTTP application."""
    app = FastAPI(title=f"onedoor {shell.service.name}", docs_url=None, redoc_url=None)
    problems.install(app)

    @app.get("/health/live", tags=["operating"])
    async def live() -> dict[str, str]:
        """The process runs."""
        return {"status": "alive"}

    @app.get("/health/ready", tags=["operating"])
    async def ready() -> JSONResponse:
        """Kafka, database and migrations are as this replica needs them."""
        faults = await shell.faults()
        return JSONResponse(
            {"status": "not ready" if faults else "ready", "faults": faults}, status_code=503 if faults else 200
        )

    @app.get("/metrics", tags=["operating"])
    async def metrics() -> Response:
        """Figures for Prometheus."""
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    if shell.service.routes is not None:
        app.include_router(shell.service.routes(shell))
    return app
