"""The HTTP applications of a process: errors as problems, and what every request is examined for."""

from typing import TypeVar

from fastapi import APIRouter, FastAPI
from fastapi.telemetry import TelemetryConfig

from contracts.values import Value
from services.runtime.http import problems
from services.runtime.http.connections.headers import SingleHeaders
from services.runtime.http.connections.methods import HeadAndOptions
from services.runtime.http.operating import access_record, letters, state, topics
from services.runtime.http.problems import Answer, as_json
from services.runtime.http.recorded import Recorded
from services.runtime.http.site import api_path
from services.runtime.http.urls import Utf8Urls
from services.runtime.security.access_record import AccessRecord
from services.runtime.service import Service, ServiceHost

S = TypeVar("S", bound=Value)

NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}
"""FastAPI's own telemetry is off: nothing collects it, and checking for it costs time in every request."""


def application(service: Service[S], host: ServiceHost[S]) -> FastAPI:
    """The API of a service."""
    routes = APIRouter() if service.routes is None else service.routes(host)
    for common in (
        access_record.routes(host.access, host.database, service.name),
        state.routes(host, service),
        topics.routes(host.consumer, host.access),
        letters.routes(host, service),
    ):
        routes.routes.extend(common.routes)
    return web_application(service.name, routes, api_path(service.name), record=host.access.record)


def web_application(
    name: str,
    routes: APIRouter | None = None,
    path: str = "/",
    answer: Answer = as_json,
    record: AccessRecord | None = None,
) -> FastAPI:
    """An application with these routes. Its description is served to operators alone (`operating`).

    ``path``: where on its server it is, as its description tells clients. ``answer``: how problems are answered.
    ``record``: the record of access; without one it can have no endpoint that needs a right.
    """
    # Starlette's redirects from a path with a slash at its end lead to the address that the proxy in front uses.
    app = FastAPI(
        title=f"onedoor {name}",
        servers=[{"url": path}],
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry=NO_TELEMETRY,
    )
    problems.install(app, answer)
    if record is not None:
        app.add_middleware(Recorded, record=record, answer=answer)
    app.add_middleware(HeadAndOptions)
    app.add_middleware(Utf8Urls, answer=answer)
    app.add_middleware(SingleHeaders, answer=answer)
    if routes is not None:  # not nested in a router: Starlette tries all routes in order
        app.router.routes.extend(routes.routes)
    return app
