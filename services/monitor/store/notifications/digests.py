"""The tables of digests and of their entries."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.monitor.core.notifications.policy import Alert, EntryKind
from services.monitor.store.alerts import KEYS, key_columns

# -- collecting entries ------------------------------------------------------------------------------------------------


class NewEntry(NamedTuple):
    """One entry for the digest of one person."""

    alert: Alert
    kind: EntryKind
    level: int
    person: str


_NOTIFIED = text(f"""
    SELECT case_id, commitment, rung, occurrence, kind, person
    FROM {KEYS}) AS wanted (case_id, commitment, rung, occurrence)
    JOIN digest_entries USING (case_id, commitment, rung, occurrence)
""")

# Ordered by person, so that two collectors never wait for each other.
_OPEN = text("""
    INSERT INTO digests (person)
    SELECT person FROM unnest(CAST(:people AS text[])) AS wanted (person) ORDER BY person
    ON CONFLICT (person) WHERE built_at IS NULL DO UPDATE SET last_entry_at = clock_timestamp()
    RETURNING person, number
""")

_ADD = text(f"""
    INSERT INTO digest_entries (case_id, commitment, rung, occurrence, kind, level, person, digest, owner, due_at,
        added_at)
    SELECT *, CAST(:now AS timestamptz) FROM {KEYS}, CAST(:kinds AS text[]), CAST(:levels AS smallint[]),
        CAST(:people AS text[]), CAST(:digests AS bigint[]), CAST(:owners AS text[]), CAST(:dues AS timestamptz[]))
    ON CONFLICT DO NOTHING
""")


async def notified(
    connection: AsyncConnection, alerts: Sequence[Alert]
) -> dict[tuple[str, str, str, int], dict[EntryKind, set[str]]]:
    """The people who have entries about these alerts already: by the alert's key and the kind of entry."""
    found: dict[tuple[str, str, str, int], dict[EntryKind, set[str]]] = {}
    for row in await connection.execute(_NOTIFIED, key_columns(alerts)):
        key = row.case_id, row.commitment, row.rung, row.occurrence
        found.setdefault(key, {}).setdefault(EntryKind(row.kind), set()).add(row.person)
    return found


async def add_entries(connection: AsyncConnection, entries: Sequence[NewEntry], now: datetime) -> None:
    """Add each entry to the open digest of its person, which is opened if needed. Existing entries stay as they are."""
    people = sorted({entry.person for entry in entries})
    digests = {row.person: row.number for row in await connection.execute(_OPEN, {"people": people})}
    columns = {
        "kinds": [entry.kind.value for entry in entries],
        "levels": [entry.level for entry in entries],
        "people": [entry.person for entry in entries],
        "digests": [digests[entry.person] for entry in entries],
        "owners": [entry.alert.owner for entry in entries],
        "dues": [entry.alert.due_at for entry in entries],
    }
    await connection.execute(_ADD, {"now": now, **key_columns([entry.alert for entry in entries]), **columns})


# -- building digests --------------------------------------------------------------------------------------------------

_CLAIM_READY = text("""
    SELECT number, person FROM digests
    WHERE built_at IS NULL AND (last_entry_at <= clock_timestamp() - CAST(:quiet AS interval)
        OR opened_at <= clock_timestamp() - CAST(:longest AS interval))
    ORDER BY number LIMIT :limit FOR UPDATE SKIP LOCKED
""")

_CANCEL_WITHDRAWN = (
    text("""
        DELETE FROM digest_entries WHERE (case_id, commitment, rung, occurrence, kind, person, digest) IN (
            SELECT case_id, commitment, rung, occurrence, 'rung', person, digest FROM digest_entries
            WHERE digest = ANY(:digests) AND kind = 'withdrawn')
    """),
    text("""
        DELETE FROM digest_entries WHERE digest = ANY(:digests) AND kind = 'withdrawn' AND NOT EXISTS (
            SELECT FROM digest_entries AS other
            WHERE (other.case_id, other.commitment, other.rung, other.occurrence)
                = (digest_entries.case_id, digest_entries.commitment, digest_entries.rung, digest_entries.occurrence)
                AND other.person = digest_entries.person AND other.kind <> 'withdrawn')
    """),
)

_COUNTS = text("""
    SELECT digest, kind, rung, owner, count(*) AS alerts FROM digest_entries
    WHERE digest = ANY(:digests) GROUP BY digest, kind, rung, owner
""")

_MOST_URGENT = text("""
    SELECT first.*, alerts.number, alerts.matter, alerts.region, alerts.appeal_upheld
    FROM unnest(CAST(:digests AS bigint[])) AS wanted (digest) CROSS JOIN LATERAL (
        SELECT digest_entries.*,
            array_position(CAST(:urgency AS text[]), CASE kind WHEN 'rung' THEN rung ELSE kind END) AS urgency
        FROM digest_entries WHERE digest_entries.digest = wanted.digest
        ORDER BY urgency, digest_entries.due_at, digest_entries.case_id LIMIT :limit
    ) AS first JOIN alerts USING (case_id, commitment, rung, occurrence)
    ORDER BY first.digest, first.urgency, first.due_at, first.case_id
""")

_FINISH = text("""
    UPDATE digests SET built_at = clock_timestamp(), subject = new.subject, content = new.content
    FROM unnest(CAST(:numbers AS bigint[]), CAST(:subjects AS text[]), CAST(:contents AS text[]))
        AS new (number, subject, content)
    WHERE digests.number = new.number
""")


async def claim_ready(
    connection: AsyncConnection, quiet: timedelta, longest: timedelta, limit: int
) -> Sequence[Row[Any]]:
    """Lock the next open digests without a new entry for ``quiet``, or open for ``longest``: machine time."""
    return (await connection.execute(_CLAIM_READY, {"quiet": quiet, "longest": longest, "limit": limit})).all()


async def cancel_withdrawn(connection: AsyncConnection, digests: Sequence[int]) -> None:
    """Delete the entries of alerts that were raised and withdrawn while the digest was open."""
    for statement in _CANCEL_WITHDRAWN:
        await connection.execute(statement, {"digests": digests})


async def entry_counts(connection: AsyncConnection, digests: Sequence[int]) -> Iterable[Row[Any]]:
    """How many entries each digest has, by kind, rung and owner."""
    return await connection.execute(_COUNTS, {"digests": digests})


async def most_urgent(
    connection: AsyncConnection, digests: Sequence[int], urgency: Sequence[str], limit: int
) -> Sequence[Row[Any]]:
    """The most urgent entries of each digest. ``urgency`` orders rungs and kinds of entries."""
    return (await connection.execute(_MOST_URGENT, {"digests": digests, "urgency": urgency, "limit": limit})).all()


async def finish(connection: AsyncConnection, contents: Mapping[int, tuple[str, str] | None]) -> None:
    """Store the subject and content of these digests, None for one without entries. They get no more entries."""
    columns = {
        "numbers": list(contents),
        "subjects": [content[0] if content is not None else None for content in contents.values()],
        "contents": [content[1] if content is not None else None for content in contents.values()],
    }
    await connection.execute(_FINISH, columns)


# -- lists -------------------------------------------------------------------------------------------------------------

_CONDITIONS = {
    "unsent": "built_at IS NULL OR EXISTS (SELECT FROM digest_deliveries WHERE digest = number AND sent_at IS NULL)",
    "failed": "number IN (SELECT digest FROM digest_deliveries WHERE given_up_at IS NOT NULL)",
    None: "TRUE",
}

_ALERTS = text("""
    SELECT DISTINCT number FROM digest_entries JOIN alerts USING (case_id, commitment, rung, occurrence)
    WHERE digest = :digest AND number > :after ORDER BY number LIMIT :limit
""")


async def newest(connection: AsyncConnection, state: str | None, before: int | None, limit: int) -> Sequence[Row[Any]]:
    """At most ``limit`` digests, newest first. ``state``: ``unsent``, ``failed`` or None for all."""
    query = text(f"""
        SELECT * FROM digests WHERE number < :before AND ({_CONDITIONS[state]}) ORDER BY number DESC LIMIT :limit
    """)
    return (await connection.execute(query, {"before": before or 2**63 - 1, "limit": limit})).all()


async def alert_numbers(connection: AsyncConnection, digest: int, after: int, limit: int) -> list[int]:
    """The numbers of the alerts of a digest, ascending."""
    return list(await connection.scalars(_ALERTS, {"digest": digest, "after": after, "limit": limit}))
