"""Routes that refuse a long or compressed body, and a name that stands twice in JSON or query."""

from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from services.runtime.files.strict_json import InvalidJson, parse_json
from services.runtime.http.problems import FieldFault, InvalidBody, Problem, wrong_fields

MAX_BODY_BYTES = 64 * 1024
"""The longest body of these routes. FastAPI reads a body before it looks at the token, and 2 MB take 200 ms."""


class _JsonRequest(Request):
    async def json(self) -> Any:
        """The body. Raises `InvalidBody`."""
        try:
            return parse_json(await self.body())
        except InvalidJson as error:
            raise InvalidBody(error) from None


class JsonRoute(APIRoute):
    """A route that refuses a name that stands twice. FastAPI's own takes the last of the two."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            if request.scope["query_string"]:
                _check_query(request)
            refuse_compressed(request)
            received = _JsonRequest(request.scope, request.receive)
            if self.body_field is not None and len(await received.body()) > MAX_BODY_BYTES:
                raise too_large(MAX_BODY_BYTES)
            return await handler(received)

        return handle


def json_router(**options: Any) -> APIRouter:
    """A router of such routes."""
    return APIRouter(route_class=JsonRoute, **options)


def refuse_compressed(request: Request) -> None:
    """Raise `Problem` (415) for a body with a content coding, such as gzip: a short one could expand without limit."""
    if request.headers.get("content-encoding", "identity").strip().lower() not in ("identity", ""):
        raise Problem(
            415,
            "compressed",
            "Send the body uncompressed",
            "请勿压缩请求内容",
            detail="Leave out Content-Encoding and compress nothing.",
            detail_zh="请去掉 Content-Encoding，不作压缩。",
            headers={"Accept-Encoding": "identity"},
        )


def too_large(limit: int) -> Problem:
    """The problem of a body with more bytes than this."""
    detail, detail_zh = f"At most {limit} bytes are accepted.", f"最多 {limit} 字节。"
    return Problem(413, "too-large", "The body is too large", "请求内容过大", detail=detail, detail_zh=detail_zh)


def _check_query(request: Request) -> None:
    counts = Counter(name for name, _ in request.query_params.multi_items())
    if faults := [
        FieldFault(parameter=name, detail="is given twice; keep one", detail_zh="重复给出，请只保留一个")
        for name, count in counts.items()
        if count > 1
    ]:
        raise wrong_fields(faults)
