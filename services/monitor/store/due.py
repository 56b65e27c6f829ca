"""What is due soon, from the states of the open cases.

There is no table of open commitments: it would cost every case several rows, written and deleted again. But a case is
woken at the next rung of each of its running commitments, none of which falls due after the committed limit. So what is
due until some moment is among the cases to be woken until then, which an index tells; their states tell the rest.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic_core import to_json
from sqlalchemy import Row, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.working_time import working_days_between
from contracts.working_time.notices import NATION
from services.monitor.core.rules import Rules
from services.monitor.store.query_limits import Cursor, Scope


class By(StrEnum):
    """What commitments are counted by."""

    OWNER = "owner"
    REGION = "region"
    ITEM = "item"


Query = tuple[TextClause, dict[str, Any]]
"""A statement and its parameters."""

COLUMN = {By.OWNER: "owner", By.REGION: "region", By.ITEM: "matter"}

# What a state must contain to be worth the parsing, which takes most of the time. No string of JSON contains a quote
# that is not escaped, so that this is found nowhere but in its place.
_MENTIONS: dict[str, Callable[[str], str]] = {
    "owner": lambda owner: '"owner":' + to_json(owner).decode(),
    "region": lambda region: f'"region":"{region}',
    "item": lambda item: f'"matter":"{item}"',
}

_CONDITIONS = {
    "owner": "watch ->> 'owner' = :owner",
    "region": "starts_with(state ->> 'region', :region)",
    "item": "state ->> 'matter' = :item",
    "kind": "split_part(watch ->> 'key', '/', 1) = :kind",
}

# A case that waits behind a dead letter is not woken, and its time runs on.
_BLOCKED = "SELECT case_id FROM dead_letters WHERE status = 'parked' AND blocking"

# ``places``: for each region with a calendar or hours of its own, the moment before which what is wanted falls due; of
# those that fit the longest one counts. Whatever can be told of the case is told once, and not for each commitment.
# What has ended is what `state.MonitoredCase.ended_at` says.
_OPEN = """
    SELECT case_id, watch ->> 'key' AS commitment, watch ->> 'owner' AS owner, state ->> 'matter' AS matter,
        state ->> 'region' AS region, CAST(watch ->> 'opened_at' AS timestamptz) AS opened_at, committed_due,
        CAST(coalesce(watch #>> '{{due,statutory}}', watch #>> '{{due,red}}') AS timestamptz) AS statutory_due,
        coalesce(CAST(watch #>> '{{due,provisional}}' AS boolean), false) AS provisional,
        ARRAY(
            SELECT fired ->> 'rung' FROM jsonb_array_elements(watch -> 'raised') AS fired
            WHERE fired ->> 'withdrawn' IS DISTINCT FROM 'true'
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
    CROSS JOIN LATERAL jsonb_array_elements(state -> 'commitments') AS held (watch)
    CROSS JOIN LATERAL (
        SELECT CAST(coalesce(watch #>> '{{due,committed}}', watch #>> '{{due,yellow}}') AS timestamptz) AS committed_due
        OFFSET 0
    ) AS limits
    WHERE committed_due >= :now AND committed_due < place_until AND watch ->> 'ended_at' IS NULL
        AND watch #>> '{{due,pause}}' IS NULL
        AND (NOT decided OR split_part(watch ->> 'key', '/', 1) IN ('delivery', 'complaint', 'consultation'))
        AND NOT (accepted AND split_part(watch ->> 'key', '/', 1) IN ('acceptance', 'notice'))
        AND {conditions}
"""

_IN_ORDER = "{open} AND {after} ORDER BY committed_due, case_id, commitment {limit}"

_AFTER = "(committed_due, case_id, watch ->> 'key') > (:at, :case_id, :commitment)"

_COUNTS = """
    SELECT {column} AS name, count(*) AS commitments, min(committed_due) AS first_due,
        CAST(sum(count(*)) OVER () AS bigint) AS total
    FROM ({open}) AS open GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT :limit
"""


async def page(
    connection: AsyncConnection, scope: Scope, rules: Rules, now: datetime, days: int, after: Cursor | None, limit: int
) -> Sequence[Row[Any]]:
    """At most ``limit`` commitments with so many working days left or fewer, soonest first.

    Where a few days have enough of them, the cases of later days are not looked at.
    """
    rows: Sequence[Row[Any]] = []
    for reach in _widening(days):
        bounds = _bounds(rules, now, reach)
        if after is not None and bounds["until"] <= after.at and reach < days:
            continue
        statement, given = _listed(scope, bounds, after, limit)
        rows = (await connection.execute(statement, given)).all()
        if len(rows) == limit:
            break
    return rows


def everything(scope: Scope, rules: Rules, now: datetime, days: int, after: Cursor | None, limit: int | None) -> Query:
    """The statement for all of them, or so many, in the same order."""
    return _listed(scope, _bounds(rules, now, days), after, limit)


def _listed(scope: Scope, bounds: Mapping[str, Any], after: Cursor | None, limit: int | None) -> Query:
    query = _IN_ORDER.format(
        open=_open(scope),
        after="TRUE" if after is None else _AFTER,
        limit="" if limit is None else "LIMIT :limit",
    )
    given = {**_given(scope), **bounds, "limit": limit, **(after._asdict() if after is not None else {})}
    return text(query), given


async def counts(
    connection: AsyncConnection, scope: Scope, rules: Rules, now: datetime, days: int, by: By, limit: int
) -> Sequence[Row[Any]]:
    """How many of them there are, by department, region or matter; most first. ``total`` is of all groups."""
    query = _COUNTS.format(column=COLUMN[by], open=_open(scope))
    given = {**_given(scope), **_bounds(rules, now, days), "limit": limit}
    return (await connection.execute(text(query), given)).all()


def days_left(rules: Rules, region: str, now: datetime, due_at: datetime) -> int:
    """Working days of that region after today, up to and with the day on which it is due; negative once it is over."""
    terms = rules.terms(region)
    return working_days_between(now, due_at, terms.calendar, terms.hours)


def _open(scope: Scope) -> str:
    wanted = scope.given()
    mentions = [f"strpos(state, :mentions_{name}) > 0" for name in wanted if name in _MENTIONS]
    return _OPEN.format(
        blocked=_BLOCKED,
        mentions=" AND ".join(mentions) or "TRUE",
        conditions=" AND ".join(_CONDITIONS[name] for name in wanted) or "TRUE",
    )


def _given(scope: Scope) -> dict[str, str]:
    wanted = scope.given()
    return wanted | {f"mentions_{name}": _MENTIONS[name](value) for name, value in wanted.items() if name in _MENTIONS}


def _bounds(rules: Rules, now: datetime, days: int) -> dict[str, Any]:
    """Before which moment that falls due which has at most so many working days left, region by region.

    What is due on a day off after the last of them has as many days left, and is among it.
    """
    almanac = rules.rule_set.almanac
    regions = {""} | {rule.region or "" for rule in almanac.hours}
    regions |= {notice.region.removeprefix(NATION).removeprefix("-") for notice in almanac.notices}
    untils = {}
    for region in sorted(regions):
        calendar, hours = rules.terms(region).calendar, rules.terms(region).hours
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
