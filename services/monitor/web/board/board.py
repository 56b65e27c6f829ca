"""The board of departments: the figures of each department, region or item for a period, for staff."""

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from datetime import date, datetime
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import Field
from pydantic_core import to_json

from contracts.messages.commitments import Kind
from contracts.regions import region_name
from contracts.rights.table import Act
from contracts.values import Model
from services.monitor.core.board import board, periods
from services.monitor.core.board.board import Row
from services.monitor.core.board.figures import FIGURES
from services.monitor.core.board.periods import Period
from services.monitor.core.board.ranks import BEST_IS_MOST, Pool
from services.monitor.core.names import Names, NamesInForce
from services.monitor.core.state import MonitoredCase
from services.monitor.store.lists.filters import GroupBy
from services.monitor.store.lists.query_limits import LimitedQueries
from services.monitor.web.board.links import Links
from services.monitor.web.board.loading import load
from services.monitor.web.board.query import BoardFilter
from services.monitor.web.lists.list_page import MAX_LIMIT, problems
from services.monitor.web.routers import monitor_router
from services.runtime.http.bodies.csv import Cell, Cells
from services.runtime.http.bodies.files import AS_FILE, Form, file_response
from services.runtime.security.access import Permit
from services.runtime.security.access_record import count_rows
from services.runtime.service import ServiceHost


class BoardQuery(BoardFilter):
    """The board for a period."""

    by: GroupBy = Field(GroupBy.OWNER, description="A row for each department, region or item.")
    limit: int | None = Field(
        None,
        ge=1,
        le=MAX_LIMIT,
        description=f"So many rows, the worst first: {MAX_LIMIT} if omitted; of a file all of them, if omitted.",
    )
    form: Form = Form.JSON


class RankView(Model):
    """A place among those that have the figure; equal ones share it. ``from_last`` counts from the other end."""

    rank: int
    from_last: int
    of: int


class FigureRanks(Model):
    """The ranks of one figure: within the pool of peers, null where there are no pools, and overall."""

    pool: RankView | None
    overall: RankView


Figures = dict[str, float | None]


class BoardRow(Model):
    """The figures of one department, region or item, by name. A figure without a value is null."""

    name: str = Field(description="The department, the code of administrative division, or the item; empty for all.")
    full_name: str = Field(description="Where that is a code, the name of the region, or of the item in two languages.")
    pool: Pool | None = Field(description="The peers of a region; null for departments and items.")
    figures: Figures
    before: Figures = Field(description="In the period before.")
    change: Figures = Field(description="Against the period before; rates in percentage points.")
    ranks: dict[str, FigureRanks]
    line: list[Figures] = Field(description="The last twelve periods, see `line_periods`.")
    cases: dict[str, str] = Field(description="For each figure the request that lists the commitments behind it.")


class BoardView(Model):
    """The board: rows with the lowest on-time rate first. Rates are in percent, means in working days."""

    period: str
    first: date
    last: date
    before: str = Field(description="The period that changes are against.")
    line_periods: list[str]
    today: date = Field(description="The day to which open, due_today and overdue refer.")
    uncounted_since: datetime | None = Field(
        description="Changes since this moment of the machine's clock are not counted yet; null if all are."
    )
    by: GroupBy
    kind: Kind
    total: BoardRow
    rows: list[BoardRow]
    rows_total: int = Field(description="Rows there are, also those beyond the limit.")


class BoardResponse(Response):
    """The board as JSON. It was built from checked values, so it is not checked again."""

    media_type = "application/json"


def routes(
    host: ServiceHost[MonitoredCase], queries: LimitedQueries, pools: Mapping[str, Pool], names: NamesInForce
) -> APIRouter:
    """The endpoints. ``pools``: those of regions whose code does not tell."""
    router = monitor_router("board")

    @router.get("/board", responses=AS_FILE, response_model=BoardView)
    async def department_board(
        wanted: Annotated[BoardQuery, Query()], permit: Annotated[Permit, host.access.may(Act.READ_BOARD)]
    ) -> Response:
        """The figures of each department, region or item, with changes, ranks and the last twelve periods."""
        async with problems(), queries.query() as connection:
            found = await load(connection, wanted, wanted.by, host.clock.now(), pools, permit.scope)
        period = found.period
        full_name = partial(_full_name, wanted.by, names())
        if wanted.form is not Form.JSON:
            batches = _batches(found.rows[: wanted.limit], full_name)
            return await file_response(wanted.form, f"board-{period}", _HEADS, batches, wanted.limit)
        link = Links(wanted, wanted.by, period, "/board/cases")
        count_rows(min(len(found.rows), wanted.limit or MAX_LIMIT))
        content = {
            "period": str(period),
            "first": period.first,
            "last": period.last,
            "before": str(periods.before(period)),
            "line_periods": [str(one) for one in periods.line(period)],
            "today": found.now.date(),
            "uncounted_since": found.uncounted_since,
            "by": wanted.by,
            "kind": wanted.kind,
            "total": _view(found.total, "", link.of(None)),
            "rows": [
                _view(row, full_name(row.name), link.of(row.name)) for row in found.rows[: wanted.limit or MAX_LIMIT]
            ],
            "rows_total": len(found.rows),
        }
        return BoardResponse(to_json(content))

    return router


def _full_name(by: GroupBy, names: Names, name: str) -> str:
    match by:
        case GroupBy.OWNER:
            return name
        case GroupBy.REGION:
            return region_name(name)
        case GroupBy.ITEM:
            return names.matter_in_both(name) or name


def _view(row: Row, full_name: str, cases: Mapping[str, str]) -> dict[str, Any]:
    return {
        "name": row.name,
        "full_name": full_name,
        "pool": row.pool,
        "figures": row.figures,
        "before": row.before,
        "change": row.change,
        "ranks": {
            figure: {
                "pool": ranked.pool._asdict() if ranked.pool is not None else None,
                "overall": ranked.overall._asdict(),
            }
            for figure, ranked in row.ranks.items()
        },
        "line": row.line,
        "cases": cases,
    }


_SHOWN = tuple(board.total([], Period(date.min, date.min, 0)).figures)
"""The names of all figures, in their order."""

_HEADS = (
    *("name", "full_name", "pool", *_SHOWN),
    *(f"{figure}_change" for figure in (*FIGURES, "closed_per_month")),
    *(f"{figure}_{of}" for figure in BEST_IS_MOST for of in ("rank_in_pool", "pool_size", "rank_overall")),
)


async def _batches(rows: Iterable[Row], full_name: Callable[[str], str]) -> AsyncGenerator[list[Cells], None]:
    yield [_cells(row, full_name(row.name)) for row in rows]


def _cells(row: Row, full_name: str) -> Cells:
    cells: list[Cell] = [row.name, full_name, row.pool]
    cells += [row.figures[figure] for figure in _SHOWN]
    cells += row.change.values()
    for figure in BEST_IS_MOST:
        ranked = row.ranks.get(figure)
        within = ranked.pool if ranked is not None else None
        cells += [
            within.rank if within is not None else None,
            within.of if within is not None else None,
            ranked.overall.rank if ranked is not None else None,
        ]
    return cells
