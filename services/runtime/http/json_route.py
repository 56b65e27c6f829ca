"""Routes whose body is JSON in which each object has each name once."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from services.runtime.files.strict_json import InvalidJson, parse_json
from services.runtime.http.problems import InvalidBody


class _JsonRequest(Request):
    async def json(self) -> Any:
        """The body. Raises `InvalidBody`."""
        try:
            return parse_json(await self.body())
        except InvalidJson as error:
            raise InvalidBody(error) from None


class JsonRoute(APIRoute):
    """A route that refuses a body in which a name stands twice. FastAPI's own takes the last of the two."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            return await handler(_JsonRequest(request.scope, request.receive))

        return handle if self.body_field is not None else handler


def json_router(**options: Any) -> APIRouter:
    """A router whose routes refuse a body in which a name stands twice."""
    return APIRouter(route_class=JsonRoute, **options)
