"""The query of the page of the commitments behind a figure of the board."""

from pydantic import Field

from services.monitor.web.board.cases import BoardCasesQuery

PAGE_ROWS = 50


class CasesPage(BoardCasesQuery):
    """The query of the page. ``start``: the number of its first row, for the reader's eye alone."""

    limit: int | None = Field(PAGE_ROWS, ge=1, le=PAGE_ROWS)
    start: int = Field(1, ge=1, le=1_000_000_000)
