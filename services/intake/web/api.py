"""All endpoints of intake, from one module for each subject."""

from fastapi import APIRouter

from services.intake.catalogue.load import catalogue_in_use
from services.intake.core.catalogue.offers import Offers
from services.intake.core.state import Case
from services.intake.settings import IntakeSettings
from services.intake.web import applications, case_time, catalogue, imports, side_timers, tracking
from services.runtime import configuration
from services.runtime.http.connections.client_limits import ClientLimit
from services.runtime.service import ServiceHost


def routes(host: ServiceHost[Case]) -> APIRouter:
    """Intake's endpoints."""
    settings = configuration.read(IntakeSettings)
    in_use = catalogue_in_use(settings.catalogue)
    router = APIRouter(tags=["intake"])
    # Starlette tries all routes in order. An included router adds about 10% to every request matched after it, so the
    # routes of the frequent requests come first and are not nested.
    offers = Offers(in_use, host.settings.systems)
    frequent = (
        applications.routes(host, offers, ClientLimit("applications", settings.applications_a_minute)),
        tracking.routes(host, ClientLimit("tracking", settings.tracking_a_minute)),
        catalogue.routes(in_use),
    )
    for one in frequent:
        router.routes.extend(one.routes)
    for rare in (imports.routes(host), case_time.routes(host), side_timers.routes(host)):
        router.include_router(rare)
    return router
