"""The tables of digests and of their entries."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.monitor.core.notifications.policy import Alert, EntryKind
from services.monitor.store.alerts import KEYS, key_columns
from services.monitor.store.lists.filters import Query

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


async def open_digests(connection: AsyncConnection, people: Iterable[str]) -> dict[str, int]:
    """The numbers of the open digests of these people, which get an entry now. Those that are missing are opened.

    One call a transaction, so that two collectors never wait for each other.
    """
    wanted = {"people": sorted(people)}
    return {row.person: row.number for row in await connection.execute(_OPEN, wanted)}


async def add_entries(
    connection: AsyncConnection, entries: Sequence[NewEntry], digests: Mapping[str, int], now: datetime
) -> None:
    """Add each entry to the open digest of its person, by its number. Existing entries stay as they are."""
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

# Without waiting for a row that another process has locked: two that wait for each other would never end.
_CLAIM_OPEN = text("""
    SELECT number, person FROM digests WHERE built_at IS NULL AND person = ANY(:people)
    ORDER BY number FOR UPDATE SKIP LOCKED
""")

_OPEN_OF = text("SELECT person FROM digests WHERE built_at IS NULL AND person = ANY(:people)")

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

_WITH_ENTRIES = text("""
    SELECT number FROM unnest(CAST(:digests AS bigint[])) AS wanted (number)
    WHERE EXISTS (SELECT FROM digest_entries WHERE digest = wanted.number)
""")

_MESSAGES = """
    (SELECT message, array_agg(digest) AS digests
     FROM unnest(CAST(:messages AS integer[]), CAST(:digests AS bigint[])) AS pairs (message, digest)
     GROUP BY message) AS wanted
"""

_SAME = """(other.case_id, other.commitment, other.rung, other.occurrence, other.kind)
    = (entry.case_id, entry.commitment, entry.rung, entry.occurrence, entry.kind) AND other.digest = ANY(wanted.digests)
"""

# Of the entries of several people about an alert one counts. A message with one digest, which may have a million
# entries, needs no such comparison.
_ONCE = f"""(cardinality(wanted.digests) = 1 OR NOT EXISTS (
    SELECT FROM digest_entries AS other WHERE {_SAME} AND (other.level, other.person) > (entry.level, entry.person)))
"""

_COUNTS = text(f"""
    SELECT message, kind, rung, owner, count(*) AS alerts
    FROM {_MESSAGES} JOIN digest_entries AS entry ON entry.digest = ANY(wanted.digests)
    WHERE {_ONCE} GROUP BY message, kind, rung, owner
""")

_MOST_URGENT = text(f"""
    SELECT message, entry.*, notified.people, alerts.number, alerts.matter, alerts.region, alerts.appeal_upheld
    FROM {_MESSAGES} CROSS JOIN LATERAL (
        SELECT entry.*,
            array_position(CAST(:urgency AS text[]), CASE kind WHEN 'rung' THEN rung ELSE kind END) AS urgency
        FROM digest_entries AS entry WHERE entry.digest = ANY(wanted.digests) AND {_ONCE}
        ORDER BY urgency, entry.due_at, entry.case_id LIMIT :limit
    ) AS entry CROSS JOIN LATERAL (
        SELECT array_agg(DISTINCT person) AS people FROM digest_entries AS other WHERE {_SAME}
    ) AS notified JOIN alerts USING (case_id, commitment, rung, occurrence)
    ORDER BY message, entry.urgency, entry.due_at, entry.case_id
""")

_FINISH = text("""
    UPDATE digests SET built_at = clock_timestamp(), subject = new.subject
    FROM unnest(CAST(:numbers AS bigint[]), CAST(:subjects AS text[])) AS new (number, subject)
    WHERE digests.number = new.number
""")


async def claim_ready(
    connection: AsyncConnection, quiet: timedelta, longest: timedelta, limit: int
) -> Sequence[Row[Any]]:
    """Lock the next open digests without a new entry for ``quiet``, or open for ``longest``: machine time."""
    return (await connection.execute(_CLAIM_READY, {"quiet": quiet, "longest": longest, "limit": limit})).all()


async def claim_open(connection: AsyncConnection, people: Sequence[str]) -> dict[str, int]:
    """Lock the open digests of these people, as far as no other process has locked them; their numbers by person."""
    return {row.person: row.number for row in await connection.execute(_CLAIM_OPEN, {"people": people})}


async def people_with_open(connection: AsyncConnection, people: Sequence[str]) -> set[str]:
    """Those of these people who have an open digest."""
    return set(await connection.scalars(_OPEN_OF, {"people": people}))


async def cancel_withdrawn(connection: AsyncConnection, digests: Sequence[int]) -> None:
    """Delete the entries of alerts that were raised and withdrawn while the digest was open."""
    for statement in _CANCEL_WITHDRAWN:
        await connection.execute(statement, {"digests": digests})


async def with_entries(connection: AsyncConnection, digests: Sequence[int]) -> set[int]:
    """Those of these digests that have entries."""
    return set(await connection.scalars(_WITH_ENTRIES, {"digests": digests}))


async def alert_counts(connection: AsyncConnection, messages: Sequence[Sequence[int]]) -> Iterable[Row[Any]]:
    """How many alerts each message reports, by kind, rung and owner. A message has one digest or several."""
    return await connection.execute(_COUNTS, _message_columns(messages))


async def most_urgent(
    connection: AsyncConnection, messages: Sequence[Sequence[int]], urgency: Sequence[str], limit: int
) -> Sequence[Row[Any]]:
    """The most urgent alerts of each message, with the people who are notified of them.

    ``urgency`` orders rungs and kinds of entries.
    """
    values = {**_message_columns(messages), "urgency": urgency, "limit": limit}
    return (await connection.execute(_MOST_URGENT, values)).all()


async def finish(connection: AsyncConnection, subjects: Mapping[int, str | None]) -> None:
    """Store the subject of these digests, None for one without entries. They get no more entries."""
    await connection.execute(_FINISH, {"numbers": list(subjects), "subjects": list(subjects.values())})


def _message_columns(messages: Sequence[Sequence[int]]) -> dict[str, list[int]]:
    pairs = [(place, digest) for place, digests in enumerate(messages) for digest in digests]
    return {"messages": [place for place, _ in pairs], "digests": [digest for _, digest in pairs]}


# -- lists -------------------------------------------------------------------------------------------------------------

_CONDITIONS = {
    "unsent": """built_at IS NULL
        OR EXISTS (SELECT FROM digest_deliveries WHERE digest_numbers @> ARRAY[number] AND sent_at IS NULL)""",
    "failed": "number IN (SELECT unnest(digest_numbers) FROM digest_deliveries WHERE given_up_at IS NOT NULL)",
    None: "TRUE",
}

_OF_PERSON = "(CAST(:person AS text) IS NULL OR person = :person)"

_ALERTS = text(f"""
    SELECT DISTINCT number FROM digest_entries JOIN alerts USING (case_id, commitment, rung, occurrence)
    WHERE digest = :digest AND number > :after AND {_OF_PERSON} ORDER BY number LIMIT :limit
""")


_NOTIFICATIONS_OF = text("""
    SELECT kind, level, entry.person, added_at, digest.built_at, split_part(address, ':', 1) AS channel, sent_at,
        given_up_at
    FROM digest_entries AS entry JOIN digests AS digest ON digest.number = entry.digest
    LEFT JOIN digest_deliveries AS delivery
        ON delivery.digest_numbers @> ARRAY[digest.number] AND entry.person = ANY(delivery.people)
    WHERE (entry.case_id, entry.commitment, entry.rung, entry.occurrence) = (:case, :commitment, :rung, :occurrence)
    ORDER BY added_at, entry.person, channel
""")


async def notifications_of(
    connection: AsyncConnection, case: str, commitment: str, rung: str, occurrence: int
) -> Sequence[Row[Any]]:
    """The people notified of an alert, when and by which channels: one row a delivery, or an entry without."""
    key = {"case": case, "commitment": commitment, "rung": rung, "occurrence": occurrence}
    return (await connection.execute(_NOTIFICATIONS_OF, key)).all()


async def newest(
    connection: AsyncConnection, person: str | None, state: str | None, before: int | None, limit: int
) -> Sequence[Row[Any]]:
    """At most ``limit`` digests of a person, newest first. ``state``: ``unsent``, ``failed`` or None for all.

    ``person``: None for those of all people.
    """
    query = text(f"""
        SELECT * FROM digests WHERE number < :before AND ({_CONDITIONS[state]}) AND {_OF_PERSON}
        ORDER BY number DESC LIMIT :limit
    """)
    values = {"person": person, "before": before or 2**63 - 1, "limit": limit}
    return (await connection.execute(query, values)).all()


def everything(person: str | None, state: str | None, before: int | None, limit: int | None) -> Query:
    """The statement for all of them, in the same order: at most ``limit`` rows, each a delivery or a digest without."""
    query = text(f"""
        SELECT number, person, opened_at, built_at, subject, address, attempts, next_attempt_at, sent_at, error,
            given_up_at
        FROM digests LEFT JOIN digest_deliveries ON digest_numbers @> ARRAY[number]
        WHERE number < :before AND ({_CONDITIONS[state]}) AND {_OF_PERSON}
        ORDER BY number DESC, address LIMIT :limit
    """)
    return query, {"person": person, "before": before or 2**63 - 1, "limit": limit}


async def alert_numbers(
    connection: AsyncConnection, digest: int, person: str | None, after: int, limit: int
) -> list[int]:
    """The numbers of the alerts of a digest, ascending; none if it is of another ``person``."""
    values = {"digest": digest, "person": person, "after": after, "limit": limit}
    return list(await connection.scalars(_ALERTS, values))
