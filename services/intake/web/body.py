"""Reading the body of a request without trusting its size."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from services.runtime.http.openapi import schema_of
from services.runtime.http.problems import Problem


class Plain(APIRoute):
    """A route whose endpoint takes the request and gives the response, and nothing is looked at twice.

    It costs half as much as one whose parameters FastAPI finds; what it takes is described by ``openapi_extra``.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        return self.endpoint


async def read(request: Request, limit: int) -> bytes:
    """The body, of at most ``limit`` bytes of JSON.

    A larger one is refused with 413 before it has been read, and one that is declared as something else than JSON
    with 415: a form on a foreign page cannot declare JSON, so it cannot make a browser post here.
    """
    declared = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if declared != "application/json" and not declared.endswith("+json"):
        raise Problem(415, "not-json", "Send the body as application/json", "请以 application/json 发送")
    if int(request.headers.get("content-length", 0)) > limit:
        raise _too_large(limit)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise _too_large(limit)
    return bytes(body)


def described(body: Any) -> dict[str, Any]:
    """What OpenAPI says of a body of this type, which FastAPI cannot know since it does not read the body itself."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema_of(body)}}}}


def _too_large(limit: int) -> Problem:
    detail, detail_zh = f"At most {limit} bytes are taken.", f"最多 {limit} 字节。"
    return Problem(413, "too-large", "The body is too large", "请求内容过大", detail=detail, detail_zh=detail_zh)
