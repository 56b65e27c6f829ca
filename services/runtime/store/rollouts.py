"""Roll-outs: how far the open cases follow the newest version of a document.

The case numbers are divided into lanes. A transaction claims one lane, recalculates its next open cases in the order of
their numbers, and notes how far it has come; so all replicas share in the work, and a replica that dies leaves its lane
as it was. A partial index holds the open cases alone: the cost follows their number, not that of all cases stored.
"""

import string
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.store.database import Driver

TABLES = (
    # The predicate names no column that cases_closed does not name already: updates stay heap-only as before.
    "CREATE INDEX cases_open ON cases (case_id) WHERE closed_at IS NULL",
    """
    CREATE TABLE rollout_lanes (
        kind text NOT NULL,
        number integer NOT NULL,
        lane integer NOT NULL,
        reached text NOT NULL,
        until text NOT NULL,
        visited bigint NOT NULL DEFAULT 0,
        changed bigint NOT NULL DEFAULT 0,
        began_at timestamptz,
        done_at timestamptz,
        PRIMARY KEY (kind, number, lane)
    )
    """,
    "COMMENT ON TABLE rollout_lanes IS 'how far the open cases of a range of case numbers follow a version'",
    "COMMENT ON COLUMN rollout_lanes.reached IS 'the last case visited, or where the lane begins'",
    "COMMENT ON COLUMN rollout_lanes.until IS 'the last case number that may belong to the lane'",
)


class Progress(NamedTuple):
    """A version, and how far the open cases follow it. Moments are machine time."""

    number: int
    summary: str
    made_at: datetime
    visited: int
    """Open cases that have been recalculated."""
    changed: int
    """Of these, cases in which something changed."""
    open_cases: int
    """Open cases there are, as the database's statistics have it."""
    began_at: datetime | None
    done_at: datetime | None
    """When every open case followed; None before, and for documents that cases do not follow."""


class RolloutLane(NamedTuple):
    """A range of case numbers, claimed by this process until its transaction ends."""

    lane: int
    reached: str
    """The last case visited."""
    until: str
    """The last case number that may belong to it."""


_HISTORY = text("""
    SELECT number, summary, made_at, coalesce(sum(visited), 0)::bigint, coalesce(sum(changed), 0)::bigint,
        (SELECT greatest(0, reltuples)::bigint FROM pg_class WHERE oid = 'cases_open'::regclass),
        min(began_at), CASE WHEN bool_and(lane.done_at IS NOT NULL) THEN max(lane.done_at) END
    FROM documents LEFT JOIN rollout_lanes AS lane USING (kind, number)
    WHERE kind = :kind GROUP BY number, summary, made_at ORDER BY number DESC LIMIT :limit
""")

_STATE = """
    SELECT number, count(lane), count(lane) FILTER (WHERE done_at IS NULL)
    FROM documents LEFT JOIN rollout_lanes USING (kind, number)
    WHERE kind = $1 AND number = (SELECT max(number) FROM documents WHERE kind = $1) GROUP BY number
"""

_CUTS = ["", *(string.digits + string.ascii_uppercase)[1:]]
"""Where one lane ends and the next begins. The first characters of case numbers are random, so the lanes are of about
equal size. Any other first character sorts between two cuts, before the first or behind the last."""

# In the sort order that the database has for text, whichever it is: a lane reaches from behind one cut up to the next.
# The last lane ends at the last open case of now: a case accepted later has never been under an earlier version.
_LAY = """
    INSERT INTO rollout_lanes (kind, number, lane, reached, until)
    SELECT $1, $2, row_number() OVER cuts, cut,
        coalesce(lead(cut) OVER cuts, (SELECT max(case_id) FROM cases WHERE closed_at IS NULL), '')
    FROM unnest($3::text[]) AS cut WINDOW cuts AS (ORDER BY cut)
    ON CONFLICT DO NOTHING
"""

# All lanes advance side by side, so that they end together and no replica is without work before the end.
_CLAIM = """
    SELECT lane, reached, until FROM rollout_lanes
    WHERE kind = $1 AND number = $2 AND done_at IS NULL ORDER BY visited LIMIT 1 FOR UPDATE SKIP LOCKED
"""

_ADVANCE = """
    UPDATE rollout_lanes SET reached = coalesce($4, reached), visited = visited + $5, changed = changed + $6,
        began_at = coalesce(began_at, clock_timestamp()), done_at = CASE WHEN $7 THEN clock_timestamp() END
    WHERE kind = $1 AND number = $2 AND lane = $3
"""


async def history(connection: AsyncConnection, kind: str, limit: int) -> list[Progress]:
    """The last versions of a document, the newest first, and how far open cases follow each."""
    return [Progress(*row) for row in await connection.execute(_HISTORY, {"kind": kind, "limit": limit})]


async def state(driver: Driver, kind: str) -> tuple[int, bool]:
    """The number of the version in force, 0 for none, and whether open cases do not follow it yet."""
    found = await driver.fetchrow(_STATE, kind)
    if found is None:
        return 0, False
    number, lanes, behind = found
    if lanes == 0:
        await driver.execute(_LAY, kind, number, _CUTS)
    return number, lanes == 0 or behind > 0


async def claim(driver: Driver, kind: str, number: int) -> RolloutLane | None:
    """Lock a lane whose cases do not follow this version yet; None if there is none that no other process holds."""
    found = await driver.fetchrow(_CLAIM, kind, number)
    return RolloutLane(*found) if found is not None else None


async def advance(
    driver: Driver,
    kind: str,
    number: int,
    lane: RolloutLane,
    reached: str | None,
    visited: int,
    changed: int,
    *,
    done: bool,
) -> None:
    """Note how far a lane's cases follow a version, and whether these were the last of them."""
    await driver.execute(_ADVANCE, kind, number, lane.lane, reached, visited, changed, done)
