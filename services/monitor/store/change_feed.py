"""Reads the changes of the tables of alerts and platform issues, in an order that later commits do not disturb.

Each row names the transaction that changed it last. Transactions commit in another order than they begin in, so only
changes older than the oldest open transaction are complete. The feed reads up to that one, in the order of
transactions, and of tables and rows within each. Every later commit has a later position.
"""

from typing import Any, NamedTuple

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

ALERTS, PLATFORM_ISSUES = 0, 1
"""The tables, in their order within a transaction."""

_BEYOND = 2**63 - 1


class FeedPosition(NamedTuple):
    """The position of a change: its transaction, its table, the number of its row."""

    transaction: int
    list: int
    number: int

    def __str__(self) -> str:
        return f"{self.transaction}.{self.list}.{self.number}"


class Change(NamedTuple):
    """A row of one of the tables as it is now."""

    position: FeedPosition
    row: Row[Any]


_COMPLETE = text("SELECT CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint)")

_HELD = text("""
    SELECT pg_snapshot_xmin(snapshot) < pg_snapshot_xmax(snapshot) FROM pg_current_snapshot() AS snapshot
""")

# A row that changes again moves to the end of the order, so the rows behind a position only become fewer.
_CHANGED = """
    SELECT *, CAST(CAST(changed_xid AS text) AS bigint) AS changed_by FROM {table}
    WHERE (changed_xid, number) > (CAST(CAST(:after AS text) AS xid8), :after_number)
        AND (changed_xid, number) <= (CAST(CAST(:until AS text) AS xid8), :until_number)
    ORDER BY {table}.changed_xid, number LIMIT :limit
"""

_QUERIES = {
    ALERTS: text(_CHANGED.format(table="alerts")),
    PLATFORM_ISSUES: text(_CHANGED.format(table="platform_issues")),
}


async def complete_position(connection: AsyncConnection) -> FeedPosition:
    """The position before which no change will be added."""
    return FeedPosition(await connection.scalar(_COMPLETE), ALERTS, 0)


async def holder_is_open(connection: AsyncConnection) -> bool:
    """Whether an open transaction, of any database of this server, holds the complete position where it is."""
    return bool(await connection.scalar(_HELD))


async def changes(connection: AsyncConnection, after: FeedPosition, until: FeedPosition, limit: int) -> list[Change]:
    """The next changes after one position, up to and including ``until``, which must be complete; at most ``limit``."""
    found = [
        Change(FeedPosition(row.changed_by, table, row.number), row)
        for table, query in _QUERIES.items()
        for row in (await connection.execute(query, _between(table, after, until) | {"limit": limit})).all()
    ]
    return sorted(found, key=lambda change: change.position)[:limit]


def _between(table: int, after: FeedPosition, until: FeedPosition) -> dict[str, Any]:
    """The two positions as bounds of this table."""
    return {
        "after": str(after.transaction),
        "after_number": _number(table, after),
        "until": str(until.transaction),
        "until_number": _number(table, until),
    }


def _number(table: int, position: FeedPosition) -> int:
    """The last number of this table, in that transaction, that does not lie behind the position."""
    if table == position.list:
        return position.number
    return _BEYOND if table < position.list else 0
