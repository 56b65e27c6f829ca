"""The record of logins: who, when, from where, with which outcome. Rows are only added."""

from datetime import datetime
from typing import Literal, NamedTuple

from sqlalchemy import Connection, text

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


def append(connection: Connection, entry: Entry, now: datetime) -> None:
    """Add an entry."""
    connection.execute(
        text(
            "INSERT INTO record (at, event, outcome, person_id, client_id, address)"
            " VALUES (:at, :event, :outcome, :person_id, :client_id, :address)"
        ),
        {**entry._asdict(), "at": now},
    )


def entries(connection: Connection, limit: int) -> list[Entry]:
    """The newest entries, newest first."""
    rows = connection.execute(
        text("SELECT event, outcome, person_id, client_id, address FROM record ORDER BY number DESC LIMIT :limit"),
        {"limit": limit},
    )
    return [Entry(*row) for row in rows]
