"""People who may log in, their passwords and known browsers."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID, uuid4

from sqlalchemy import Connection, text

from services.identity.store.secrets import hashed


class Person(NamedTuple):
    """A person with an account. ``password_hash`` is None before enrolment, and with a passkey alone."""

    person_id: str
    name: str
    user_handle: UUID
    password_hash: str | None
    disabled_at: datetime | None
    left_at: datetime | None

    @property
    def is_open(self) -> bool:
        """Whether the person may log in."""
        return self.disabled_at is None and self.left_at is None


_PERSON = "SELECT person_id, name, user_handle, password_hash, disabled_at, left_at FROM people"

OPEN = "disabled_at IS NULL AND left_at IS NULL"
"""SQL: whether the person may log in."""


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


def give_name(connection: Connection, person_id: str, name: str) -> bool:
    """Name a person who is called by the id. Returns whether there is such an account."""
    named = connection.execute(
        text("UPDATE people SET name = :name WHERE person_id = :id AND name = person_id"),
        {"id": person_id, "name": name},
    )
    return named.rowcount == 1


def find(connection: Connection, person_id: str) -> Person | None:
    """The person of this id. The row cannot change until the end of the transaction."""
    row = connection.execute(text(f"{_PERSON} WHERE person_id = :id FOR SHARE"), {"id": person_id}).one_or_none()
    return None if row is None else Person(*row)


def disable(connection: Connection, person_id: str, now: datetime) -> bool:
    """Disable an account, and forget the browsers that are known. Returns whether it exists.

    The caller ends its enrolment, sessions and grants in the same transaction.
    """
    changed = connection.execute(
        text("UPDATE people SET disabled_at = coalesce(disabled_at, :now) WHERE person_id = :id"),
        {"id": person_id, "now": now},
    )
    connection.execute(text("DELETE FROM browsers WHERE person_id = :id"), {"id": person_id})
    return changed.rowcount == 1


def enable(connection: Connection, person_id: str) -> bool:
    """Enable an account again. Returns whether it exists."""
    changed = connection.execute(text("UPDATE people SET disabled_at = NULL WHERE person_id = :id"), {"id": person_id})
    return changed.rowcount == 1


def set_password(connection: Connection, person_id: str, password_hash: str | None) -> None:
    """Replace the password; None: there is none from now on."""
    connection.execute(
        text("UPDATE people SET password_hash = :hash WHERE person_id = :id"), {"id": person_id, "hash": password_hash}
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
