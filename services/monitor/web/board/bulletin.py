"""The monthly bulletin (办件通报) as data and as files: the same numbers as the board, by one query of it each."""

from collections.abc import AsyncGenerator, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from typing import Any

from pydantic import ConfigDict, Field
from pydantic_core import to_json
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.messages.commitments import Kind
from contracts.regions import region_name
from contracts.rights.scope import Scope
from contracts.values import Model
from services.monitor.core.board.board import Row
from services.monitor.core.board.bulletin import Bulletin, Standing, bulletin
from services.monitor.core.board.figures import FIGURES
from services.monitor.core.board.periods import Period, before, month_of
from services.monitor.core.board.ranks import Pool, Rank
from services.monitor.store.lists.filters import REGION, GroupBy
from services.monitor.web.board.board import Figures, RankView
from services.monitor.web.board.loading import Board, load
from services.monitor.web.board.query import BoardFilter
from services.runtime.http.bodies.csv import Cell, Cells

MONTH = r"^20[0-9]{2}-(0[1-9]|1[0-2])$"

_FIGURES = (*FIGURES, "closed_per_month")
"""The figures of a month. Those of the present moment have no place in a bulletin."""


class BulletinFilter(Model):
    """Selects the month and the place of a bulletin."""

    model_config = ConfigDict(extra="forbid")

    period: str | None = Field(
        None, pattern=MONTH, description="The month: `2026-04`; the last one that is over, if it is omitted."
    )
    region: str | None = Field(None, pattern=REGION, description="A code of administrative division, or how it begins.")


@dataclass(frozen=True, slots=True)
class LoadedBulletin:
    """A bulletin with what it is about. ``board``: that of its regions."""

    bulletin: Bulletin
    board: Board
    region: str | None

    @property
    def is_over(self) -> bool:
        """Whether the month is over."""
        return self.board.period.last < self.board.now.date()

    @property
    def version(self) -> str:
        """Names the numbers: two bulletins of one version have the same ones."""
        digest = sha256(to_json({"period": str(self.board.period), **numbers(self.bulletin)})).hexdigest().upper()
        return f"{digest[:4]}-{digest[4:8]}-{digest[8:12]}"


async def load_bulletin(
    connection: AsyncConnection, wanted: BulletinFilter, now: datetime, pools: Mapping[str, Pool], scope: Scope
) -> LoadedBulletin:
    """Read a bulletin, of the work in this scope."""
    period = wanted.period or str(last_month(now.date()))
    query = BoardFilter(kind=Kind.CASE, period=period, region=wanted.region)
    regions = await load(connection, query, GroupBy.REGION, now, pools, scope)
    departments = await load(connection, query, GroupBy.OWNER, now, pools, scope)
    found = bulletin(departments.total, regions.rows, regions.peers, departments.rows)
    return LoadedBulletin(found, regions, wanted.region)


def last_month(today: date) -> Period:
    """The last month that is over."""
    return before(month_of(today))


# --- as data ---


class RegionView(Model):
    """A region in the ranking. ``climbed``: ranks, negative for those that it has fallen; null without both ranks."""

    name: str = Field(description="The code of administrative division.")
    place: str
    rank: RankView | None
    before: RankView | None = Field(description="In the month before.")
    climbed: int | None
    figures: Figures
    change: Figures


class RankingView(Model):
    """The regions of one pool, the first one first."""

    pool: Pool
    regions: list[RegionView]


class RowView(Model):
    """A department, or all of them together."""

    name: str
    figures: Figures
    before: Figures
    change: Figures


class BulletinView(Model):
    """A bulletin. Regions are ranked by the cases that they have closed; departments are judged by on-time rates."""

    period: str
    region: str | None
    made_at: datetime
    is_over: bool = Field(description="Whether the month is over.")
    uncounted_since: datetime | None = Field(
        description="Changes since this moment of the machine's clock are not counted yet; null if all are."
    )
    version: str = Field(description="Two bulletins of one version have the same numbers.")
    total: RowView
    rankings: list[RankingView]
    worst: list[RowView] = Field(description="The five lowest on-time rates, but for those of 100.")
    improved: list[RowView] = Field(description="The five that have risen most against the month before.")


def as_data(loaded: LoadedBulletin, now: datetime) -> dict[str, Any]:
    """The bulletin as `BulletinView` has it."""
    return {
        "period": str(loaded.board.period),
        "region": loaded.region,
        "made_at": now,
        "is_over": loaded.is_over,
        "uncounted_since": loaded.board.uncounted_since,
        "version": loaded.version,
        **numbers(loaded.bulletin),
    }


def numbers(found: Bulletin) -> dict[str, Any]:
    """The numbers of a bulletin."""
    return {
        "total": _row(found.total),
        "rankings": [
            {"pool": one.pool, "regions": [_region(standing) for standing in one.standings]} for one in found.rankings
        ],
        "worst": [_row(row) for row in found.worst],
        "improved": [_row(row) for row in found.improved],
    }


def _row(row: Row) -> dict[str, Any]:
    return {"name": row.name, "figures": _of_month(row.figures), "before": row.before, "change": row.change}


def _region(standing: Standing) -> dict[str, Any]:
    return {
        "name": standing.row.name,
        "place": region_name(standing.row.name),
        "rank": _rank(standing.rank),
        "before": _rank(standing.before),
        "climbed": standing.climbed,
        "figures": _of_month(standing.row.figures),
        "change": standing.row.change,
    }


def _rank(rank: Rank | None) -> dict[str, int] | None:
    return rank._asdict() if rank is not None else None


def _of_month(figures: Mapping[str, float | None]) -> dict[str, float | None]:
    return {name: figures[name] for name in _FIGURES}


# --- as a file ---

HEADS = (
    *("part", "pool", "name", "place", "rank", "of", "from_last", "rank_before", "climbed"),
    *_FIGURES,
    *(f"{name}_change" for name in _FIGURES),
)
"""The columns of the file: one row for all work, each region, and each department that is named."""


async def batches(found: Bulletin) -> AsyncGenerator[list[Cells], None]:
    """The rows of the file."""
    yield [_cells("total", found.total)]
    for ranking in found.rankings:
        yield [_ranked(ranking.pool, standing) for standing in ranking.standings]
    yield _named("worst", found.worst)
    yield _named("improved", found.improved)


def _named(part: str, rows: Iterable[Row]) -> list[Cells]:
    return [_cells(part, row) for row in rows]


def _ranked(pool: Pool, standing: Standing) -> Cells:
    name, rank, earlier = standing.row.name, standing.rank, standing.before
    places: list[Cell] = [None, None, None] if rank is None else [rank.rank, rank.of, rank.from_last]
    rank_before = None if earlier is None else earlier.rank
    return _cells("ranking", standing.row, [pool, name, region_name(name), *places, rank_before, standing.climbed])


def _cells(part: str, row: Row, own: list[Cell] | None = None) -> Cells:
    named: list[Cell] = own if own is not None else [None, row.name, None, None, None, None, None, None]
    return [part, *named, *_of_month(row.figures).values(), *(row.change[name] for name in _FIGURES)]
