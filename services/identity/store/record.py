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
    "added",
    "disabled",
    "enabled",
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
    """The person who has done it to another one by a command; None where no directory was in force."""
    on_behalf_of: str | None = None
    """The person on leave for whom a deputy has done it."""


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
        filter=None if entry.by is None else json.dumps({"person": entry.person_id}),
    )
    access_record.add_in(connection, [added])


def entries(connection: Connection, limit: int) -> list[Entry]:
    """The newest entries, newest first."""
    rows = connection.execute(
        text(
            "SELECT act, outcome, coalesce(filter::jsonb ->> 'person', person), client, address,"
            " CASE WHEN filter IS NOT NULL THEN person END, on_behalf_of"
            " FROM access_record ORDER BY number DESC LIMIT :limit"
        ),
        {"limit": limit},
    )
    return [Entry(*row) for row in rows]
