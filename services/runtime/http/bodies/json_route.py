"""Routes that refuse a compressed body, and a request in which a name stands twice: in its JSON or in its query."""

from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from services.runtime.files.strict_json import InvalidJson, parse_json
from services.runtime.http.problems import FieldFault, InvalidBody, Problem, wrong_fields


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
            return await handler(_JsonRequest(request.scope, request.receive))

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


def _check_query(request: Request) -> None:
    counts = Counter(name for name, _ in request.query_params.multi_items())
    if faults := [
        FieldFault(parameter=name, detail="is given twice; keep one", detail_zh="重复给出，请只保留一个")
        for name, count in counts.items()
        if count > 1
    ]:
        raise wrong_fields(faults)
