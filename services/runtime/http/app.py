"""The HTTP application of a service: health, metrics, and the routes of its own."""

from collections.abc import Awaitable, Callable
from typing import Literal, TypeVar

from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi.telemetry import TelemetryConfig
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import Field

from contracts.values import Model, Value
from services.runtime.http import problems
from services.runtime.http.headers import SingleHeaders
from services.runtime.http.methods import HeadAndOptions
from services.runtime.http.site import api_path
from services.runtime.http.urls import Utf8Urls
from services.runtime.service import Service, ServiceHost

S = TypeVar("S", bound=Value)

NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}
"""FastAPI's own telemetry is off: nothing collects it, and checking for it costs time in every request."""


class Readiness(Model):
    """Whether a replica can do its work, and if not, why.

    ``impaired``: it answers requests, and some of its other work stands still.
    """

    status: Literal["ready", "impaired", "not ready"]
    faults: list[str]
    impairments: list[str] = Field([], description="Omitted if there are none.")


def application(
    service: Service[S],
    host: ServiceHost[S],
    faults: Callable[[], Awaitable[list[str]]],
    impairments: Callable[[], list[str]] = list,
) -> FastAPI:
    """The API of a service; see `web_application`."""
    routes = None if service.routes is None else service.routes(host)
    return web_application(service.name, routes, faults, impairments, api_path(service.name))


def empty_application(name: str, path: str = "/") -> FastAPI:
    """An application without routes: problems for all errors, and what every request is examined for.

    ``path``: where on its server it is, as its description tells clients.
    """
    # Starlette's redirects from a path with a slash at its end lead to the address that the proxy in front uses.
    app = FastAPI(
        title=f"onedoor {name}",
        servers=[{"url": path}],
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry=NO_TELEMETRY,
    )
    problems.install(app)
    app.add_middleware(HeadAndOptions)
    app.add_middleware(Utf8Urls)
    app.add_middleware(SingleHeaders)
    return app


def web_application(
    name: str,
    routes: APIRouter | None,
    faults: Callable[[], Awaitable[list[str]]],
    impairments: Callable[[], list[str]] = list,
    path: str = "/",
) -> FastAPI:
    """An HTTP application with these routes, health and metrics. ``path``: see `empty_application`.

    ``faults`` lists the reasons why this replica cannot do its work, ``impairments`` what it cannot do at present while
    it does the rest.
    """
    app = empty_application(name, path)
    # The routes of the service come first and are not nested in a router: Starlette tries all routes in order.
    if routes is not None:
        app.router.routes.extend(routes.routes)

    @app.get("/health/live", tags=["operating"])
    async def live() -> dict[str, str]:
        """The process runs."""
        return {"status": "alive"}

    @app.get("/health/ready", tags=["operating"], response_model=Readiness, responses={503: {"model": Readiness}})
    async def ready() -> JSONResponse:
        """Kafka, database and migrations are as this replica needs them. Impaired, it still answers requests (200): a
        topic or a job that stands still must not take the service from those who do not need it."""
        found, impaired = await faults(), impairments()
        status: Literal["ready", "impaired", "not ready"] = "impaired" if impaired else "ready"
        body = Readiness(status="not ready" if found else status, faults=found, impairments=impaired)
        return JSONResponse(body.model_dump(exclude_defaults=True), status_code=503 if found else 200)

    @app.get("/metrics", tags=["operating"], response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Figures for Prometheus."""
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return app
