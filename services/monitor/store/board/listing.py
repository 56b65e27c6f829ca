"""Lists the commitments that a figure counts, from the table ``commitment_facts``."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.rights.scope import Scope
from services.monitor.core.board.facts import CommitmentFacts
from services.monitor.core.board.periods import Days
from services.monitor.store.lists.filters import Query
from services.monitor.store.lists.neighbours import Neighbour, Neighbours
from services.runtime.store.scopes import Columns, within

_ENDED = "ended_on BETWEEN :first AND :last"

_DUE = "ended_on IS NULL AND NOT paused AND due_on"

_EVENTS = """
    (SELECT count(*) FROM unnest(event_days, events) AS happened (day, event)
    WHERE event = '{event}' AND day BETWEEN :first AND :last)
"""

_UNDECIDED = " - ".join(_EVENTS.format(event=event) for event in ("appeals", "appeals_upheld", "appeals_rejected"))

BY_EVENTS = {
    event: _EVENTS.format(event=event)
    for event in (
        *("warnings", "acknowledged_in_time", "yellow_cards", "red_cards", "oversights"),
        *("appeals", "appeals_upheld", "appeals_rejected", "platform_faults"),
    )
} | {"appeals_undecided": _UNDECIDED}
"""How often a commitment counts in these figures."""

_SELECTED = {
    "received": "opened_on BETWEEN :first AND :last",
    "closed": _ENDED,
    "on_time": f"{_ENDED} AND on_time",
    "late": f"{_ENDED} AND NOT on_time",
    "early": f"{_ENDED} AND on_time AND ended_on < due_on",
    "same_day": f"{_ENDED} AND ended_on = opened_on",
    "open": "ended_on IS NULL",
    "due_today": f"{_DUE} = :today",
    "overdue": f"{_DUE} < :today",
}

_CONDITIONS = {
    "kind": "kind = :kind",
    "owner": "owner = :owner",
    "region": "region >= :region AND region < :region || ':'",
    "item": "matter = :item",
}

LISTED = (*_SELECTED, *BY_EVENTS)
"""The figures whose commitments can be listed."""

_LIST = f"""
    SELECT {", ".join(CommitmentFacts._fields)}, CAST(counted AS integer) AS counted
    FROM commitment_facts CROSS JOIN LATERAL (SELECT {{counted}} OFFSET 0) AS counts (counted)
    WHERE {{conditions}} AND counted > 0
    ORDER BY case_id {{direction}}, commitment {{direction}} {{limit}}
"""

MOST_COUNTED = 1000
"""The place of a row is counted in a list of so many at the most."""


class After(NamedTuple):
    """The last commitment of a page."""

    case_id: str
    commitment: str


async def page(
    connection: AsyncConnection,
    figure: str,
    filters: Mapping[str, str],
    scope: Scope,
    span: Days,
    today: date,
    after: After | None,
    limit: int,
) -> Sequence[Row[Any]]:
    """At most ``limit`` commitments that this figure counts; ``counted`` is how often."""
    return (await connection.execute(*everything(figure, filters, scope, span, today, after, limit))).all()


def everything(
    figure: str,
    filters: Mapping[str, str],
    scope: Scope,
    span: Days,
    today: date,
    after: After | None,
    limit: int | None,
) -> Query:
    """The statement for all of them, or for ``limit``, in the same order."""
    beyond = [] if after is None else ["(case_id, commitment) > (:row_case, :row_commitment)"]
    query, parameters = _listed(figure, filters, scope, span, today, beyond)
    if after is not None:
        parameters |= {"row_case": after.case_id, "row_commitment": after.commitment}
    if limit is not None:
        parameters["limit"] = limit
    return text(query.format(direction="", limit="" if limit is None else "LIMIT :limit")), parameters


async def neighbours(
    connection: AsyncConnection,
    figure: str,
    filters: Mapping[str, str],
    scope: Scope,
    span: Days,
    today: date,
    row: Neighbour,
) -> Neighbours:
    """The commitments before and after one of them. Its place has a number in a list of `MOST_COUNTED` at the most."""
    found: list[Neighbour | None] = []
    for compared, direction in (("<", "DESC"), (">", "")):
        beyond = [f"(case_id, commitment) {compared} (:row_case, :row_commitment)"]
        query, parameters = _listed(figure, filters, scope, span, today, beyond)
        parameters |= {"row_case": row.case_id, "row_commitment": row.commitment}
        beside = text(query.format(direction=direction, limit="LIMIT 1"))
        one = (await connection.execute(beside, parameters)).one_or_none()
        found.append(Neighbour(one.case_id, one.commitment) if one is not None else None)
    query, parameters = _listed(figure, filters, scope, span, today, [])
    parameters |= {"row_case": row.case_id, "row_commitment": row.commitment, "limit": MOST_COUNTED + 1}
    counted = _COUNTED.format(listed=query.format(direction="", limit="LIMIT :limit"))
    place, of = (await connection.execute(text(counted), parameters)).one()
    is_short = of <= MOST_COUNTED
    return Neighbours(found[0], found[1], place if is_short else None, of if is_short else None)


_COUNTED = """
    SELECT count(*) FILTER (WHERE (case_id, commitment) <= (:row_case, :row_commitment)), count(*)
    FROM ({listed}) AS listed
"""


def _listed(
    figure: str, filters: Mapping[str, str], scope: Scope, span: Days, today: date, beyond: Sequence[str]
) -> tuple[str, dict[str, Any]]:
    """The query, without its direction and its limit, and its parameters. ``beyond``: conditions besides."""
    inside, inside_parameters = within(scope, Columns(in_order=True))
    conditions = [*(_CONDITIONS[name] for name in filters), inside, *beyond]
    parameters: dict[str, Any] = {**filters, **inside_parameters}
    if figure in BY_EVENTS:
        conditions.append("events IS NOT NULL")
    else:
        conditions.append(_SELECTED[figure])
    if figure in ("due_today", "overdue"):
        parameters["today"] = today
    elif figure != "open":
        parameters |= span._asdict()
    query = _LIST.format(
        counted=BY_EVENTS.get(figure, "1"),
        conditions=" AND ".join(conditions),
        direction="{direction}",
        limit="{limit}",
    )
    return query, parameters
