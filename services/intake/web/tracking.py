"""``GET /cases/{number}``: the holder of a case's number and secret sees its state."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Response

from services.intake.core.case_numbers import is_tracking_secret, is_valid
from services.intake.core.state import Case
from services.intake.web.answers import CaseView, case_view
from services.runtime.http.openapi import refusals
from services.runtime.http.problems import Problem
from services.runtime.http.typed_text import NUMBER_GROUPS, SECRET_GROUPS, typed_groups
from services.runtime.service import ServiceHost


def routes(host: ServiceHost[Case]) -> APIRouter:
    """The endpoint for applicants."""
    router = APIRouter(tags=["intake"])
    secret_key = host.settings.secret_key.get_secret_value().encode()

    @router.get("/cases/{number}", response_model=CaseView, responses=refusals(404, 422, 503))
    async def show_case(
        number: str, case_secret: Annotated[str, Header()] = "", secret: Annotated[str, Query()] = ""
    ) -> Response:
        """The state of a case. Its secret is in the header ``Case-Secret``, or in the query as ``secret``."""
        number = typed_groups(number, NUMBER_GROUPS)
        shown = typed_groups(case_secret or secret, SECRET_GROUPS)
        case = None
        if is_valid(number) and is_tracking_secret(secret_key, number, shown):
            case = await host.read(number)
        if case is None:
            # One answer for an unknown number and a wrong secret: two would reveal which numbers exist.
            title, title_zh = "There is no case with this number and secret", "没有与该编号和查询码相符的办件"
            raise Problem(404, "no-such-case", title, title_zh, headers={"Cache-Control": "no-store"})
        content = case_view(number, case).model_dump_json()
        return Response(content, headers={"Cache-Control": "no-store"}, media_type="application/json")

    return router
