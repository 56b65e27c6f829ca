"""What is overdue, from the list of alerts: each commitment once, with the highest card that stands.

Beside it stands what nobody was issued a card for, because the platform itself had failed in it.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.messages.alerts import Rung
from services.monitor.store.due import COLUMN, By, Query
from services.monitor.store.query_limits import Cursor, Scope

HEIGHT = {Rung.YELLOW: 1, Rung.RED: 2, Rung.FURTHER: 3}
"""Of a card; 0 is none."""

RUNGS = {height: rung for rung, height in HEIGHT.items()}

HIGHEST = max(HEIGHT.values())

_CONDITIONS = {
    "owner": "owner = :owner",
    "region": "starts_with(region, :region)",
    "item": "matter = :item",
    "kind": "split_part(commitment, '/', 1) = :kind",
}

_OVERDUE = """
    SELECT case_id, commitment, coalesce(cards.owner, own.owner) AS owner, coalesce(cards.matter, own.matter) AS matter,
        coalesce(cards.region, own.region) AS region, coalesce(height, 0) AS height,
        {highest} - coalesce(height, 0) AS mildness, coalesce(cards.since, own.since) AS since,
        coalesce(issues, CAST('{{}}' AS text[])) AS issues
    FROM (
        SELECT case_id, commitment, min(owner) AS owner, min(matter) AS matter, min(region) AS region,
            min(due_at) AS since, max(CASE rung {heights} END) AS height
        FROM alerts WHERE withdrawn_at IS NULL AND ended_at IS NULL AND rung <> 'warning' AND {conditions}
        GROUP BY case_id, commitment
    ) AS cards
    FULL JOIN (
        SELECT case_id, commitment, min(owner) AS owner, min(matter) AS matter, min(region) AS region,
            min(raised_at) AS since, array_agg(issue ORDER BY issue) AS issues
        FROM operations WHERE settled_at IS NULL AND {conditions}
        GROUP BY case_id, commitment
    ) AS own USING (case_id, commitment)
    WHERE {rung}
"""

# The states are looked at for the rows of the page alone.
_IN_ORDER = """
    SELECT late.*, opened_at, committed_due, statutory_due
    FROM ({overdue} ORDER BY mildness, since, case_id, commitment {limit}) AS late
    LEFT JOIN cases USING (case_id)
    LEFT JOIN LATERAL (
        SELECT CAST(watch ->> 'opened_at' AS timestamptz) AS opened_at,
            CAST(coalesce(watch #>> '{{due,committed}}', watch #>> '{{due,yellow}}') AS timestamptz) AS committed_due,
            CAST(coalesce(watch #>> '{{due,statutory}}', watch #>> '{{due,red}}') AS timestamptz) AS statutory_due
        FROM jsonb_array_elements(CAST(state AS jsonb) -> 'commitments') AS held (watch)
        WHERE watch ->> 'key' = commitment
    ) AS held ON TRUE
    ORDER BY mildness, since, case_id, commitment
"""

_AFTER = """
    ({highest} - coalesce(height, 0), coalesce(cards.since, own.since), case_id, commitment)
        > (:mildness, :at, :case_id, :commitment)
"""

_COUNTS = """
    SELECT {column} AS name, count(*) AS commitments, count(*) FILTER (WHERE height = 1) AS yellow,
        count(*) FILTER (WHERE height = 2) AS red, count(*) FILTER (WHERE height = 3) AS further,
        count(*) FILTER (WHERE height = 0) AS platform, CAST(sum(count(*)) OVER () AS bigint) AS total
    FROM ({overdue}) AS late GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT :limit
"""


async def page(
    connection: AsyncConnection, scope: Scope, rung: Rung | None, after: Cursor | None, limit: int
) -> Sequence[Row[Any]]:
    """At most ``limit`` overdue commitments: those with the highest card first, and of them the oldest."""
    return (await connection.execute(*everything(scope, rung, after, limit))).all()


def everything(scope: Scope, rung: Rung | None, after: Cursor | None, limit: int | None) -> Query:
    """The statement for all of them, or so many, in the same order."""
    overdue = _overdue(scope, rung)
    if after is not None:
        overdue += " AND " + _AFTER.format(highest=HIGHEST)
    query = _IN_ORDER.format(overdue=overdue, limit="" if limit is None else "LIMIT :limit")
    given: dict[str, Any] = {**scope.given(), **(after._asdict() if after is not None else {})}
    if rung is not None:
        given["height"] = HEIGHT[rung]
    if limit is not None:
        given["limit"] = limit
    return text(query), given


async def counts(
    connection: AsyncConnection, scope: Scope, rung: Rung | None, by: By, limit: int
) -> Sequence[Row[Any]]:
    """How many of them there are, by department, region or matter; most first. ``total`` is of all groups."""
    query = _COUNTS.format(column=COLUMN[by], overdue=_overdue(scope, rung))
    given: dict[str, Any] = {**scope.given(), "limit": limit}
    if rung is not None:
        given["height"] = HEIGHT[rung]
    return (await connection.execute(text(query), given)).all()


def _overdue(scope: Scope, rung: Rung | None) -> str:
    return _OVERDUE.format(
        highest=HIGHEST,
        heights=" ".join(f"WHEN '{rung}' THEN {height}" for rung, height in HEIGHT.items()),
        conditions=" AND ".join(_CONDITIONS[name] for name in scope.given()) or "TRUE",
        rung="TRUE" if rung is None else "height = :height",
    )
