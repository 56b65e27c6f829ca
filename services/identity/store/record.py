"""The record of logins: who, when, from where, with which outcome.

It is the issuer's record of access, chained and kept like that of every service.
"""

import json
from datetime import datetime
from typing import Literal, NamedTuple

from sqlalchemy import Connection, text

from services.runtime.security.access_record import AccessEntry
from services.runtime.store import access_record

Event = Literal[
    "login",
    "logout",
    "enrolment",
    "account",
    "added",
    "disabled",
    "enabled",
    "left",
    "returned",
    "unlocked",
    "code",
    "refresh",
    "device",
    "program",
    "revocation",
]


class Entry(NamedTuple):
    """An entry. ``person_id`` is None where nobody has such an account: people type passwords into wrong fields."""

    event: Event
    outcome: str
    person_id: str | None = None
    client_id: str | None = None
    address: str | None = None
    by: str | None = None
    """The person who has done it to another one; None where no directory was in force."""
    on_behalf_of: str | None = None
    """The person on leave for whom a deputy has done it."""
    reason: str | None = None
    """Why it was done, in the words of the one who has done it."""
    asked_by: str | None = None
    """The person who had asked for it before, where it took two people."""


def append(connection: Connection, entry: Entry, now: datetime) -> None:
    """Add an entry, in the transaction of what it is about.

    The record names who has done something: where that is another person than the one it is about, the latter stands
    in the filter.
    """
    added = AccessEntry(
        at=now,
        act=entry.event,
        outcome=entry.outcome,
        person=entry.person_id if entry.by is None else entry.by,
        on_behalf_of=entry.on_behalf_of,
        client=entry.client_id,
        address=entry.address,
        purpose=entry.reason,
        filter=_filter(entry),
    )
    access_record.add_in(connection, [added])


def _filter(entry: Entry) -> str | None:
    if entry.by is None:
        return None
    asked = {} if entry.asked_by is None else {"asked_by": entry.asked_by}
    return json.dumps({"person": entry.person_id, **asked})


def entries(connection: Connection, limit: int) -> list[Entry]:
    """The newest entries about logins and accounts, newest first."""
    rows = connection.execute(
        text(
            "SELECT act, outcome, coalesce(filter::jsonb ->> 'person', person), client, address,"
            " CASE WHEN filter IS NOT NULL THEN person END, on_behalf_of, purpose, filter::jsonb ->> 'asked_by'"
            " FROM access_record WHERE request IS NULL ORDER BY number DESC LIMIT :limit"
        ),
        {"limit": limit},
    )
    return [Entry(*row) for row in rows]


class Happened(NamedTuple):
    """An entry about an account, as people read it."""

    at: datetime
    event: str
    outcome: str
    address: str | None
    by: str | None
    on_behalf_of: str | None
    reason: str | None
    asked_by: str | None


ABOUT = (
    "CREATE INDEX access_record_about ON access_record ((filter::jsonb ->> 'person'), number)"
    " WHERE request IS NULL AND filter IS NOT NULL"
)
"""The index by which `about` finds what others have done to an account."""


def about(connection: Connection, person_id: str, limit: int) -> list[Happened]:
    """The entries about an account: of acts in it and on it, the newest first."""
    rows = connection.execute(
        text(
            "SELECT at, act, outcome, address, CASE WHEN filter IS NOT NULL THEN person END, on_behalf_of, purpose,"
            " filter::jsonb ->> 'asked_by' FROM ("
            " (SELECT * FROM access_record WHERE person = :person AND request IS NULL AND filter IS NULL"
            " ORDER BY number DESC LIMIT :limit)"
            " UNION ALL"
            " (SELECT * FROM access_record WHERE filter::jsonb ->> 'person' = :person AND request IS NULL"
            " AND filter IS NOT NULL ORDER BY number DESC LIMIT :limit)"
            ") AS entry ORDER BY number DESC LIMIT :limit"
        ),
        {"person": person_id, "limit": limit},
    )
    return [Happened(*row) for row in rows]
