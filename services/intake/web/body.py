"""Reading the body of a request, JSON up to a size limit."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from services.runtime.files.strict_json import InvalidJson, parse_json
from services.runtime.http.bodies.json_route import refuse_compressed
from services.runtime.http.operating.openapi import schema_of
from services.runtime.http.problems import Problem, not_json


class RawRoute(APIRoute):
    """A route whose endpoint takes the request and returns the response as they are.

    It costs half as much as one for which FastAPI resolves parameters and validates the answer. ``openapi_extra``
    describes its request.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        return self.endpoint


async def read_json(request: Request, limit: int) -> Any:
    """The content of the body of a request.

    Raises `Problem`: 400 for a body that is no JSON, 422 for one in which a name stands twice, 413 for more than
    ``limit`` bytes, before all of them are read, and 415 for a body that is compressed, or not declared as JSON. A form
    on a foreign page cannot declare JSON, so it cannot make a browser post here.
    """
    declared = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if declared != "application/json" and not declared.endswith("+json"):
        raise Problem(415, "not-json", "Send the body as application/json", "请以 application/json 发送")
    refuse_compressed(request)
    if int(request.headers.get("content-length", 0)) > limit:
        raise _too_large(limit)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise _too_large(limit)
    try:
        return parse_json(bytes(body))
    except InvalidJson as error:
        raise not_json(error) from None


def body_schema(body: Any) -> dict[str, Any]:
    """The OpenAPI description of a body of this type, for routes that parse the body themselves."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema_of(body)}}}}


def _too_large(limit: int) -> Problem:
    detail, detail_zh = f"At most {limit} bytes are accepted.", f"最多 {limit} 字节。"
    return Problem(413, "too-large", "The body is too large", "请求内容过大", detail=detail, detail_zh=detail_zh)
