"""The grants of people to programs, with their codes and refresh tokens."""

from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID, uuid4

from sqlalchemy import Connection, text

from services.identity.store.people import OPEN
from services.identity.store.secrets import hashed

CODE_VALID = timedelta(minutes=1)


class Grant(NamedTuple):
    """Access of a program in a person's name. All refresh tokens of a grant are one family."""

    grant_id: UUID
    person_id: str
    name: str
    client_id: str
    scope: str
    session_id: UUID | None
    authenticated_at: datetime
    method: str


class Code(NamedTuple):
    """An authorization code that is used for the first time."""

    grant: Grant
    redirect_uri: str
    nonce: str | None
    code_challenge: str


class Reused(NamedTuple):
    """A code or refresh token that was used before. Its grant has been revoked for it."""

    person_id: str
    client_id: str


_GRANT = "grant_id, person_id, name, client_id, scope, session_id, authenticated_at, method"
_ALIVE = f"revoked_at IS NULL AND {OPEN}"


def give(
    connection: Connection,
    person_id: str,
    client_id: str,
    scope: str,
    session_id: UUID | None,
    authenticated_at: datetime,
    method: str,
    now: datetime,
) -> UUID:
    """Record what a person gives to a program."""
    grant_id = uuid4()
    connection.execute(
        text(
            "INSERT INTO grants (grant_id, person_id, client_id, scope, session_id, authenticated_at, method,"
            " created_at) VALUES (:grant, :person, :client, :scope, :session, :authenticated_at, :method, :now)"
        ),
        {
            "grant": grant_id,
            "person": person_id,
            "client": client_id,
            "scope": scope,
            "session": session_id,
            "authenticated_at": authenticated_at,
            "method": method,
            "now": now,
        },
    )
    return grant_id


def find(connection: Connection, grant_id: UUID) -> Grant | None:
    """A grant that is neither revoked nor of a person who may not log in."""
    row = connection.execute(
        text(f"SELECT {_GRANT} FROM grants JOIN people USING (person_id) WHERE grant_id = :id AND {_ALIVE}"),
        {"id": grant_id},
    ).one_or_none()
    return None if row is None else Grant(*row)


def add_code(
    connection: Connection,
    grant_id: UUID,
    code: str,
    redirect_uri: str,
    nonce: str | None,
    code_challenge: str,
    now: datetime,
) -> None:
    """Keep an authorization code."""
    connection.execute(
        text(
            "INSERT INTO codes (code_hash, grant_id, redirect_uri, nonce, code_challenge, expires_at)"
            " VALUES (:code, :grant, :uri, :nonce, :challenge, :expires)"
        ),
        {
            "code": hashed(code),
            "grant": grant_id,
            "uri": redirect_uri,
            "nonce": nonce,
            "challenge": code_challenge,
            "expires": now + CODE_VALID,
        },
    )


def use_code(connection: Connection, code: str, client_id: str, now: datetime) -> Code | Reused | None:
    """Use a code of this program. A second use revokes all that the first one gave (RFC 6749, section 4.1.2).

    None for a code that is unknown, too old, of another program, or whose grant has ended.
    """
    row = connection.execute(
        text(
            "SELECT grant_id, redirect_uri, nonce, code_challenge, expires_at, used_at FROM codes"
            " JOIN grants USING (grant_id) WHERE code_hash = :code AND client_id = :client FOR UPDATE OF codes"
        ),
        {"code": hashed(code), "client": client_id},
    ).one_or_none()
    if row is None:
        return None
    grant = find(connection, row.grant_id)
    if row.used_at is not None:
        return _reused(connection, row.grant_id, now)
    connection.execute(
        text("UPDATE codes SET used_at = :now WHERE code_hash = :code"), {"code": hashed(code), "now": now}
    )
    if grant is None or row.expires_at <= now:
        return None
    return Code(grant, row.redirect_uri, row.nonce, row.code_challenge)


def add_refresh_token(connection: Connection, grant_id: UUID, token: str, expires_at: datetime, now: datetime) -> None:
    """Keep the next refresh token of a grant."""
    connection.execute(
        text(
            "INSERT INTO refresh_tokens (token_hash, grant_id, created_at, expires_at)"
            " VALUES (:token, :grant, :now, :expires)"
        ),
        {"token": hashed(token), "grant": grant_id, "now": now, "expires": expires_at},
    )


def use_refresh_token(connection: Connection, token: str, client_id: str, now: datetime) -> Grant | Reused | None:
    """Use a refresh token of this program. A second use revokes the whole grant (RFC 9700, section 4.14.2).

    None for a token that is unknown, too old, of another program, or whose grant has ended.
    """
    row = connection.execute(
        text(
            "SELECT grant_id, expires_at, used_at FROM refresh_tokens JOIN grants USING (grant_id)"
            " WHERE token_hash = :token AND client_id = :client FOR UPDATE OF refresh_tokens"
        ),
        {"token": hashed(token), "client": client_id},
    ).one_or_none()
    if row is None:
        return None
    if row.used_at is not None:
        return _reused(connection, row.grant_id, now)
    if row.expires_at <= now:
        return None
    connection.execute(
        text("UPDATE refresh_tokens SET used_at = :now WHERE token_hash = :token"),
        {"token": hashed(token), "now": now},
    )
    return find(connection, row.grant_id)


def grant_of_token(connection: Connection, token: str) -> Grant | None:
    """The grant that a refresh token belongs to, used or not."""
    grant_id: UUID | None = connection.scalar(
        text("SELECT grant_id FROM refresh_tokens WHERE token_hash = :token"), {"token": hashed(token)}
    )
    return None if grant_id is None else find(connection, grant_id)


def revoke(connection: Connection, grant_id: UUID, reason: str, now: datetime) -> None:
    """End a grant with all its tokens."""
    connection.execute(
        text("UPDATE grants SET revoked_at = :now, revocation = :reason WHERE grant_id = :id AND revoked_at IS NULL"),
        {"id": grant_id, "reason": reason, "now": now},
    )


def revoke_of_session(connection: Connection, session_id: UUID, reason: str, now: datetime) -> None:
    """End all grants that were given in a session."""
    connection.execute(
        text(
            "UPDATE grants SET revoked_at = :now, revocation = :reason"
            " WHERE session_id = :session AND revoked_at IS NULL"
        ),
        {"session": session_id, "reason": reason, "now": now},
    )


def revoke_of_person(
    connection: Connection, person_id: str, reason: str, now: datetime, kept: UUID | None = None
) -> None:
    """End all grants of a person, but those that were given in the session that is kept."""
    connection.execute(
        text(
            "UPDATE grants SET revoked_at = :now, revocation = :reason WHERE person_id = :person AND revoked_at IS NULL"
            " AND (CAST(:kept AS uuid) IS NULL OR session_id IS DISTINCT FROM CAST(:kept AS uuid))"
        ),
        {"person": person_id, "reason": reason, "now": now, "kept": kept},
    )


def _reused(connection: Connection, grant_id: UUID, now: datetime) -> Reused:
    row = connection.execute(
        text("SELECT person_id, client_id FROM grants WHERE grant_id = :id"), {"id": grant_id}
    ).one()
    revoke(connection, grant_id, "reused", now)
    return Reused(*row)
