"""The page of the wall display. It names no case and no person, so that it can hang in a hall."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import ConfigDict
from starlette.responses import Response

from contracts.messages.commitments import Kind
from contracts.rights.table import Act
from contracts.values import Model
from services.monitor.core.board.ranks import Pool
from services.monitor.core.names import NamesInForce
from services.monitor.core.state import MonitoredCase
from services.monitor.store.board import cells
from services.monitor.store.lists import overdue
from services.monitor.store.lists.filters import Selection
from services.monitor.store.lists.query_limits import LimitedQueries
from services.monitor.web.board.loading import load
from services.monitor.web.board.query import BoardFilter
from services.monitor.web.lists.list_page import problems
from services.monitor.web.pages.wall.view import PATH, View, WallView
from services.monitor.web.pages.words import Words
from services.runtime.http.pages.preferences import preferences_of
from services.runtime.http.pages.reader import Reader, reader_may
from services.runtime.http.pages.rendering import Pages
from services.runtime.service import ServiceHost

WHOLE_CASES = BoardFilter(kind=Kind.CASE)
"""The kind of commitment that is counted: whole cases, in the present month."""


class WallQuery(Model):
    """A view of the display. ``hold``: it does not turn."""

    model_config = ConfigDict(extra="forbid")

    view: View = View.DEPARTMENTS
    hold: bool = False


def add(
    router: APIRouter,
    pages: Pages,
    host: ServiceHost[MonitoredCase],
    queries: LimitedQueries,
    pools: Mapping[str, Pool],
    names: NamesInForce,
) -> None:
    """Add the page."""

    @router.get(PATH)
    async def wall_display(
        request: Request,
        wanted: Annotated[WallQuery, Query()],
        reader: Annotated[Reader, reader_may(host, Act.READ_WALL)],
    ) -> Response:
        """The wall display."""
        language, by = preferences_of(request).language, wanted.view.by
        words = Words(language, pages.texts(language), names())
        async with problems(), queries.query() as connection:
            board = await load(connection, WHOLE_CASES, by, host.clock.now(), pools, reader.scope)
            totals = await overdue.totals(connection, Selection(WHOLE_CASES, reader.scope))
            late = await cells.cells(connection, WHOLE_CASES.filters(), reader.scope, by, board.now.date())
        return pages.render(
            request, "wall.html", wall=WallView(wanted.view, wanted.hold, board, totals, late, words, reader.scope)
        )
