"""Reads a board: for its JSON and for its page."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.rights.scope import Scope
from services.monitor.core.board import board
from services.monitor.core.board.board import Row
from services.monitor.core.board.periods import Period
from services.monitor.core.board.ranks import Pool, pool_of
from services.monitor.store.board import reading
from services.monitor.store.board.reading import Selection
from services.monitor.store.lists.filters import GroupBy
from services.monitor.web.board.query import BoardFilter, local_now
from services.runtime.store import changed_cases


@dataclass(frozen=True, slots=True)
class Board:
    """A board. ``rows`` are those asked for, the lowest on-time rate first; ``total`` is all of them together.

    ``peers``: all rows there are, among which ranks are, also those that were not asked for.
    ``now``: the time of the place, to whose day the figures of the present refer. ``uncounted_since``: the moment since
    which changes are not counted yet, by the machine's clock; None if all are.
    """

    period: Period
    now: datetime
    uncounted_since: datetime | None
    rows: list[Row]
    total: Row
    peers: list[Row]


async def load(
    connection: AsyncConnection,
    wanted: BoardFilter,
    by: GroupBy,
    now: datetime,
    pools: Mapping[str, Pool],
    scope: Scope,
) -> Board:
    """Read the board that is asked for, of the work in this scope. ``pools``: those of regions whose code does not
    tell."""
    local = await local_now(connection, now, wanted.region)
    period = wanted.period_at(local.date())
    selection = Selection(by, wanted.kind, wanted.owner, wanted.region, wanted.item, scope)
    groups = await reading.groups(connection, selection, period, local.date())
    uncounted_since = await changed_cases.oldest(connection)
    pool = {name: pool_of(name, pools) for name in groups} if by is GroupBy.REGION else {}
    found = board.rows(groups, period, pool, are_ranked=selection.is_ranked)
    shown = [row for row in found if selection.shows(row.name)]
    whole = board.total([groups[row.name] for row in shown], period)
    return Board(period, local, uncounted_since, shown, whole, found)
