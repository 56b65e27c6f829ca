"""Reads the table of alerts, and schedules their notifications."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.messages.alerts import Rung
from contracts.messages.commitments import CommitmentKey
from contracts.rights.scope import Scope
from services.monitor.core.notifications.policy import Alert
from services.monitor.store.lists.filters import Query
from services.monitor.store.lists.neighbours import Neighbour, Neighbours
from services.runtime.store.scopes import within

_CONDITIONS = {
    "owner": "owner = :owner",
    "region": "starts_with(region, :region)",
    "rung": "rung = :rung",
    "case": "case_id = :case",
    "matter": "matter = :matter",
    # The second condition ends the search, which goes backwards by number.
    "since": "raised_at >= :since AND number >= (SELECT min(number) FROM alerts WHERE raised_at >= :since)",
    "after": "number < :after",
}


_STATES = {
    "all": "TRUE",
    "standing": "withdrawn_at IS NULL AND ended_at IS NULL",
    "unacknowledged": "withdrawn_at IS NULL AND ended_at IS NULL AND acknowledged_at IS NULL",
    "undecided": "appealed_at IS NOT NULL AND appeal_decided_at IS NULL AND withdrawn_at IS NULL",
}
"""The states by which alerts can be listed: whether they stand, and which act they still need."""


async def newest(
    connection: AsyncConnection, filters: Mapping[str, Any], scope: Scope, limit: int, state: str = "all"
) -> Sequence[Row[Any]]:
    """At most ``limit`` alerts in the scope that fit all filters, newest first. ``state``: one of `_STATES`."""
    return (await connection.execute(*everything(filters, scope, limit, state))).all()


def everything(filters: Mapping[str, Any], scope: Scope, limit: int | None, state: str = "all") -> Query:
    """The statement for all of them, or for ``limit``, in the same order."""
    inside, parameters = within(scope)
    conditions = " AND ".join([*(_CONDITIONS[name] for name in filters), f"({_STATES[state]})", inside])
    query = text(f"SELECT * FROM alerts WHERE {conditions} ORDER BY number DESC LIMIT :limit")
    return query, {**filters, **parameters, "limit": limit}


_BESIDE = """
    (SELECT TRUE AS is_next, case_id, commitment, number FROM alerts WHERE number < :number AND {conditions}
        ORDER BY number DESC LIMIT 1)
    UNION ALL
    (SELECT FALSE, case_id, commitment, number FROM alerts WHERE number > :number AND {conditions}
        ORDER BY number LIMIT 1)
"""

_PLACE = """
    SELECT count(*) FILTER (WHERE number >= :number), count(*), coalesce(bool_or(number = :number), FALSE)
    FROM alerts WHERE {conditions}
"""


async def neighbours(
    connection: AsyncConnection, filters: Mapping[str, Any], scope: Scope, state: str, number: int
) -> Neighbours:
    """The alerts before and after one in the list of `newest`. Of ``all`` nobody counts the number."""
    inside, parameters = within(scope)
    conditions = " AND ".join([*(_CONDITIONS[name] for name in filters), f"({_STATES[state]})", inside])
    values = {**filters, **parameters, "number": number}
    beside = {
        row.is_next: Neighbour(row.case_id, row.commitment, row.number)
        for row in await connection.execute(text(_BESIDE.format(conditions=conditions)), values)
    }
    place = of = None
    if state != "all":
        place, of, is_listed = (await connection.execute(text(_PLACE.format(conditions=conditions)), values)).one()
        place = place if is_listed else None
    return Neighbours(beside.get(False), beside.get(True), place, of)


async def open_counts(connection: AsyncConnection, filters: Mapping[str, Any], scope: Scope) -> dict[str, int]:
    """How many of them are in each state but ``all``, whatever their number."""
    inside, parameters = within(scope)
    states = {name: condition for name, condition in _STATES.items() if name != "all"}
    counted = ", ".join(f"count(*) FILTER (WHERE {condition}) AS {name}" for name, condition in states.items())
    either = f"(({_STATES['standing']}) OR ({_STATES['undecided']}))"
    conditions = " AND ".join([*(_CONDITIONS[name] for name in filters), either, inside])
    query = text(f"SELECT {counted} FROM alerts WHERE {conditions}")
    return dict((await connection.execute(query, {**filters, **parameters})).one()._mapping)


_STANDING_OF = """
    SELECT alerts.* FROM unnest(CAST(:cases AS text[]), CAST(:commitments AS text[])) AS wanted (case_id, commitment)
    JOIN alerts USING (case_id, commitment) WHERE withdrawn_at IS NULL AND ended_at IS NULL AND {inside}
"""


async def standing_of(
    connection: AsyncConnection, commitments: Sequence[tuple[str, CommitmentKey]], scope: Scope
) -> Sequence[Row[Any]]:
    """The alerts in the scope that stand on these commitments, each a case with a key."""
    inside, parameters = within(scope)
    parameters["cases"], parameters["commitments"] = [one[0] for one in commitments], [one[1] for one in commitments]
    return (await connection.execute(text(_STANDING_OF.format(inside=inside)), parameters)).all()


async def of_commitment(connection: AsyncConnection, number: int, scope: Scope) -> Sequence[Row[Any]]:
    """The alerts of the commitment that the alert with this number is about, as far as they lie in the scope."""
    inside, parameters = within(scope)
    query = text(f"""
        SELECT alerts.* FROM alerts
        JOIN (SELECT case_id, commitment FROM alerts WHERE number = :number) AS one USING (case_id, commitment)
        WHERE {inside} ORDER BY number
    """)
    return (await connection.execute(query, {**parameters, "number": number})).all()


async def with_numbers(connection: AsyncConnection, numbers: Sequence[int], scope: Scope) -> Sequence[Row[Any]]:
    """The alerts in the scope with these numbers, in full and in this order."""
    inside, parameters = within(scope)
    query = text(f"""
        SELECT * FROM alerts WHERE number = ANY(:numbers) AND {inside}
        ORDER BY array_position(CAST(:numbers AS bigint[]), number)
    """)
    return (await connection.execute(query, {**parameters, "numbers": list(numbers)})).all()


class NumberedAlert(NamedTuple):
    """An alert by its number, with what decides who may act on it."""

    number: int
    case_id: str
    commitment: CommitmentKey
    rung: Rung
    occurrence: int
    owner: str
    region: str
    matter: str


_BY_NUMBER = text("""
    SELECT number, case_id, commitment, rung, occurrence, owner, region, matter FROM alerts WHERE number = ANY(:numbers)
""")


async def by_number(connection: AsyncConnection, numbers: Sequence[int]) -> list[NumberedAlert]:
    """The alerts with these numbers, as far as they exist."""
    rows: Any = await connection.execute(_BY_NUMBER, {"numbers": list(numbers)})
    return [NumberedAlert(*row)._replace(rung=Rung(row.rung)) for row in rows]


# -- notifications -----------------------------------------------------------------------------------------------------

_LADDER = "CAST(:ladder AS text[])"

_CLAIM_DUE = text(f"""
    SELECT {", ".join(field for field in Alert._fields if field != "superseded")}, EXISTS (
        SELECT FROM alerts AS other
        WHERE (other.case_id, other.commitment) = (alerts.case_id, alerts.commitment) AND other.withdrawn_at IS NULL
            AND array_position({_LADDER}, other.rung) > array_position({_LADDER}, alerts.rung)
    ) AS superseded
    FROM alerts
    WHERE notify_at <= :now ORDER BY notify_at LIMIT :limit FOR UPDATE SKIP LOCKED
""")

KEYS = """unnest(CAST(:case_ids AS text[]), CAST(:commitments AS text[]), CAST(:rungs AS text[]),
        CAST(:occurrences AS integer[])"""
"""The beginning of an ``unnest`` of the keys of alerts, for the parameters that `key_columns` gives."""

_SCHEDULE = text(f"""
    UPDATE alerts SET notify_at = next.notify_at, level = next.level
    FROM {KEYS}, CAST(:levels AS smallint[]), CAST(:notify_ats AS timestamptz[]))
        AS next (case_id, commitment, rung, occurrence, level, notify_at)
    WHERE (alerts.case_id, alerts.commitment, alerts.rung, alerts.occurrence)
        = (next.case_id, next.commitment, next.rung, next.occurrence)
""")


async def claim_due(connection: AsyncConnection, now: datetime, limit: int) -> list[Alert]:
    """Lock the next alerts whose notification is due. Alerts that another process has locked are skipped."""
    rows = (await connection.execute(_CLAIM_DUE, {"now": now, "limit": limit, "ladder": list(Rung)})).all()
    return [Alert._make(row)._replace(rung=Rung(row.rung)) for row in rows]


async def schedule(
    connection: AsyncConnection,
    alerts: Sequence[Alert],
    levels: Sequence[int],
    notify_ats: Sequence[datetime | None],
) -> None:
    """Store for each alert its escalation level, and when its next notification is due; None for never."""
    await connection.execute(_SCHEDULE, {**key_columns(alerts), "levels": levels, "notify_ats": notify_ats})


def key_columns(alerts: Sequence[Alert]) -> dict[str, object]:
    """The keys of these alerts, a parameter a column."""
    return {
        "case_ids": [alert.case_id for alert in alerts],
        "commitments": [alert.commitment for alert in alerts],
        "rungs": [alert.rung.value for alert in alerts],
        "occurrences": [alert.occurrence for alert in alerts],
    }
