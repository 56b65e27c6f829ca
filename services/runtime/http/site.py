"""The addresses of a service: its API under ``/api/<service>/``, its pages elsewhere.

The first segments of a path name the service, so that an ingress can split the paths of one host by their beginnings.
"""

from starlette.types import ASGIApp, Receive, Scope, Send

OPERATING = ("/health/", "/metrics", "/openapi.json")
"""The beginnings of the paths by which a process is operated."""


def api_path(service: str) -> str:
    """The beginning of all paths of a service's API."""
    return f"/api/{service}"


class Site:
    """Sends each request to the API or to the pages of a service. The operating endpoints are those of the API."""

    def __init__(self, service: str, api: ASGIApp, pages: ASGIApp) -> None:
        self._root = api_path(service)
        self._api = api
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if path.startswith(self._root + "/"):
            await self._api({**scope, "root_path": self._root}, receive, send)
        elif path.startswith(OPERATING) or path == "*":
            await self._api(scope, receive, send)
        else:
            await self._pages(scope, receive, send)
