"""``GET /cases/{number}``: the holder of a case's number and secret sees its state.

The secret stands in a header or in the body of a request, never in its address, which browsers and proxies keep.
"""

from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from pydantic import Field, ValidationError

from services.intake.core.case_numbers import is_tracking_secret, is_valid
from services.intake.core.state import Case
from services.intake.web.answers import CaseView, case_view
from services.intake.web.body import RawRoute, body_schema, read_json
from services.intake.web.requests import RequestPart
from services.runtime.http.bodies.typed_text import NUMBER_GROUPS, SECRET_GROUPS, typed_groups
from services.runtime.http.connections.client_limits import ClientLimit
from services.runtime.http.operating.openapi import refusals
from services.runtime.http.problems import FieldFault, Problem, unreadable, wrong_fields
from services.runtime.service import ServiceHost

MAX_BODY_BYTES = 1024

_NUMBER = {"name": "number", "in": "path", "required": True, "schema": {"type": "string"}}


class TrackingRequest(RequestPart):
    """The secret of a case, from a form."""

    secret: str = Field(max_length=100)


def routes(host: ServiceHost[Case], limit: ClientLimit) -> APIRouter:
    """The endpoints for applicants. A client may ask as often as the limit allows."""
    router = APIRouter(tags=["intake"])
    secret_key = host.settings.secret_key.get_secret_value().encode()

    @router.get("/cases/{number}", response_model=CaseView, responses=refusals(404, 422, 429, 503))
    async def show_case(request: Request, number: str, case_secret: Annotated[str, Header()] = "") -> Response:
        """The state of a case. Its secret is in the header ``Case-Secret``."""
        limit.check(request)
        _check_query(request)
        return await shown(number, case_secret)

    async def track_case(request: Request) -> Response:
        """The state of a case, for a form: its secret is in the body."""
        limit.check(request)
        _check_query(request)
        try:
            body = TrackingRequest.model_validate(await read_json(request, MAX_BODY_BYTES))
        except ValidationError as error:
            raise unreadable(error) from None
        return await shown(request.path_params["number"], body.secret)

    router.add_api_route(
        "/cases/{number}/tracking",
        track_case,
        methods=["POST"],
        response_model=CaseView,
        responses=refusals(400, 404, 413, 415, 422, 429, 503),
        route_class_override=RawRoute,
        openapi_extra={**body_schema(TrackingRequest), "parameters": [_NUMBER]},
    )

    async def shown(number: str, secret: str) -> Response:
        number = typed_groups(number, NUMBER_GROUPS)
        case = None
        # The secret follows from the number: no wrong pair, whether its number exists or not, leads to the database.
        if is_valid(number) and is_tracking_secret(secret_key, number, typed_groups(secret, SECRET_GROUPS)):
            case = await host.read(number)
        if case is None:
            # One answer for an unknown number and a wrong secret: two would reveal which numbers exist.
            title, title_zh = "There is no case with this number and secret", "没有与该编号和查询码相符的办件"
            raise Problem(404, "no-such-case", title, title_zh, headers={"Cache-Control": "no-store"})
        content = case_view(number, case).model_dump_json()
        return Response(content, headers={"Cache-Control": "no-store"}, media_type="application/json")

    return router


def _check_query(request: Request) -> None:
    """Raise `Problem` for a secret in the address, so that its sender learns to keep it out."""
    if request.scope["query_string"] and "secret" in request.query_params:
        detail = "must not stand in an address, which others can read: send it in the header Case-Secret"
        detail_zh = "不得写在地址中，以免他人看到：请放在请求头 Case-Secret 中发送"
        raise wrong_fields([FieldFault(parameter="secret", detail=detail, detail_zh=detail_zh)])
