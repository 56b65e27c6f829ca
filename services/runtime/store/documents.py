"""Editions of the rules that a service keeps to: reference data that changes while cases are open.

Every edition stays in the service's database, so that what was reckoned by it can be reckoned again. Batches are folded
by the newest one: who saves a batch by an older one is told that it was overtaken (`store.save`). Then every open case
is gone through in the background, in bounded transactions, and given a `RulesChanged` message. All processes share in
that:
the case numbers are divided into lanes, and each lane is in the hands of one process at a time.
"""

import json
import string
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.store.database import Driver

TABLES = (
    """
    CREATE TABLE editions (
        number integer PRIMARY KEY,
        body text NOT NULL,
        summary text NOT NULL,
        made_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "COMMENT ON TABLE editions IS 'every edition of the rules this service has kept to'",
    """
    CREATE TABLE edition_lanes (
        number integer NOT NULL,
        lane integer NOT NULL,
        reached text NOT NULL,
        until text NOT NULL,
        looked_at bigint NOT NULL DEFAULT 0,
        moved bigint NOT NULL DEFAULT 0,
        began_at timestamptz,
        done_at timestamptz,
        PRIMARY KEY (number, lane)
    )
    """,
    "COMMENT ON TABLE edition_lanes IS 'how far the cases of each lane, a range of case numbers, follow an edition'",
    "COMMENT ON COLUMN edition_lanes.reached IS 'the last case gone through, or where the lane begins'",
    "COMMENT ON COLUMN edition_lanes.until IS 'the last case number that may belong to the lane'",
)


class Edition(NamedTuple):
    """One edition; number 0 is what the program came with, and stands in no table."""

    number: int
    body: str


class Progress(NamedTuple):
    """How far the open cases follow an edition. Moments are machine time."""

    number: int
    summary: str
    made_at: datetime
    looked_at: int
    """Cases that have been gone through, open or closed."""
    moved: int
    """Of these, cases in which something changed."""
    cases: int
    """Cases there are, as the database's statistics have it."""
    began_at: datetime | None
    done_at: datetime | None


class Lane(NamedTuple):
    """A range of case numbers whose next cases are this process's, until its transaction ends."""

    lane: int
    reached: str
    """The last case that has been gone through."""
    until: str
    """The last case number that may belong to it."""


class Outrun(Exception):
    """Another edition has come into force meanwhile."""


class UnusableEdition(OSError):
    """This program cannot read the rules in force, as after a newer one has made them. To it, the database is away."""


LATEST = "SELECT coalesce(max(number), 0) FROM editions"

_LATEST = "SELECT number, body FROM editions ORDER BY number DESC LIMIT 1"

_BODY = text("SELECT body FROM editions WHERE number = :number")

_PUT = text("""
    INSERT INTO editions (number, body, summary)
    SELECT coalesce(max(number), 0) + 1, :body, :summary FROM editions
    RETURNING number
""")

_PROGRESS = text("""
    SELECT number, summary, made_at, coalesce(sum(looked_at), 0)::bigint, coalesce(sum(moved), 0)::bigint,
        (SELECT greatest(0, reltuples)::bigint FROM pg_class WHERE oid = 'cases'::regclass),
        min(began_at), CASE WHEN bool_and(lane.done_at IS NOT NULL) THEN max(lane.done_at) END
    FROM editions LEFT JOIN edition_lanes AS lane USING (number)
    GROUP BY number ORDER BY number DESC LIMIT :limit
""")

_STANDS = """
    SELECT number, count(lane), count(lane) FILTER (WHERE done_at IS NULL)
    FROM editions LEFT JOIN edition_lanes USING (number)
    WHERE number = (SELECT max(number) FROM editions) GROUP BY number
"""

_CUTS = ["", *(string.digits + string.ascii_uppercase)[1:]]
"""Where one lane ends and the next one begins: most case numbers are drawn by lot, so that one first character is as
common as another. Any others lie between two of these, before the first or behind the last one."""

# In the order that the database has for text, whatever it is: a lane is behind one cut and up to the next. What is
# accepted behind the last case there is now has never been under an earlier edition.
_LAY = """
    INSERT INTO edition_lanes (number, lane, reached, until)
    SELECT $1, row_number() OVER cuts, cut,
        coalesce(lead(cut) OVER cuts, (SELECT max(case_id) FROM cases), '')
    FROM unnest($2::text[]) AS cut WINDOW cuts AS (ORDER BY cut)
    ON CONFLICT DO NOTHING
"""

# All lanes advance side by side, so that they end together and nobody is left without work before the end.
_CLAIM = """
    SELECT lane, reached, until FROM edition_lanes
    WHERE number = $1 AND done_at IS NULL ORDER BY looked_at LIMIT 1 FOR UPDATE SKIP LOCKED
"""

# Whoever is saving a batch has begun before and is waited for, or begins after and sees the new edition: PostgreSQL
# takes a statement's locks before its snapshot.
_NOBODY_SAVES = text("LOCK TABLE cases IN SHARE ROW EXCLUSIVE MODE")

_STRETCH = """
    SELECT max(case_id), count(*) FROM (
        SELECT case_id FROM cases WHERE case_id > $1 AND case_id <= $2 ORDER BY case_id LIMIT $3
    ) AS stretch
"""

_MARK = """
    UPDATE edition_lanes SET reached = coalesce($3, reached), looked_at = looked_at + $4, moved = moved + $5,
        began_at = coalesce(began_at, clock_timestamp()), done_at = CASE WHEN $6 THEN clock_timestamp() END
    WHERE number = $1 AND lane = $2
"""


async def latest(driver: Driver) -> Edition | None:
    """The edition in force; None where that is what the program came with."""
    found = await driver.fetchrow(_LATEST)
    return Edition(*found) if found is not None else None


async def in_force(connection: AsyncConnection) -> Edition | None:
    """The edition in force, for whoever is no batch."""
    found = (await connection.execute(text(_LATEST))).one_or_none()
    return Edition(*found) if found is not None else None


async def body(connection: AsyncConnection, number: int) -> str | None:
    """What an edition says."""
    found: str | None = await connection.scalar(_BODY, {"number": number})
    return found


async def put(
    connection: AsyncConnection,
    said: Mapping[str, Any],
    summary: str,
    *,
    first: bool = False,
    after: int | None = None,
) -> int | None:
    """Put an edition in force: its number, or None if it is in force already. ``summary`` tells people what is new.

    ``first``: only if there is none yet. ``after``: the edition that this one was meant to follow; raises `Outrun` if
    another is in force.
    """
    await connection.execute(_NOBODY_SAVES)
    wanted = json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    known = await in_force(connection)
    if after is not None and after != (known.number if known is not None else 0):
        raise Outrun
    if known is not None and (first or known.body == wanted):
        return None
    number: int | None = await connection.scalar(_PUT, {"body": wanted, "summary": summary})
    return number


async def progress(connection: AsyncConnection, limit: int) -> list[Progress]:
    """The last editions, the newest first, each with how far it has been followed."""
    return [Progress(*row) for row in await connection.execute(_PROGRESS, {"limit": limit})]


async def stands(driver: Driver) -> tuple[int, bool]:
    """The number of the edition in force, and whether open cases are yet to follow it."""
    found = await driver.fetchrow(_STANDS)
    if found is None:
        return 0, False
    number, lanes, behind = found
    if lanes == 0:
        await driver.execute(_LAY, number, _CUTS)
    return number, lanes == 0 or behind > 0


async def claim(driver: Driver, number: int) -> Lane | None:
    """A lane with cases yet to follow this edition, which is locked; None without one that others do not have."""
    found = await driver.fetchrow(_CLAIM, number)
    return Lane(*found) if found is not None else None


async def stretch(driver: Driver, lane: Lane, limit: int) -> tuple[str | None, int]:
    """The last of the lane's next cases in the order of their numbers, None behind the last, and how many they are."""
    last, count = await driver.fetchrow(_STRETCH, lane.reached, lane.until, limit)
    return last, count


async def mark(
    driver: Driver, number: int, lane: Lane, reached: str | None, looked_at: int, moved: int, *, done: bool
) -> None:
    """Note how far a lane's cases follow an edition, and whether that was the last of them."""
    await driver.execute(_MARK, number, lane.lane, reached, looked_at, moved, done)
