"""HEAD and OPTIONS for every path, as load balancers and monitoring probes send them.

FastAPI answers both with 405. HEAD has the status and the headers of GET, and no body (RFC 9110, section 9.3.2);
OPTIONS names the methods of the path (section 9.3.7).
"""

from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


class HeadAndOptions:
    """Answers HEAD by the route of GET, and OPTIONS for every path that has a route. All else goes on unchanged."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "HEAD":
            await self._app({**scope, "method": "GET"}, receive, _HeadOnly(send))
        elif scope["type"] == "http" and scope["method"] == "OPTIONS" and scope["path"] == "*":  # the whole server
            await Response(status_code=204)(scope, receive, send)
        elif scope["type"] == "http" and scope["method"] == "OPTIONS" and (allowed := allowed_methods(scope)):
            await Response(status_code=204, headers={"Allow": allowed})(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def allowed_methods(scope: Scope) -> str:
    """The methods of the path, as the header Allow has them; empty for a path without a route."""
    routes = scope["app"].routes
    methods = {
        method
        for method in _METHODS
        if any(route.matches({**scope, "method": method})[0] is Match.FULL for route in routes)
    }
    if "GET" in methods:
        methods.add("HEAD")
    return ", ".join(sorted(methods | {"OPTIONS"})) if methods else ""


class _HeadOnly:
    """Sends the head of a response and ends it. An endless body ends with it, since the server reports the end."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._ended = False

    async def __call__(self, message: Message) -> None:
        if self._ended:
            return
        await self._send(message)
        if message["type"] == "http.response.start":
            self._ended = True
            await self._send({"type": "http.response.body", "body": b""})
