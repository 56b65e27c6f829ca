"""Reads the commitments that are due soon from the states of the open cases.

There is no table of open commitments: it would cost each case several rows, inserted and deleted again. But each case
has a timer at the next rung of its running commitments, or at a committed limit without a rung. So the commitments due
until a moment belong to the cases with a timer until then, which an index finds; their states have the rest.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic_core import to_json
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.working_time import working_days_between
from contracts.working_time.notices import NATION
from services.monitor.core.rules import Rules
from services.monitor.store.lists.filters import COLUMN, Cursor, GroupBy, Query, Selection
from services.monitor.store.lists.neighbours import Neighbour, Neighbours, of_row
from services.runtime.store.scopes import Columns

# Text that a state must contain to be parsed, since parsing takes most of the time. Strings of JSON escape quotes, so
# that this text occurs only as a name with its value.
_MENTIONS: dict[str, Callable[[str], str]] = {
    "owner": lambda owner: '"owner":' + to_json(owner).decode(),
    "region": lambda region: f'"region":"{region}',
    "item": lambda item: f'"matter":"{item}"',
}

_CONDITIONS = {
    "owner": "tracked ->> 'owner' = :owner",
    "region": "starts_with(state ->> 'region', :region)",
    "item": "state ->> 'matter' = :item",
    "kind": "split_part(tracked ->> 'key', '/', 1) = :kind",
}

_COLUMNS = Columns("tracked ->> 'owner'", "state ->> 'region'", "state ->> 'matter'")

# The timer of a case that is blocked by a dead letter does not fire, and its time runs on.
_BLOCKED = "SELECT case_id FROM dead_letters WHERE status = 'parked' AND blocking"

# ``places``: for each region with a calendar or hours of its own, the moment before which the commitments fall due; the
# longest prefix that fits counts. The conditions on the case are evaluated once, not for each commitment. Which
# commitments have ended follows `state.MonitoredCase.ended_at`.
_OPEN = """
    SELECT case_id, tracked ->> 'key' AS commitment, tracked ->> 'owner' AS owner, state ->> 'matter' AS matter,
        state ->> 'region' AS region, CAST(tracked ->> 'opened_at' AS timestamptz) AS opened_at, committed_due,
        CAST(coalesce(tracked #>> '{{due,statutory}}', tracked #>> '{{due,red}}') AS timestamptz) AS statutory_due,
        coalesce(CAST(tracked #>> '{{due,provisional}}' AS boolean), false) AS provisional,
        ARRAY(
            SELECT alert ->> 'rung' FROM jsonb_array_elements(tracked -> 'raised') AS alert
            WHERE alert ->> 'withdrawn' IS DISTINCT FROM 'true'
        ) AS rungs
    FROM (
        SELECT case_id, state, place_until,
            state @? '$.commitments[*] ? (@.key == "case" && exists(@.owner))' AS accepted,
            state @? '$.commitments[*] ? (@.key == "case" && exists(@.ended_at))' AS decided
        FROM (
            SELECT case_id, CAST(state AS jsonb) AS state FROM (
                SELECT case_id, state FROM cases WHERE timer_at <= :until
                UNION ALL
                SELECT case_id, state FROM cases WHERE timer_at IS NULL AND closed_at IS NULL AND case_id IN ({blocked})
            ) AS open WHERE {mentions} OFFSET 0
        ) AS stated
        CROSS JOIN LATERAL (
            SELECT until
            FROM unnest(CAST(:prefixes AS text[]), CAST(:untils AS timestamptz[])) AS places (prefix, until)
            WHERE starts_with(state ->> 'region', prefix) ORDER BY length(prefix) DESC LIMIT 1
        ) AS place (place_until)
        OFFSET 0
    ) AS stated
    CROSS JOIN LATERAL jsonb_array_elements(state -> 'commitments') AS held (tracked)
    CROSS JOIN LATERAL (
        SELECT CAST(coalesce(tracked #>> '{{due,committed}}', tracked #>> '{{due,yellow}}') AS timestamptz)
            AS committed_due
        OFFSET 0
    ) AS limits
    WHERE committed_due >= :now AND committed_due < place_until AND tracked ->> 'ended_at' IS NULL
        AND tracked #>> '{{due,pause}}' IS NULL
        AND (NOT decided OR split_part(tracked ->> 'key', '/', 1) IN ('delivery', 'complaint', 'consultation'))
        AND NOT (accepted AND split_part(tracked ->> 'key', '/', 1) IN ('acceptance', 'notice'))
        AND {conditions}
"""

_IN_ORDER = "{open} AND {after} ORDER BY committed_due, case_id, commitment {limit}"

_AFTER = "(committed_due, case_id, tracked ->> 'key') > (:at, :case_id, :commitment)"

_COUNTS = """
    SELECT {column} AS name, count(*) AS commitments, min(committed_due) AS first_due,
        CAST(sum(count(*)) OVER () AS bigint) AS total
    FROM ({open}) AS open GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT :limit
"""


_MOMENTS = "SELECT region, committed_due, count(*) AS commitments FROM ({open}) AS open GROUP BY 1, 2"


async def page(
    connection: AsyncConnection,
    rules: Rules,
    limit: int,
    selection: Selection,
    now: datetime,
    days: int,
    after: Cursor | None,
) -> Sequence[Row[Any]]:
    """At most ``limit`` commitments with at most ``days`` working days left, soonest first.

    Reads only as many days ahead as the page needs.
    """
    rows: Sequence[Row[Any]] = []
    for reach in _widening(days):
        bounds = _bounds(rules, now, reach)
        if after is not None and bounds["until"] <= after.at and reach < days:
            continue
        statement, parameters = _listed(selection, bounds, after, limit)
        rows = (await connection.execute(statement, parameters)).all()
        if len(rows) == limit:
            break
    return rows


async def neighbours(
    connection: AsyncConnection, rules: Rules, selection: Selection, now: datetime, days: int, row: Neighbour
) -> Neighbours | None:
    """The commitments before and after one of them, in the same order; None if it is not among them."""
    parameters = {**_parameters(selection), **_bounds(rules, now, days)}
    return await of_row(connection, _open(selection), "committed_due, case_id, commitment", parameters, row)


def everything(
    selection: Selection, rules: Rules, now: datetime, days: int, after: Cursor | None, limit: int | None
) -> Query:
    """The statement for all of them, or for ``limit``, in the same order."""
    return _listed(selection, _bounds(rules, now, days), after, limit)


def _listed(selection: Selection, bounds: Mapping[str, Any], after: Cursor | None, limit: int | None) -> Query:
    query = _IN_ORDER.format(
        open=_open(selection),
        after="TRUE" if after is None else _AFTER,
        limit="" if limit is None else "LIMIT :limit",
    )
    parameters = {**_parameters(selection), **bounds, "limit": limit}
    return text(query), parameters | (after._asdict() if after is not None else {})


async def counts(
    connection: AsyncConnection,
    selection: Selection,
    rules: Rules,
    now: datetime,
    days: int,
    by: GroupBy,
    limit: int,
) -> Sequence[Row[Any]]:
    """How many of them each department, region or matter has, most first. ``total`` counts all groups."""
    query = _COUNTS.format(column=COLUMN[by], open=_open(selection))
    parameters = {**_parameters(selection), **_bounds(rules, now, days), "limit": limit}
    return (await connection.execute(text(query), parameters)).all()


async def by_days_left(
    connection: AsyncConnection, selection: Selection, rules: Rules, now: datetime, days: int
) -> list[int]:
    """How many of them have 0, 1 and so on working days left, up to ``days``."""
    query = _MOMENTS.format(open=_open(selection))
    parameters = {**_parameters(selection), **_bounds(rules, now, days)}
    found = [0] * (days + 1)
    for region, due_at, commitments in await connection.execute(text(query), parameters):
        found[min(days, days_left(rules, region, now, due_at))] += commitments
    return found


def days_left(rules: Rules, region: str, now: datetime, due_at: datetime) -> int:
    """Working days of that region after today up to the due day, inclusive; negative once it is over."""
    counting = rules.counting_rules(region)
    return working_days_between(now, due_at, counting.calendar, counting.hours)


def _open(selection: Selection) -> str:
    given = selection.filters.given()
    mentions = [f"strpos(state, :mentions_{name}) > 0" for name in given if name in _MENTIONS]
    return _OPEN.format(
        blocked=_BLOCKED,
        mentions=" AND ".join(mentions) or "TRUE",
        conditions=selection.condition(_CONDITIONS, _COLUMNS),
    )


def _parameters(selection: Selection) -> dict[str, Any]:
    given = selection.filters.given()
    return selection.parameters | {
        f"mentions_{name}": _MENTIONS[name](value) for name, value in given.items() if name in _MENTIONS
    }


def _bounds(rules: Rules, now: datetime, days: int) -> dict[str, Any]:
    """The moment before which a commitment with at most ``days`` working days left falls due, for each region.

    Days off after the last working day are included: a commitment due on them has as many working days left.
    """
    almanac = rules.rule_set.almanac
    regions = {""} | {rule.region or "" for rule in almanac.hours}
    regions |= {notice.region.removeprefix(NATION).removeprefix("-") for notice in almanac.notices}
    untils = {}
    for region in sorted(regions):
        counting = rules.counting_rules(region)
        calendar, hours = counting.calendar, counting.hours
        today = calendar.rank(hours.local(now).toordinal())
        untils[region] = hours.at(calendar.ordinal_of(today + days + 1), 0)
    return {"now": now, "until": max(untils.values()), "prefixes": list(untils), "untils": list(untils.values())}


def _widening(days: int) -> Iterator[int]:
    """0, 1, 3, 7 and so on, up to ``days``."""
    reach = 0
    while reach < days:
        yield reach
        reach = 2 * reach + 1
    yield days
