"""The page of all processes: is everything in order, and if not, what does an operator do first?"""

from typing import Annotated, Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from contracts.rights.table import Act
from services.runtime.http.operating.state import platform_of
from services.runtime.http.pages.operations.shown import Shown
from services.runtime.http.pages.preferences import preferences_of
from services.runtime.http.pages.reader import Reader, reader_may
from services.runtime.http.pages.rendering import Pages
from services.runtime.service import ServiceHost

PATH = "/ops"


def add(router: APIRouter, pages: Pages, host: ServiceHost[Any]) -> None:
    """Add the page."""

    @router.get(PATH)
    async def platform(request: Request, _: Annotated[Reader, reader_may(host, Act.READ_STATE)]) -> Response:
        """All services and processes, the worst first. Without Kafka and database it shows what is known."""
        language = preferences_of(request).language
        found = await platform_of(host)
        shown = Shown(language, pages.texts(language), found.as_of)
        return pages.render(
            request,
            "shared/operations/platform.html",
            platform=found,
            shown=shown,
            total=[one for service in found.services for one in service.processes],
            printed=shown.moment(found.as_of),
        )
