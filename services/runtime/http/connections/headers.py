"""Headers that a request has once at most.

Starlette takes the first of two, a proxy may take the last: they would see different keys, tokens or forms of one
request (RFC 9110, section 5.3, allows a repeated header for lists alone).
"""

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from services.runtime.http.problems import Answer, FieldFault, Problem

SINGLE = {
    name.lower().encode(): name
    for name in ("Authorization", "Case-Secret", "Content-Type", "Host", "Idempotency-Key", "Last-Event-ID")
}
"""Those that a service reads, by their name in ASGI. The server refuses a second Content-Length itself."""


class SingleHeaders:
    """Answers requests that repeat one of these headers with a problem. All else goes on unchanged."""

    def __init__(self, app: ASGIApp, answer: Answer) -> None:
        self._app = app
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (repeated := _repeated(scope)):
            await self._answer(Request(scope), _problem(repeated))(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _repeated(scope: Scope) -> list[str]:
    names = [name for name, _ in scope["headers"]]
    if len(names) == len(set(names)):
        return []
    return [shown for name, shown in SINGLE.items() if names.count(name) > 1]


def _problem(repeated: list[str]) -> Problem:
    detail, detail_zh = "is given more than once; send it once", "重复给出，请只发送一次"
    return Problem(
        400,
        "header-repeated",
        "A header is given more than once",
        "请求头重复",
        errors=[FieldFault(parameter=name, detail=detail, detail_zh=detail_zh) for name in repeated],
    )
