"""Cases by the million: the tables are filled with copies of one simulated case.

So the tables have the rows that the services themselves would have written, except for numbers and ids.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import asyncpg

from contracts.codec import encode
from contracts.envelope import Envelope, Message
from contracts.registry import topic_of
from services.monitor.core.state import MonitoredCase
from tests.support.cases.simulated_case import NUMBER, StoredCase
from tests.support.messages import CASE_ID

NUMBER_FACTOR = 379_362_610_509
"""Odd, so that no two copies have the same number."""

FAR_FUTURE = "now() + interval '40 days'"
"""The due time of timers and calls of the copies: long after any measurement."""


def number_of(n: int) -> str:
    """The case number of the copy ``n``, as `case_number` gives it."""
    scattered = f"{(n * NUMBER_FACTOR) & (2**48 - 1):012X}"
    return f"{scattered[:4]}-{scattered[4:8]}-{scattered[8:]}-0"


def case_number() -> str:
    """An SQL expression that gives the well-formed case number of a copy: as scattered as real ones, never the same."""
    scattered = f"upper(lpad(to_hex((n::bigint * {NUMBER_FACTOR}) & 281474976710655), 12, '0'))"
    return f"regexp_replace({scattered}, '^(.{{4}})(.{{4}})(.{{4}})$', '\\1-\\2-\\3-0')"


@asynccontextmanager
async def without_indexes(connection: "asyncpg.Connection[Any]", table: str) -> AsyncIterator[None]:
    """Drop the indexes and the key of a table, and create them afterwards: much faster than updating them."""
    key = await connection.fetchrow(
        "SELECT conname, pg_get_constraintdef(oid) AS is FROM pg_constraint"
        " WHERE conrelid = $1::regclass AND contype = 'p'",
        table,
    )
    indexes = await connection.fetch(
        "SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS is FROM pg_index"
        " WHERE indrelid = $1::regclass AND NOT indisprimary",
        table,
    )
    for index in indexes:
        await connection.execute(f"DROP INDEX {index['name']}")
    if key is not None:
        await connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {key['conname']}")
    yield
    await connection.execute("SET maintenance_work_mem = '512MB'")
    if key is not None:
        await connection.execute(f"ALTER TABLE {table} ADD CONSTRAINT {key['conname']} {key['is']}")
    for index in indexes:
        await connection.execute(str(index["is"]))


def first_rungs(kept: StoredCase) -> tuple[datetime, datetime]:
    """The due times of the warning and the yellow card of the first commitment at monitor."""
    due = MonitoredCase.model_validate_json(kept.state).commitments[0].due
    if due is None or due.warning is None or due.yellow is None:
        raise AssertionError("an accepted case has its deadlines")
    return due.warning, due.yellow


def copies(first: int, count: int) -> str:
    """The FROM clause that gives ``n``, the case number ``id`` and the department's ``number`` of so many copies."""
    numbers = f"generate_series({first}, {first + count - 1}) AS n"
    return f"FROM (SELECT n, {case_number()} AS id, '-' || lpad(n::text, 7, '0') AS number FROM {numbers}) AS copies"


def copied(text: str) -> str:
    """An SQL expression that gives the copy of a text about the simulated case."""
    return f"replace(replace({text}, '{CASE_ID}', id), '{NUMBER}', number)"


async def insert_cases(
    connection: "asyncpg.Connection[Any]",
    kept: StoredCase,
    count: int,
    *,
    first: int = 0,
    timer_at: str | None = None,
    closed_at: datetime | None = None,
) -> None:
    """Fill ``cases`` with copies.

    ``timer_at`` is an SQL expression over ``n``; without it, copies that want a timer have one far ahead. Closed copies
    were closed at ``closed_at``, or else now.
    """
    transition = kept.transition
    columns = {
        "case_id": "id",
        "version": str(kept.version),
        "state": copied("$1"),
        "processed_ids": "$2",
        "timer_at": timer_at or (FAR_FUTURE if transition.timer_at is not None else "NULL"),
        "retry_at": FAR_FUTURE if transition.retry_after is not None else "NULL",
        "call_due_at": FAR_FUTURE if transition.call is not None else "NULL",
        "closed_at": "coalesce($3::timestamptz, now())" if transition.closed else "$3::timestamptz",
    }
    statement = f"INSERT INTO cases ({', '.join(columns)}) SELECT {', '.join(columns.values())} {copies(first, count)}"
    await connection.execute("SET synchronous_commit = off")
    async with without_indexes(connection, "cases"):
        await connection.execute(statement, kept.state, kept.processed_ids, closed_at, timeout=1200)


async def insert_outbox(
    connection: "asyncpg.Connection[Any]",
    published: Sequence[Envelope[Message]],
    count: int,
    *,
    keep_times: bool = False,
) -> None:
    """Fill ``outbox`` with copies of the messages that the service published about the case, now or at their times."""
    async with without_indexes(connection, "outbox"):
        for envelope in published:
            await connection.execute(
                "INSERT INTO outbox (case_id, message_id, topic, event, created_at)"
                f" SELECT id, $1, $2, {copied('$3')}, coalesce($4, now()) {copies(0, count)}",
                envelope.id,
                topic_of(envelope.data),
                encode(envelope).decode(),
                envelope.time if keep_times else None,
                timeout=1200,
            )


async def vacuum_and_checkpoint(connection: "asyncpg.Connection[Any]") -> None:
    """Finish the background work that the inserted rows cause: vacuum, statistics and checkpoint."""
    await connection.execute("VACUUM ANALYZE", timeout=1200)
    await connection.execute("CHECKPOINT", timeout=1200)
