"""All endpoints of intake, and those for applicants to see their case and the catalogue."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Response

from services.intake.catalogue.load import load_catalogue, sample_catalogue
from services.intake.core.case_numbers import is_tracking_secret, is_valid
from services.intake.core.catalogue.offers import Offers
from services.intake.core.state import Case
from services.intake.settings import IntakeSettings
from services.intake.web import applications, case_time, imports, side_timers
from services.intake.web.answers import CaseView, case_view
from services.intake.web.catalogue_view import CatalogueView, catalogue_view
from services.runtime import configuration
from services.runtime.http.openapi import refusals
from services.runtime.http.problems import Problem
from services.runtime.service import ServiceHost


def routes(host: ServiceHost[Case]) -> APIRouter:
    """Intake's endpoints."""
    router = APIRouter(tags=["intake"])
    file = configuration.read(IntakeSettings).catalogue
    catalogue = load_catalogue(file) if file else sample_catalogue()
    catalogue_json = catalogue_view(catalogue).model_dump_json()
    secret_key = host.settings.secret_key.get_secret_value().encode()

    # Starlette tries the routes in their order, and an included router costs each request behind it a tenth more.
    router.routes.extend(applications.routes(host, Offers(catalogue, host.settings.systems)).routes)

    @router.get("/cases/{number}", response_model=CaseView, responses=refusals(404, 422, 503))
    async def show_case(
        number: str, case_secret: Annotated[str, Header()] = "", secret: Annotated[str, Query()] = ""
    ) -> Response:
        """The state of a case. Its secret is in the header ``Case-Secret``, or in the query as ``secret``."""
        number = number.upper()
        case = None
        if is_valid(number) and is_tracking_secret(secret_key, number, case_secret or secret):
            case = await host.read(number)
        if case is None:
            # One answer for an unknown number and a wrong secret: two would reveal which numbers exist.
            title, title_zh = "There is no case with this number and secret", "没有与该编号和查询码相符的办件"
            raise Problem(404, "no-such-case", title, title_zh, headers={"Cache-Control": "no-store"})
        content = case_view(number, case).model_dump_json()
        return Response(content, headers={"Cache-Control": "no-store"}, media_type="application/json")

    @router.get("/catalogue", response_model=CatalogueView)
    async def show_catalogue() -> Response:
        """All matters that can be applied for, with materials, limits and fees."""
        headers = {"Cache-Control": "public, max-age=300"}
        return Response(catalogue_json, headers=headers, media_type="application/json")

    router.include_router(imports.routes(host))
    router.include_router(case_time.routes(host))
    router.include_router(side_timers.routes(host))
    return router
