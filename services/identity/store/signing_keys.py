"""The keys that sign tokens."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, text

from services.identity.core.keys import SigningKey

LOCK = 0x0D00B
"""Advisory lock of the rotation, so that two replicas do not make a key each."""


class StoredKey(NamedTuple):
    """A key with its encrypted private part."""

    key_id: str
    private_key: bytes


def lock(connection: Connection) -> None:
    """Wait until no other process changes the keys, and keep others from it until the end of the transaction."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})


def times(connection: Connection) -> list[SigningKey]:
    """All keys with their times."""
    return [SigningKey(*row) for row in connection.execute(text("SELECT key_id, signs_from FROM signing_keys"))]


def published(connection: Connection) -> list[str]:
    """The public parts of all keys, JSON Web Keys."""
    return list(connection.scalars(text("SELECT public_key FROM signing_keys ORDER BY signs_from")))


def find(connection: Connection, key_id: str) -> StoredKey:
    """The key of this id."""
    row = connection.execute(
        text("SELECT key_id, private_key FROM signing_keys WHERE key_id = :id"), {"id": key_id}
    ).one()
    return StoredKey(*row)


def add(connection: Connection, key_id: str, signs_from: datetime, private_key: bytes, public_key: str) -> None:
    """Add a key."""
    connection.execute(
        text(
            "INSERT INTO signing_keys (key_id, signs_from, private_key, public_key)"
            " VALUES (:id, :signs_from, :private, :public)"
        ),
        {"id": key_id, "signs_from": signs_from, "private": private_key, "public": public_key},
    )


def remove(connection: Connection, key_ids: tuple[str, ...]) -> None:
    """Remove keys whose tokens have ended."""
    connection.execute(text("DELETE FROM signing_keys WHERE key_id = ANY(:ids)"), {"ids": list(key_ids)})
