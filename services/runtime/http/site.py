"""The addresses of a service: its API under ``/api/<service>/``, its pages elsewhere.

The first segments of a path name the service, so that an ingress can split the paths of one host by their beginnings.
"""

from starlette.types import ASGIApp, Receive, Scope, Send


def api_path(service: str) -> str:
    """The beginning of all paths of a service's API."""
    return f"/api/{service}"


class Site:
    """Sends each request to the API or to the pages of a service."""

    def __init__(self, service: str, api: ASGIApp, pages: ASGIApp) -> None:
        self._root = api_path(service)
        self._api = api
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].startswith(self._root + "/"):
            await self._api({**scope, "root_path": self._root}, receive, send)
        else:
            await self._pages(scope, receive, send)
