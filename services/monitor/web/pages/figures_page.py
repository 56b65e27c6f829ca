"""The page that says how each figure of the board is computed."""

from typing import Annotated

from fastapi import APIRouter, Request
from starlette.responses import Response

from contracts.rights.table import Act
from services.monitor.core.state import MonitoredCase
from services.monitor.web.pages.figures import FIGURES, VIEWS
from services.runtime.http.pages.reader import Reader, reader_may
from services.runtime.http.pages.rendering import Pages
from services.runtime.service import ServiceHost


def add(router: APIRouter, pages: Pages, host: ServiceHost[MonitoredCase]) -> None:
    """Add the page."""

    @router.get("/board/figures")
    async def figures(request: Request, reader: Annotated[Reader, reader_may(host, Act.READ_BOARD)]) -> Response:
        """All figures, in the order in which the board shows them."""
        order = dict.fromkeys(
            ["on_time_rate", *(name for view in VIEWS for one in view.groups for name in one.figures)]
        )
        return pages.render(request, "figures.html", figures=[(name, FIGURES[name]) for name in order])
