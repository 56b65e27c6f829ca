"""The addresses of a service: the API under its path, pages elsewhere."""

import httpx2
import pytest
from fastapi import FastAPI

from services.runtime.http.app import web_application
from services.runtime.http.site import Site


def named(name: str) -> FastAPI:
    """An application that answers its name."""
    app = web_application(name)
    for path in ("/alerts/7", "/health"):

        @app.get(path)
        async def answer() -> str:
            return name

    return app


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/api/monitor/alerts/7", "api"),
        ("/health", "pages"),
        ("/api/monitor/health", "api"),
        ("/alerts/7", "pages"),
        ("/api/monitor/nothing", None),
        ("/api/monitoring/alerts/7", None),
        ("/api/monitor", None),
        ("/api/monitor//alerts/7", None),
        ("/api/intake/alerts/7", None),
        ("//api/monitor/alerts/7", None),
    ],
)
async def test_a_request_goes_to_the_part_that_its_path_names(path: str, answer: str | None) -> None:
    site = Site("monitor", named("api"), named("pages"))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(site), base_url="http://here") as client:
        answered = await client.get(f"http://here{path}")
    assert (answered.json() if answered.status_code == 200 else None) == answer


async def test_a_method_that_the_api_does_not_have_is_refused_with_those_that_it_has() -> None:
    site = Site("monitor", named("api"), web_application("pages"))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(site), base_url="http://here") as client:
        refused = await client.post("/api/monitor/alerts/7")
        known = await client.options("/api/monitor/alerts/7")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert (known.status_code, known.headers["allow"]) == (204, "GET, HEAD, OPTIONS")
