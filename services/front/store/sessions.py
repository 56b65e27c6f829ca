"""Sessions of browsers."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.front.core.sessions import WALL_LIMITS, EndReason, SessionLimits, SessionTimes, ended
from services.front.store.secrets import hashed
from services.runtime.store.database import Driver

KEPT = timedelta(days=1)
"""Ended sessions are kept so long, since the next login says why they have ended."""


class Tokens(NamedTuple):
    """The tokens of a session, encrypted but for the time. ``refresh`` is None where the issuer gives none."""

    access: bytes
    access_expires_at: datetime
    refresh: bytes | None
    identity: bytes


class Session(NamedTuple):
    """An open session."""

    session_id: UUID
    person_id: str
    name: str
    times: SessionTimes
    tokens: Tokens
    is_wall: bool = False
    """Whether it is that of a wall display, of which ``person_id`` is the program."""


_COLUMNS = (
    "session_id, person_id, name, created_at, used_at, access_token, access_expires_at, refresh_token, identity_token,"
    " ended_at, end_reason, is_wall"
)


async def begin(
    connection: AsyncConnection,
    secret: str,
    person_id: str,
    name: str,
    tokens: Tokens,
    now: datetime,
    wall: UUID | None = None,
) -> None:
    """Begin a session. ``wall``: its id, if it is that of a wall display."""
    await connection.execute(
        text(
            "INSERT INTO sessions (session_id, secret_hash, person_id, name, created_at, used_at, access_token,"
            " access_expires_at, refresh_token, identity_token, is_wall)"
            " VALUES (:id, :secret, :person, :name, :now, :now, :access, :access_expires_at, :refresh, :identity,"
            " :is_wall)"
        ),
        {
            "id": wall or uuid4(),
            "secret": hashed(secret),
            "person": person_id,
            "name": name,
            "now": now,
            "is_wall": wall is not None,
            **tokens._asdict(),
        },
    )


async def find(driver: Driver, secret: str) -> Session | EndReason | None:
    """The session of a browser's secret; why somebody has ended it; None if there is none.

    Every request asks for it, so that it is asked without SQLAlchemy, which would double the time of a request.
    """
    return _session(await driver.fetchrow(f"SELECT {_COLUMNS} FROM sessions WHERE secret_hash = $1", hashed(secret)))


async def locked(connection: AsyncConnection, session_id: UUID, *, skip: bool) -> Session | EndReason | None:
    """A session, locked until the end of the transaction. None also if it is locked and ``skip`` is set."""
    found = await connection.execute(
        text(f"SELECT {_COLUMNS} FROM sessions WHERE session_id = :id FOR UPDATE {'SKIP LOCKED' if skip else ''}"),
        {"id": session_id},
    )
    return _session(found.mappings().one_or_none())


async def use(connection: AsyncConnection, session_id: UUID, now: datetime) -> None:
    """Record that a session is used."""
    await connection.execute(
        text("UPDATE sessions SET used_at = :now WHERE session_id = :id AND used_at < :now AND ended_at IS NULL"),
        {"id": session_id, "now": now},
    )


async def renew(connection: AsyncConnection, session_id: UUID, tokens: Tokens) -> None:
    """Replace the tokens of a session."""
    await connection.execute(
        text(
            "UPDATE sessions SET access_token = :access, access_expires_at = :access_expires_at,"
            " refresh_token = :refresh, identity_token = :identity WHERE session_id = :id"
        ),
        {"id": session_id, **tokens._asdict()},
    )


async def end(connection: AsyncConnection, session_id: UUID, reason: EndReason, now: datetime) -> Tokens | None:
    """End a session and forget its tokens, which are returned. None if it had ended."""
    row = (
        await connection.execute(
            text(
                "WITH open AS (SELECT * FROM sessions WHERE session_id = :id AND ended_at IS NULL FOR UPDATE)"
                " UPDATE sessions SET ended_at = :now, end_reason = :reason, access_token = NULL, refresh_token = NULL,"
                " identity_token = NULL FROM open WHERE sessions.session_id = open.session_id"
                " RETURNING open.access_token, open.access_expires_at, open.refresh_token, open.identity_token"
            ),
            {"id": session_id, "reason": reason, "now": now},
        )
    ).one_or_none()
    return None if row is None else Tokens(*row)


async def ended_by_themselves(
    connection: AsyncConnection, limits: SessionLimits, now: datetime, most: int
) -> list[tuple[UUID, EndReason]]:
    """Some of the sessions that are open and have ended by themselves, with the reason."""
    rows = await connection.execute(
        text(
            "SELECT session_id, created_at, used_at, is_wall FROM sessions WHERE ended_at IS NULL"
            " AND (used_at <= :idle OR created_at <= :longest)"
            " AND (NOT is_wall OR used_at <= :wall_idle OR created_at <= :wall_longest) ORDER BY used_at LIMIT :most"
        ),
        {
            "idle": now - limits.idle,
            "longest": now - limits.longest,
            "wall_idle": now - WALL_LIMITS.idle,
            "wall_longest": now - WALL_LIMITS.longest,
            "most": most,
        },
    )
    found = [
        (row.session_id, ended(SessionTimes(row.created_at, row.used_at), WALL_LIMITS if row.is_wall else limits, now))
        for row in rows
    ]
    return [(session_id, reason) for session_id, reason in found if reason is not None]


async def still_open(connection: AsyncConnection, session_ids: Collection[UUID]) -> set[UUID]:
    """Those of these sessions that nobody has ended."""
    rows = await connection.scalars(
        text("SELECT session_id FROM sessions WHERE session_id = ANY(:ids) AND ended_at IS NULL"),
        {"ids": list(session_ids)},
    )
    return set(rows)


async def delete_ended(connection: AsyncConnection, now: datetime) -> None:
    """Delete the sessions that have ended long ago."""
    await connection.execute(text("DELETE FROM sessions WHERE ended_at < :before"), {"before": now - KEPT})


def _session(row: Any) -> Session | EndReason | None:
    if row is None:
        return None
    if row["ended_at"] is not None:
        reason: EndReason = row["end_reason"]
        return reason
    tokens = Tokens(row["access_token"], row["access_expires_at"], row["refresh_token"], row["identity_token"])
    times = SessionTimes(row["created_at"], row["used_at"])
    return Session(row["session_id"], row["person_id"], row["name"], times, tokens, row["is_wall"])
