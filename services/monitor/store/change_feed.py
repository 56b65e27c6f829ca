"""What has changed in the lists of alerts and of failures, in an order in which nothing comes late.

Each row names the transaction that wrote it last. Transactions commit in another order than they begin in, so that of
those which have begun only what lies before the oldest one still under way is sure to be complete. That far the
changes are read, in the order of transactions and in each in that of the rows; whatever commits later, lies behind.
"""

from typing import Any, NamedTuple

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

ALERTS, OPERATIONS = 0, 1
"""The lists, in their order within a transaction."""

_BEYOND = 2**63 - 1


class FeedPosition(NamedTuple):
    """Where a change stands: its transaction, its list, the number of its row."""

    changed: int
    list: int
    number: int

    def __str__(self) -> str:
        return f"{self.changed}.{self.list}.{self.number}"


class Change(NamedTuple):
    """A row of one of the lists as it is now."""

    place: FeedPosition
    row: Row[Any]


_COMPLETE = text("SELECT CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint)")

# A row that is written again goes to the end of the order, so that what lies behind us only ever becomes less.
_CHANGED = """
    SELECT *, CAST(CAST(changed AS text) AS bigint) AS changed_by FROM {table}
    WHERE (changed, number) > (CAST(CAST(:changed AS text) AS xid8), :number)
        AND (changed, number) <= (CAST(CAST(:until AS text) AS xid8), :last)
    ORDER BY {table}.changed, number LIMIT :limit
"""

_QUERIES = {ALERTS: text(_CHANGED.format(table="alerts")), OPERATIONS: text(_CHANGED.format(table="operations"))}


async def complete(connection: AsyncConnection) -> FeedPosition:
    """The place before which nothing more will come."""
    return FeedPosition(await connection.scalar(_COMPLETE), ALERTS, 0)


async def changes(connection: AsyncConnection, after: FeedPosition, until: FeedPosition, limit: int) -> list[Change]:
    """The next changes after one place, up to and with another before which all is complete; at most ``limit``."""
    found = [
        Change(FeedPosition(row.changed_by, table, row.number), row)
        for table, query in _QUERIES.items()
        for row in (await connection.execute(query, _between(table, after, until) | {"limit": limit})).all()
    ]
    return sorted(found, key=lambda change: change.place)[:limit]


def _between(table: int, after: FeedPosition, until: FeedPosition) -> dict[str, Any]:
    """The same two places, as this list has them."""
    return {
        "changed": str(after.changed),
        "number": _number(table, after),
        "until": str(until.changed),
        "last": _number(table, until),
    }


def _number(table: int, place: FeedPosition) -> int:
    """The last number of this list in that transaction that does not lie behind that place."""
    if table == place.list:
        return place.number
    return _BEYOND if table < place.list else 0
