"""Enrolments: who has asked for one, and the code by which the person sets a passkey or a password.

A person has one at most: that which is asked for last takes the place of the one before.
"""

from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from contracts.rights.actor import Actor
from services.identity.core.accounts import Request
from services.identity.core.codes import as_kept
from services.identity.store import people
from services.identity.store.people import Person
from services.identity.store.secrets import hashed

VALID = timedelta(hours=72)
"""How long a code can be used, and how long one that is asked for waits for a second person."""


def ask(connection: Connection, person_id: str, request: Request) -> None:
    """Ask for the enrolment of a person. A code from before is worth nothing then."""
    connection.execute(
        text(
            "INSERT INTO enrolments (person_id, asked_by, asked_for, reason, created_at, expires_at)"
            " VALUES (:id, :by, :for, :reason, :now, :expires)"
            " ON CONFLICT (person_id) DO UPDATE SET secret_hash = NULL, asked_by = :by, asked_for = :for,"
            " reason = :reason, created_at = :now, expires_at = :expires, used_at = NULL"
        ),
        {
            "id": person_id,
            "by": request.actor.person,
            "for": request.actor.on_behalf_of,
            "reason": request.reason,
            "now": request.asked_at,
            "expires": request.asked_at + VALID,
        },
    )


def asked(connection: Connection, person_id: str, now: datetime) -> Request | None:
    """The enrolment of a person that waits for a second person. The row is locked."""
    row = connection.execute(
        text(
            "SELECT asked_by, asked_for, reason, created_at FROM enrolments"
            " WHERE person_id = :id AND secret_hash IS NULL AND expires_at > :now FOR UPDATE"
        ),
        {"id": person_id, "now": now},
    ).one_or_none()
    return None if row is None else Request(Actor(row.asked_by, row.asked_for), row.reason, row.created_at)


def open_with(connection: Connection, person_id: str, code: str, now: datetime) -> None:
    """Make this code the one with which the person enrols."""
    connection.execute(
        text(
            "INSERT INTO enrolments (person_id, secret_hash, created_at, expires_at)"
            " VALUES (:id, :secret, :now, :expires)"
            " ON CONFLICT (person_id) DO UPDATE SET secret_hash = :secret, expires_at = :expires, used_at = NULL"
        ),
        {"id": person_id, "secret": hashed(as_kept(code)), "now": now, "expires": now + VALID},
    )


def drop(connection: Connection, person_id: str) -> None:
    """End the enrolment of a person, asked for or open."""
    connection.execute(text("DELETE FROM enrolments WHERE person_id = :id"), {"id": person_id})


def enrolling(connection: Connection, code: str, now: datetime) -> Person | None:
    """The person who enrols by this code, if it is valid. It cannot be used twice: the row is locked."""
    person_id: str | None = connection.scalar(
        text(
            "SELECT person_id FROM enrolments WHERE secret_hash = :secret AND used_at IS NULL AND expires_at > :now"
            " FOR UPDATE"
        ),
        {"secret": hashed(as_kept(code)), "now": now},
    )
    person = None if person_id is None else people.find(connection, person_id)
    return None if person is None or not person.is_open else person


def use(connection: Connection, person_id: str, now: datetime) -> None:
    """The code of this person is used up."""
    connection.execute(
        text("UPDATE enrolments SET used_at = :now WHERE person_id = :id"), {"id": person_id, "now": now}
    )
