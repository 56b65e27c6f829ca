"""Reads what is overdue now, by row of the board and by county: as many rows as there are overdue commitments."""

from collections.abc import Mapping
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.rights.scope import EVERYWHERE, Scope
from services.monitor.store.board.counting import ITEM, MONTH, OWNER, REGION
from services.monitor.store.lists.filters import COLUMN, GroupBy
from services.runtime.store.scopes import Columns, within

_CONDITIONS = {
    "owner": "owner = :owner",
    "region": "region >= :region AND region < :region || ':'",
    "item": "matter = :item",
}

_KIND = "split_part(commitment, '/', 1) = :kind"

# A red card stands on a commitment that is overdue; where there is none, the platform may be the reason.
_CELLS = """
    SELECT name, region, CAST(sum(overdue) AS integer), CAST(sum(red) AS integer), CAST(sum(platform) AS integer)
    FROM (
        SELECT {column} AS name, region, count(*) AS overdue, 0 AS red, 0 AS platform FROM commitment_facts
        WHERE ended_on IS NULL AND NOT paused AND due_on < :today AND kind = :kind AND {conditions} GROUP BY 1, 2
        UNION ALL
        SELECT {column}, region, 0, count(DISTINCT (case_id, commitment)), 0 FROM alerts
        WHERE withdrawn_at IS NULL AND ended_at IS NULL AND rung IN ('red', 'oversight') AND {of_kind} AND {conditions}
        GROUP BY 1, 2
        UNION ALL
        SELECT {column}, region, 0, 0, count(DISTINCT (case_id, commitment)) FROM platform_issues
        WHERE settled_at IS NULL AND {of_kind} AND {conditions} GROUP BY 1, 2
    ) AS counted GROUP BY 1, 2
"""

_KNOWN = """
    SELECT DISTINCT 'owner', owner FROM figures WHERE level = :owners AND {kind} AND {inside}
    UNION ALL SELECT DISTINCT 'region', region FROM figures WHERE level = :regions AND {kind} AND {inside}
    ORDER BY 1, 2
"""


class Cell(NamedTuple):
    """What is overdue now in one county: all of it, with a red card, and because of the platform."""

    overdue: int
    red: int
    platform: int


async def cells(
    connection: AsyncConnection, filters: Mapping[str, str], scope: Scope, by: GroupBy, today: date
) -> dict[str, dict[str, Cell]]:
    """The cells by the name of the row, then by county. ``filters`` has the kind. Counties with nothing are missing."""
    inside, scope_parameters = within(scope)
    query = _CELLS.format(
        column=COLUMN[by],
        of_kind=_KIND,
        conditions=" AND ".join([*(_CONDITIONS[name] for name in filters if name != "kind"), inside]),
    )
    found: dict[str, dict[str, Cell]] = {}
    parameters: dict[str, Any] = {**filters, **scope_parameters, "today": today}
    for name, region, *numbers in await connection.execute(text(query), parameters):
        found.setdefault(name, {})[region] = Cell(*numbers)
    return found


class Known(NamedTuple):
    """The departments and the counties of which anything was ever counted, in order: what filters can choose."""

    owners: list[str]
    counties: list[str]


async def known(connection: AsyncConnection, kind: str | None, scope: Scope) -> Known:
    """Those of one kind of commitments, or of all, in this scope."""
    inside, scope_parameters = within(scope, Columns(in_order=True))
    # A scope needs rows that tell apart departments, regions and items; without one fewer rows do.
    parted = 0 if scope == (EVERYWHERE,) else OWNER | REGION | ITEM
    of_kind = "TRUE" if kind is None else "kind = :kind"
    given = {} if kind is None else {"kind": kind}
    parameters = {**given, "owners": OWNER | parted | MONTH, "regions": REGION | parted | MONTH}
    found = Known([], [])
    for column, value in await connection.execute(
        text(_KNOWN.format(inside=inside, kind=of_kind)), parameters | scope_parameters
    ):
        (found.owners if column == "owner" else found.counties).append(value)
    return found
