"""The page of the board: who does not keep promises, and where."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.responses import RedirectResponse, Response

from contracts.rights.table import Act
from services.monitor.core.board.ranks import Pool
from services.monitor.core.names import NamesInForce
from services.monitor.core.state import MonitoredCase
from services.monitor.store.board import cells
from services.monitor.store.board.cells import Cell
from services.monitor.store.lists.filters import GroupBy
from services.monitor.store.lists.query_limits import LimitedQueries
from services.monitor.web.board.loading import load
from services.monitor.web.lists.list_page import problems
from services.monitor.web.pages.board_frame import PATH
from services.monitor.web.pages.board_query import BoardPage
from services.monitor.web.pages.board_view import BoardView
from services.monitor.web.pages.filters import LABELS, address, with_codes
from services.monitor.web.pages.words import Words
from services.runtime.http.pages.preferences import preferences_of
from services.runtime.http.pages.reader import Reader, reader_may
from services.runtime.http.pages.rendering import Pages
from services.runtime.security.access_record import count_rows, note_query
from services.runtime.service import ServiceHost


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
    async def department_board(
        request: Request, reader: Annotated[Reader, reader_may(host, Act.READ_BOARD)]
    ) -> Response:
        """The board of departments."""
        language = preferences_of(request).language
        typed = with_codes(request.query_params, names())
        texts = pages.texts(language)
        try:
            wanted = BoardPage.model_validate(typed)
        except ValidationError as error:
            return pages.wrong_query(request, error, typed, LABELS, "board_faults.html")
        note_query(wanted)
        if wanted.first is not None or wanted.last is not None:
            first, last = wanted.first or wanted.last, wanted.last or wanted.first
            days = {"first": None, "last": None, "start": None}
            return RedirectResponse(address(PATH, typed, period=f"{first}..{last}", **days), 303)
        async with problems(), queries.query() as connection:
            board = await load(connection, wanted, wanted.by, host.clock.now(), pools, reader.scope)
            known = await cells.known(connection, wanted.kind, reader.scope)
            overdue: dict[str, dict[str, Cell]] = {}
            if wanted.by is not GroupBy.REGION:
                overdue = await cells.cells(connection, wanted.filters(), reader.scope, wanted.by, board.now.date())
        count_rows(len(board.rows))
        view = BoardView(wanted, typed, board, overdue, known, Words(language, texts, names()))
        return pages.render(request, "board.html", board=view, printed=view.printed)
