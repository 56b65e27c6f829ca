"""Sessions of people at the issuer."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID, uuid4

from sqlalchemy import Connection, text

from services.identity.core.sessions import EndReason, SessionLimits, SessionTimes, ended
from services.identity.store import grants
from services.identity.store.secrets import hashed

_ENDING_GRANTS = ("logout", "disabled", "left", "password", "elsewhere")


class Session(NamedTuple):
    """An open session. ``authenticated_at`` is when the person proved who he is."""

    session_id: UUID
    person_id: str
    name: str
    method: str
    authenticated_at: datetime


def begin(connection: Connection, secret: str, person_id: str, method: str, now: datetime) -> UUID:
    """Begin a session. The caller holds the person's row, so that it is not disabled meanwhile."""
    session_id = uuid4()
    connection.execute(
        text(
            "INSERT INTO sessions (session_id, secret_hash, person_id, method, created_at, used_at)"
            " VALUES (:session, :secret, :person, :method, :now, :now)"
        ),
        {"session": session_id, "secret": hashed(secret), "person": person_id, "method": method, "now": now},
    )
    return session_id


def used(connection: Connection, secret: str, limits: SessionLimits, now: datetime) -> Session | EndReason | None:
    """The session of this secret, used now; why it has ended; or None if there is none."""
    row = connection.execute(
        text(
            "SELECT session_id, person_id, name, method, sessions.created_at, used_at, ended_at, end_reason,"
            " disabled_at, left_at FROM sessions JOIN people USING (person_id) WHERE secret_hash = :secret"
            " FOR UPDATE OF sessions"
        ),
        {"secret": hashed(secret)},
    ).one_or_none()
    if row is None:
        return None
    if row.ended_at is not None:
        reason: EndReason = row.end_reason
        return reason
    by_itself = ended(SessionTimes(row.created_at, row.used_at), limits, now)
    if by_itself is None and row.disabled_at is not None:
        by_itself = "disabled"
    if by_itself is None and row.left_at is not None:
        by_itself = "left"
    if by_itself is not None:
        end(connection, row.session_id, by_itself, now)
        return by_itself
    connection.execute(
        text("UPDATE sessions SET used_at = :now WHERE session_id = :id"), {"id": row.session_id, "now": now}
    )
    return Session(row.session_id, row.person_id, row.name, row.method, row.created_at)


def end(connection: Connection, session_id: UUID, reason: EndReason, now: datetime) -> str | None:
    """End a session. Returns its person, or None if it had ended.

    What was granted in it ends as well, unless the session ended by itself: the programs end their own sessions then.
    """
    person: str | None = connection.scalar(
        text(
            "UPDATE sessions SET ended_at = :now, end_reason = :reason WHERE session_id = :id AND ended_at IS NULL"
            " RETURNING person_id"
        ),
        {"id": session_id, "reason": reason, "now": now},
    )
    if reason in _ENDING_GRANTS:
        grants.revoke_of_session(connection, session_id, reason, now)
    return person


class Open(NamedTuple):
    """A session that nobody has ended, as its person sees it in a list."""

    session_id: UUID
    method: str
    created_at: datetime
    used_at: datetime


def open_of(connection: Connection, person_id: str, limits: SessionLimits, now: datetime) -> list[Open]:
    """The open sessions of a person, that which was used last first."""
    rows = connection.execute(
        text(
            "SELECT session_id, method, created_at, used_at FROM sessions"
            " WHERE person_id = :person AND ended_at IS NULL ORDER BY used_at DESC, session_id"
        ),
        {"person": person_id},
    )
    found = [Open(*row) for row in rows]
    return [one for one in found if ended(SessionTimes(one.created_at, one.used_at), limits, now) is None]


def end_others(connection: Connection, person_id: str, kept: UUID, reason: EndReason, now: datetime) -> int:
    """End all sessions of a person but this one, and all that was granted elsewhere. Returns the number of sessions."""
    closed = connection.execute(
        text(
            "UPDATE sessions SET ended_at = :now, end_reason = :reason"
            " WHERE person_id = :person AND session_id <> :kept AND ended_at IS NULL"
        ),
        {"person": person_id, "kept": kept, "reason": reason, "now": now},
    )
    grants.revoke_of_person(connection, person_id, reason, now, kept)
    return closed.rowcount


def end_all(connection: Connection, person_id: str, reason: EndReason, now: datetime) -> int:
    """End all sessions of a person and all that he has granted. Returns the number of sessions."""
    closed = connection.execute(
        text(
            "UPDATE sessions SET ended_at = :now, end_reason = :reason WHERE person_id = :person AND ended_at IS NULL"
        ),
        {"person": person_id, "reason": reason, "now": now},
    )
    grants.revoke_of_person(connection, person_id, reason, now)
    return closed.rowcount
