"""Passkeys, and the challenges that they answer."""

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, text

from services.identity.store.secrets import hashed

CHALLENGE_VALID = timedelta(minutes=10)


class Kept(NamedTuple):
    """A passkey as its person sees it in a list."""

    credential_id: bytes
    created_at: datetime
    used_at: datetime | None


class Passkey(NamedTuple):
    """A passkey of a person."""

    credential_id: bytes
    person_id: str
    public_key: bytes
    sign_count: int


def put_challenge(connection: Connection, form: str, challenge: bytes, now: datetime) -> None:
    """Keep the challenge of a form, in place of an earlier one."""
    connection.execute(
        text(
            "INSERT INTO challenges (form_hash, challenge, expires_at) VALUES (:form, :challenge, :expires)"
            " ON CONFLICT (form_hash) DO UPDATE SET challenge = :challenge, expires_at = :expires"
        ),
        {"form": hashed(form), "challenge": challenge, "expires": now + CHALLENGE_VALID},
    )


def take_challenge(connection: Connection, form: str, now: datetime) -> bytes | None:
    """The challenge of a form, which is used up by this."""
    row = connection.execute(
        text("DELETE FROM challenges WHERE form_hash = :form RETURNING challenge, expires_at"), {"form": hashed(form)}
    ).one_or_none()
    return row.challenge if row is not None and row.expires_at > now else None


def add(connection: Connection, passkey: Passkey, now: datetime) -> bool:
    """Add a passkey. Returns whether its id was free."""
    added = connection.execute(
        text(
            "INSERT INTO passkeys (credential_id, person_id, public_key, sign_count, created_at)"
            " VALUES (:credential_id, :person_id, :public_key, :sign_count, :now) ON CONFLICT DO NOTHING"
        ),
        {**passkey._asdict(), "now": now},
    )
    return added.rowcount == 1


def find(connection: Connection, credential_id: bytes) -> Passkey | None:
    """The passkey of this id, which is locked until the end of the transaction."""
    row = connection.execute(
        text(
            "SELECT credential_id, person_id, public_key, sign_count FROM passkeys WHERE credential_id = :id FOR UPDATE"
        ),
        {"id": credential_id},
    ).one_or_none()
    return None if row is None else Passkey(*row)


def used(connection: Connection, credential_id: bytes, sign_count: int, now: datetime) -> None:
    """Keep the count of signatures that the passkey has sent, and when it was used."""
    connection.execute(
        text("UPDATE passkeys SET sign_count = :count, used_at = :now WHERE credential_id = :id"),
        {"id": credential_id, "count": sign_count, "now": now},
    )


def of_person(connection: Connection, person_id: str) -> list[Kept]:
    """A person's passkeys, the oldest first."""
    rows = connection.execute(
        text("SELECT credential_id, created_at, used_at FROM passkeys WHERE person_id = :id ORDER BY created_at"),
        {"id": person_id},
    )
    return [Kept(*row) for row in rows]


def remove(connection: Connection, person_id: str, credential_id: bytes) -> bool:
    """Remove a passkey of this person. Returns whether there was one."""
    removed = connection.execute(
        text("DELETE FROM passkeys WHERE person_id = :person AND credential_id = :id"),
        {"person": person_id, "id": credential_id},
    )
    return removed.rowcount == 1


def remove_others(connection: Connection, person_id: str, kept: bytes | None) -> None:
    """Remove all passkeys of a person but this one."""
    connection.execute(
        text("DELETE FROM passkeys WHERE person_id = :person AND credential_id IS DISTINCT FROM :kept"),
        {"person": person_id, "kept": kept},
    )
