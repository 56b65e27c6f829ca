"""All endpoints of intake, from one module for each subject."""

from fastapi import APIRouter

from services.intake.catalogue.load import load_catalogue, sample_catalogue
from services.intake.core.catalogue.offers import Offers
from services.intake.core.state import Case
from services.intake.settings import IntakeSettings
from services.intake.web import applications, case_time, catalogue, imports, side_timers, tracking
from services.runtime import configuration
from services.runtime.service import ServiceHost


def routes(host: ServiceHost[Case]) -> APIRouter:
    """Intake's endpoints."""
    file = configuration.read(IntakeSettings).catalogue
    in_use = load_catalogue(file) if file else sample_catalogue()
    router = APIRouter(tags=["intake"])
    # Starlette tries all routes in order. An included router adds about 10% to every request matched after it, so the
    # routes of the frequent requests come first and are not nested.
    offers = Offers(in_use, host.settings.systems)
    for frequent in (applications.routes(host, offers), tracking.routes(host), catalogue.routes(in_use)):
        router.routes.extend(frequent.routes)
    for rare in (imports.routes(host), case_time.routes(host), side_timers.routes(host)):
        router.include_router(rare)
    return router
