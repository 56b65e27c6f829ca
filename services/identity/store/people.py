"""People who may log in, their passwords, links of enrolment and known browsers."""

from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID, uuid4

from sqlalchemy import Connection, text

from services.identity.store.secrets import hashed

ENROLMENT_VALID = timedelta(hours=72)


class Person(NamedTuple):
    """A person with an account. ``password_hash`` is None before enrolment, and with a passkey alone."""

    person_id: str
    name: str
    user_handle: UUID
    password_hash: str | None
    disabled_at: datetime | None


class Listed(NamedTuple):
    """An account in the list for operators."""

    person_id: str
    name: str
    has_password: bool
    passkeys: int
    disabled_at: datetime | None
    logged_in_at: datetime | None


_PERSON = "SELECT person_id, name, user_handle, password_hash, disabled_at FROM people"


def add(connection: Connection, person_id: str, name: str, now: datetime) -> bool:
    """Add a person. Returns whether there was none of this id."""
    added = connection.execute(
        text(
            "INSERT INTO people (person_id, name, user_handle, created_at) VALUES (:id, :name, :handle, :now)"
            " ON CONFLICT DO NOTHING"
        ),
        {"id": person_id, "name": name, "handle": uuid4(), "now": now},
    )
    return added.rowcount == 1


def find(connection: Connection, person_id: str) -> Person | None:
    """The person of this id. The row cannot change until the end of the transaction."""
    row = connection.execute(text(f"{_PERSON} WHERE person_id = :id FOR SHARE"), {"id": person_id}).one_or_none()
    return None if row is None else Person(*row)


def listed(connection: Connection) -> list[Listed]:
    """All accounts by their id."""
    rows = connection.execute(
        text(
            "SELECT person_id, name, password_hash IS NOT NULL,"
            " (SELECT count(*) FROM passkeys WHERE passkeys.person_id = people.person_id), disabled_at,"
            " (SELECT max(at) FROM access_record WHERE access_record.person = people.person_id AND act = 'login'"
            " AND outcome IN ('password', 'passkey'))"
            " FROM people ORDER BY person_id"
        )
    )
    return [Listed(*row) for row in rows]


def disable(connection: Connection, person_id: str, now: datetime) -> bool:
    """Disable an account, and with it links of enrolment and known browsers. Returns whether it exists.

    The caller ends its sessions and grants in the same transaction.
    """
    changed = connection.execute(
        text("UPDATE people SET disabled_at = coalesce(disabled_at, :now) WHERE person_id = :id"),
        {"id": person_id, "now": now},
    )
    for statement in ("DELETE FROM enrolments WHERE person_id = :id", "DELETE FROM browsers WHERE person_id = :id"):
        connection.execute(text(statement), {"id": person_id})
    return changed.rowcount == 1


def enable(connection: Connection, person_id: str) -> bool:
    """Enable an account again. Returns whether it exists."""
    changed = connection.execute(text("UPDATE people SET disabled_at = NULL WHERE person_id = :id"), {"id": person_id})
    return changed.rowcount == 1


def set_password(connection: Connection, person_id: str, password_hash: str) -> None:
    """Replace the password."""
    connection.execute(
        text("UPDATE people SET password_hash = :hash WHERE person_id = :id"), {"id": person_id, "hash": password_hash}
    )


def open_enrolment(connection: Connection, person_id: str, secret: str, now: datetime) -> None:
    """Make this secret the one with which the person enrols. Earlier ones are worth nothing then."""
    connection.execute(text("DELETE FROM enrolments WHERE person_id = :id"), {"id": person_id})
    connection.execute(
        text(
            "INSERT INTO enrolments (secret_hash, person_id, created_at, expires_at)"
            " VALUES (:secret, :id, :now, :expires)"
        ),
        {"secret": hashed(secret), "id": person_id, "now": now, "expires": now + ENROLMENT_VALID},
    )


def enrolling(connection: Connection, secret: str, now: datetime) -> Person | None:
    """The person who enrols by this secret, if it is valid. It cannot be used twice: the row is locked."""
    row = connection.execute(
        text(
            "SELECT person_id FROM enrolments WHERE secret_hash = :secret AND used_at IS NULL AND expires_at > :now"
            " FOR UPDATE"
        ),
        {"secret": hashed(secret), "now": now},
    ).one_or_none()
    if row is None:
        return None
    person = find(connection, row.person_id)
    return None if person is None or person.disabled_at is not None else person


def use_enrolment(connection: Connection, secret: str, now: datetime) -> None:
    """This secret is used up."""
    connection.execute(
        text("UPDATE enrolments SET used_at = :now WHERE secret_hash = :secret"),
        {"secret": hashed(secret), "now": now},
    )


def know_browser(connection: Connection, browser: str, person_id: str, now: datetime) -> None:
    """Remember that the person has logged in in this browser."""
    connection.execute(
        text(
            "INSERT INTO browsers (browser_hash, person_id, used_at) VALUES (:browser, :id, :now)"
            " ON CONFLICT (browser_hash) DO UPDATE SET person_id = :id, used_at = :now"
        ),
        {"browser": hashed(browser), "id": person_id, "now": now},
    )


def knows_browser(connection: Connection, browser: str, person_id: str) -> bool:
    """Whether the person has logged in in this browser before."""
    found = connection.execute(
        text("SELECT 1 FROM browsers WHERE browser_hash = :browser AND person_id = :id"),
        {"browser": hashed(browser), "id": person_id},
    )
    return found.one_or_none() is not None
