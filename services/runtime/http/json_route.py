"""Routes that refuse a request in which a name stands twice: in its JSON body, or in its query."""

from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from services.runtime.files.strict_json import InvalidJson, parse_json
from services.runtime.http.problems import FieldFault, InvalidBody, wrong_fields


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
            return await handler(_JsonRequest(request.scope, request.receive))

        return handle


def json_router(**options: Any) -> APIRouter:
    """A router of such routes."""
    return APIRouter(route_class=JsonRoute, **options)


def _check_query(request: Request) -> None:
    counts = Counter(name for name, _ in request.query_params.multi_items())
    if faults := [
        FieldFault(parameter=name, detail="is given twice; keep one", detail_zh="重复给出，请只保留一个")
        for name, count in counts.items()
        if count > 1
    ]:
        raise wrong_fields(faults)
