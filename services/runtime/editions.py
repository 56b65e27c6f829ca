"""Editions of the rules that a service keeps to: reference data that changes while cases are open.

Every edition stays in the service's database, so that what was reckoned by it can be reckoned again. Batches are folded
by the newest one: who saves a batch by an older one is told that it was overtaken (`store.save`). Then every open case
is gone through in the background, in bounded transactions and by one process at a time, and given a `Revised` message.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.database import Driver

TABLE = (
    """
    CREATE TABLE editions (
        number integer PRIMARY KEY,
        body text NOT NULL,
        summary text NOT NULL,
        made_at timestamptz NOT NULL DEFAULT now(),
        reached text NOT NULL DEFAULT '',
        looked_at bigint NOT NULL DEFAULT 0,
        moved bigint NOT NULL DEFAULT 0,
        began_at timestamptz,
        done_at timestamptz
    )
    """,
    "COMMENT ON TABLE editions IS 'every edition of the rules this service has kept to, and how far cases follow it'",
    "COMMENT ON COLUMN editions.reached IS 'the last case that has been gone through, in the order of their numbers'",
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
    SELECT number, summary, made_at, looked_at, moved,
        (SELECT greatest(0, reltuples)::bigint FROM pg_class WHERE oid = 'cases'::regclass), began_at, done_at
    FROM editions ORDER BY number DESC LIMIT :limit
""")

_STANDS = "SELECT number, done_at IS NULL FROM editions ORDER BY number DESC LIMIT 1"

_UNDER_WAY = """
    SELECT reached FROM editions
    WHERE number = $1 AND done_at IS NULL AND number = (SELECT max(number) FROM editions)
    FOR UPDATE SKIP LOCKED
"""

# Whoever is saving a batch has begun before and is waited for, or begins after and sees the new edition: PostgreSQL
# takes a statement's locks before its snapshot.
_NOBODY_SAVES = text("LOCK TABLE cases IN SHARE ROW EXCLUSIVE MODE")

_STRETCH = """
    SELECT max(case_id), count(*) FROM (
        SELECT case_id FROM cases WHERE case_id > $1 ORDER BY case_id LIMIT $2
    ) AS stretch
"""

_MARK = """
    UPDATE editions SET reached = coalesce($2, reached), looked_at = looked_at + $3, moved = moved + $4,
        began_at = coalesce(began_at, clock_timestamp()), done_at = CASE WHEN $2 IS NULL THEN clock_timestamp() END
    WHERE number = $1
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
    return (found[0], found[1]) if found is not None else (0, False)


async def under_way(driver: Driver, number: int) -> str | None:
    """The last case that has been gone through for this edition, which is locked; None if there is nothing to do, or
    another process is at it."""
    reached: str | None = await driver.fetchval(_UNDER_WAY, number)
    return reached


async def stretch(driver: Driver, after: str, limit: int) -> tuple[str | None, int]:
    """The last of the next cases in the order of their numbers, None behind the last, and how many they are."""
    last, count = await driver.fetchrow(_STRETCH, after, limit)
    return last, count


async def mark(driver: Driver, number: int, reached: str | None, looked_at: int, moved: int) -> None:
    """Note how far an edition has been followed; ``reached`` is None at the end."""
    await driver.execute(_MARK, number, reached, looked_at, moved)
