"""The table of the record of access: rows are only added, and deleted by whole sealed days after the retention time."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.zone import CHINA
from services.runtime.security.access_record import AccessEntry
from services.runtime.store import chains
from services.runtime.store.chains import ChainTables

CHAIN = ChainTables("access_chain")
"""The journal of the record: its blocks have the numbers of rows of the record."""

TABLES = (
    """
    CREATE TABLE access_record (
        number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        created_at timestamptz NOT NULL DEFAULT now(),
        at timestamptz NOT NULL,
        act text NOT NULL,
        outcome text NOT NULL,
        person text,
        on_behalf_of text,
        client text,
        roles text[] NOT NULL,
        purpose text,
        request text,
        request_id text,
        case_id text,
        filter text,
        rows bigint,
        times integer NOT NULL,
        address text
    )
    """,
    "COMMENT ON TABLE access_record IS 'who asked for what, by which right, and how it ended'",
    "COMMENT ON COLUMN access_record.created_at IS 'by the clock of the database, as the chain needs it'",
    "COMMENT ON COLUMN access_record.at IS 'machine time of the process'",
    "CREATE INDEX access_record_person ON access_record (person, number)",
    "CREATE INDEX access_record_case ON access_record (case_id, number) WHERE case_id IS NOT NULL",
    "CREATE INDEX access_record_created ON access_record USING brin (created_at) WITH (autosummarize = on)",
    *chains.tables_of(CHAIN.table, "bigint[]"),
    """
    CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON access_record
    FOR EACH STATEMENT EXECUTE FUNCTION access_chain_is_append_only()
    """,
)

_CONTENT = ("number", *AccessEntry._fields)
"""What an entry of the chain has of a row."""

_ADD = text("""
    INSERT INTO access_record (at, act, outcome, person, on_behalf_of, client, roles, purpose, request, request_id,
        case_id, filter, rows, times, address)
    SELECT at, act, outcome, person, on_behalf_of, client, roles, purpose, request, request_id, case_id, filter, rows,
        times, address
    FROM ROWS FROM (jsonb_to_recordset(CAST(:entries AS jsonb)) AS (at timestamptz, act text, outcome text,
        person text, on_behalf_of text, client text, roles text[], purpose text, request text, request_id text,
        case_id text, filter text, rows bigint, times integer, address text)) WITH ORDINALITY
    ORDER BY ordinality
""")

_FIRST_CREATED = text("SELECT min(created_at) FROM access_record")

_BETWEEN = text("""
    SELECT * FROM access_record WHERE created_at > :after AND created_at <= :until
    ORDER BY created_at, number FETCH FIRST :limit ROWS ONLY
""")

_NEWEST = """
    SELECT * FROM access_record WHERE TRUE {conditions} ORDER BY number DESC LIMIT :limit
"""

_BY_NUMBERS = text("SELECT * FROM access_record WHERE number = ANY(:numbers)")

_OUTSIDE = """
    SELECT number FROM access_record
    WHERE created_at <= (SELECT created_at FROM access_chain_reached) {rows}
        AND number NOT IN (SELECT unnest(entries) FROM access_chain WHERE TRUE {blocks})
    ORDER BY number LIMIT 10
"""

_OUTSIDE_EVER = text(_OUTSIDE.format(rows="", blocks=""))

_OUTSIDE_ON = text(
    _OUTSIDE.format(rows="AND created_at >= :begin AND created_at < :end", blocks="AND access_chain.day = :day")
)

COUNTED = 10_000
"""Entries that are counted at most."""

_COUNTS = """
    SELECT outcome, count(*) AS entries FROM (
        SELECT outcome FROM access_record WHERE TRUE {conditions} ORDER BY number DESC LIMIT :limit
    ) AS newest GROUP BY outcome
"""

_BEGAN_BEFORE = text("SELECT EXISTS (SELECT 1 FROM access_chain WHERE day < :day)")

_BEGIN_DELETING = text("SET LOCAL onedoor.retention = 'over'")

_DELETE_DAY = text("""
    WITH ended AS (
        DELETE FROM access_chain
        WHERE day = (SELECT min(day) FROM access_chain WHERE day < :before) RETURNING entries
    )
    DELETE FROM access_record WHERE number IN (SELECT unnest(entries) FROM ended)
""")


class RecordFilter(NamedTuple):
    """Selects entries. All given conditions must fit. ``before``: the number of an entry; only older ones."""

    person: str | None = None
    act: str | None = None
    outcome: str | None = None
    case_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: int | None = None


_CONDITIONS: Mapping[str, str] = {
    "person": "person = :person",
    "act": "act = :act",
    "outcome": "outcome = :outcome",
    "case_id": "case_id = :case_id",
    "since": "at >= :since",
    "until": "at < :until",
    "before": "number < :before",
}


def _as_rows(entries: Sequence[AccessEntry]) -> dict[str, str]:
    return {"entries": json.dumps([entry._asdict() | {"at": entry.at.isoformat()} for entry in entries])}


async def add(connection: AsyncConnection, entries: Sequence[AccessEntry]) -> None:
    """Add entries, with one statement."""
    await connection.execute(_ADD, _as_rows(entries))


def add_in(connection: Connection, entries: Sequence[AccessEntry]) -> None:
    """Add entries in the transaction of synchronous work."""
    connection.execute(_ADD, _as_rows(entries))


async def first_created_at(connection: AsyncConnection) -> datetime | None:
    """When the oldest row was created."""
    found: datetime | None = await connection.scalar(_FIRST_CREATED)
    return found


async def rows_between(connection: AsyncConnection, after: datetime, until: datetime, limit: int) -> Sequence[Row[Any]]:
    """At most ``limit`` rows, in the order of their creation."""
    return (await connection.execute(_BETWEEN, {"after": after, "until": until, "limit": limit})).all()


async def newest(connection: AsyncConnection, wanted: RecordFilter, limit: int) -> Sequence[Row[Any]]:
    """The newest entries that fit, newest first."""
    given = {name: value for name, value in wanted._asdict().items() if value is not None}
    conditions = " ".join(f"AND {_CONDITIONS[name]}" for name in given)
    query = text(_NEWEST.format(conditions=conditions))
    return (await connection.execute(query, {**given, "limit": limit})).all()


async def counts(connection: AsyncConnection, wanted: RecordFilter) -> dict[str, int]:
    """How many entries fit, by outcome: of the newest `COUNTED` alone where there are more."""
    given = {name: value for name, value in wanted._asdict().items() if value is not None}
    conditions = " ".join(f"AND {_CONDITIONS[name]}" for name in given)
    rows = await connection.execute(text(_COUNTS.format(conditions=conditions)), {**given, "limit": COUNTED})
    return {row.outcome: row.entries for row in rows}


async def all_of(
    connection: AsyncConnection, wanted: RecordFilter, limit: int | None, at_once: int = 1000
) -> AsyncIterator[Sequence[Row[Any]]]:
    """All entries that fit, or so many of them, newest first, in parts."""
    left = limit
    while left is None or left > 0:
        rows = await newest(connection, wanted, at_once if left is None else min(at_once, left))
        if not rows:
            return
        yield rows
        wanted = wanted._replace(before=rows[-1].number)
        left = None if left is None else left - len(rows)


async def contents_of(connection: AsyncConnection, numbers: Sequence[int]) -> dict[int, str]:
    """The rows with these numbers, as the chain has them. One that is missing is not among them."""
    rows = await connection.execute(_BY_NUMBERS, {"numbers": numbers})
    return {row.number: content_of(row) for row in rows}


async def outside_of_the_chain(connection: AsyncConnection, day: date | None = None) -> list[int]:
    """Rows that are in no block, although the chain has passed their moment; at most ten. ``day``: those of this one
    alone."""
    if day is None:
        return list((await connection.scalars(_OUTSIDE_EVER)).all())
    begin = datetime.combine(day, time(), CHINA)
    days = {"day": day, "begin": begin, "end": begin + timedelta(days=1)}
    return list((await connection.scalars(_OUTSIDE_ON, days)).all())


async def began_before(connection: AsyncConnection, day: date) -> bool:
    """Whether the chain has blocks of an earlier day."""
    return bool(await connection.scalar(_BEGAN_BEFORE, {"day": day}))


async def delete_day(connection: AsyncConnection, before: date) -> int:
    """Delete the blocks of the oldest day, if it lies before this one, with their rows. Returns how many rows.

    The signed roots of days are kept.
    """
    await connection.execute(_BEGIN_DELETING)
    return int((await connection.execute(_DELETE_DAY, {"before": before})).rowcount)


def content_of(row: Row[Any]) -> str:
    """A row as an entry of the chain: JSON with one representation only."""
    found = row._asdict()
    content = {name: found[name] for name in _CONTENT}
    content["at"] = row.at.astimezone(UTC).isoformat()
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))
