"""Reads the overdue commitments from the table of alerts: each once, with the highest card that stands.

Commitments for which no card was issued because of a platform issue are included.
"""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.messages.alerts import Rung
from services.monitor.store.lists.filters import COLUMN, Cursor, GroupBy, Query, Selection
from services.monitor.store.lists.neighbours import Neighbour, Neighbours, of_row

SEVERITY = {Rung.YELLOW: 1, Rung.RED: 2, Rung.OVERSIGHT: 3}
"""Ranks the cards; 0 is none."""

RUNGS = {severity: rung for rung, severity in SEVERITY.items()}

PLATFORM: Literal["platform"] = "platform"

Card = Literal[Rung.YELLOW, Rung.RED, Rung.OVERSIGHT, "platform"]
"""The highest card that stands, or that there is none because of a platform issue."""

_CONDITIONS = {
    "owner": "owner = :owner",
    "region": "starts_with(region, :region)",
    "item": "matter = :item",
    "kind": "split_part(commitment, '/', 1) = :kind",
}

_OVERDUE = """
    SELECT case_id, commitment, coalesce(cards.owner, platform.owner) AS owner,
        coalesce(cards.matter, platform.matter) AS matter,
        coalesce(cards.region, platform.region) AS region, coalesce(severity, 0) AS severity,
        coalesce(cards.since, platform.since) AS since, coalesce(untaken, FALSE) AS untaken,
        coalesce(issues, CAST('{{}}' AS text[])) AS issues
    FROM (
        SELECT case_id, commitment, min(owner) AS owner, min(matter) AS matter, min(region) AS region,
            min(due_at) AS since, max(CASE rung {severities} END) AS severity,
            max(CASE rung {severities} END) FILTER (WHERE acknowledged_at IS NOT NULL)
                IS DISTINCT FROM max(CASE rung {severities} END) AS untaken
        FROM alerts WHERE withdrawn_at IS NULL AND ended_at IS NULL AND rung <> 'warning' AND {conditions}
        GROUP BY case_id, commitment
    ) AS cards
    FULL JOIN (
        SELECT case_id, commitment, min(owner) AS owner, min(matter) AS matter, min(region) AS region,
            min(raised_at) AS since, array_agg(issue ORDER BY issue) AS issues
        FROM platform_issues WHERE settled_at IS NULL AND {conditions}
        GROUP BY case_id, commitment
    ) AS platform USING (case_id, commitment)
    WHERE {rung}
"""

_ORDER = "severity DESC, since, case_id, commitment"

# Only the states of the rows on the page are read.
_IN_ORDER = f"""
    SELECT overdue.*, opened_at, committed_due, statutory_due
    FROM ({{overdue}} ORDER BY {_ORDER} {{limit}}) AS overdue
    LEFT JOIN cases USING (case_id)
    LEFT JOIN LATERAL (
        SELECT CAST(tracked ->> 'opened_at' AS timestamptz) AS opened_at,
            CAST(coalesce(tracked #>> '{{{{due,committed}}}}', tracked #>> '{{{{due,yellow}}}}') AS timestamptz)
                AS committed_due,
            CAST(coalesce(tracked #>> '{{{{due,statutory}}}}', tracked #>> '{{{{due,red}}}}') AS timestamptz)
                AS statutory_due
        FROM jsonb_array_elements(CAST(state AS jsonb) -> 'commitments') AS held (tracked)
        WHERE tracked ->> 'key' = commitment
    ) AS held ON TRUE
    ORDER BY {_ORDER}
"""

_AFTER = """
    (-coalesce(severity, 0), coalesce(cards.since, platform.since), case_id, commitment)
        > (-CAST(:severity AS integer), :at, :case_id, :commitment)
"""

_COUNTS = """
    SELECT {column} AS name, count(*) AS commitments, count(*) FILTER (WHERE severity = 1) AS yellow,
        count(*) FILTER (WHERE severity = 2) AS red, count(*) FILTER (WHERE severity = 3) AS oversight,
        count(*) FILTER (WHERE severity = 0) AS platform, CAST(sum(count(*)) OVER () AS bigint) AS total
    FROM ({overdue}) AS overdue GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT :limit
"""


_TOTALS = """
    SELECT count(*) AS commitments, count(*) FILTER (WHERE severity = 1) AS yellow,
        count(*) FILTER (WHERE severity = 2) AS red, count(*) FILTER (WHERE severity = 3) AS oversight,
        count(*) FILTER (WHERE severity = 0) AS platform, count(*) FILTER (WHERE untaken) AS untaken
    FROM ({overdue}) AS overdue
"""


class Totals(NamedTuple):
    """How many commitments are overdue, by their highest card. ``untaken``: of which nobody has acknowledged it."""

    commitments: int
    yellow: int
    red: int
    oversight: int
    platform: int
    untaken: int


async def page(
    connection: AsyncConnection, selection: Selection, rung: Card | None, after: Cursor | None, limit: int
) -> Sequence[Row[Any]]:
    """At most ``limit`` overdue commitments: the highest card first, and among equal cards the oldest."""
    return (await connection.execute(*everything(selection, rung, after, limit))).all()


async def neighbours(
    connection: AsyncConnection, selection: Selection, rung: Card | None, row: Neighbour
) -> Neighbours | None:
    """The rows before and after one of them, in the same order; None if it is not among them."""
    parameters = selection.parameters | _severity(rung)
    return await of_row(connection, _overdue(selection, rung), _ORDER, parameters, row)


def everything(selection: Selection, rung: Card | None, after: Cursor | None, limit: int | None) -> Query:
    """The statement for all of them, or for ``limit``, in the same order."""
    overdue = _overdue(selection, rung)
    if after is not None:
        overdue += " AND " + _AFTER
    query = _IN_ORDER.format(overdue=overdue, limit="" if limit is None else "LIMIT :limit")
    parameters: dict[str, Any] = {**selection.parameters, **(after._asdict() if after is not None else {})}
    parameters |= _severity(rung)
    if limit is not None:
        parameters["limit"] = limit
    return text(query), parameters


async def counts(
    connection: AsyncConnection, selection: Selection, rung: Card | None, by: GroupBy, limit: int
) -> Sequence[Row[Any]]:
    """How many of them each department, region or matter has, most first. ``total`` counts all groups."""
    query = _COUNTS.format(column=COLUMN[by], overdue=_overdue(selection, rung))
    parameters: dict[str, Any] = {**selection.parameters, **_severity(rung), "limit": limit}
    return (await connection.execute(text(query), parameters)).all()


async def totals(connection: AsyncConnection, selection: Selection) -> Totals:
    """How many of them there are."""
    query = _TOTALS.format(overdue=_overdue(selection, None))
    return Totals(*(await connection.execute(text(query), selection.parameters)).one())


def _severity(rung: Card | None) -> dict[str, Any]:
    return {} if rung is None or rung == PLATFORM else {"rung_severity": SEVERITY[rung]}


def _overdue(selection: Selection, rung: Card | None) -> str:
    wanted = "TRUE" if rung is None else "severity IS NULL" if rung == PLATFORM else "severity = :rung_severity"
    return _OVERDUE.format(
        severities=" ".join(f"WHEN '{rung}' THEN {severity}" for rung, severity in SEVERITY.items()),
        conditions=selection.condition(_CONDITIONS),
        rung=wanted,
    )
