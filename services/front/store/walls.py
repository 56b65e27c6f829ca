"""Wall displays: screens that show numbers without anybody's login. Each has a session of its own kind.

A display is opened once, by a code that a person types at it. The table is the record of who has added and revoked it.
"""

from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.front.store import sessions
from services.front.store.secrets import hashed

CODE_VALID = timedelta(minutes=15)
"""How long a code can be typed."""


class Wall(NamedTuple):
    """A display. ``used_at``: when its session was last used; None without an open session."""

    name: str
    program: str
    added_by: str | None
    added_at: datetime
    opened_at: datetime | None
    revoked_by: str | None
    revoked_at: datetime | None
    used_at: datetime | None


async def add(connection: AsyncConnection, name: str, program: str, code: str, by: str | None, now: datetime) -> None:
    """Add a display, or give one a new code. A display that is open stays so until the new code is typed."""
    await connection.execute(
        text(
            "INSERT INTO walls (name, program, code_hash, code_until, added_by, added_at)"
            " VALUES (:name, :program, :code, :until, :by, :now) ON CONFLICT (name) DO UPDATE SET"
            " program = :program, code_hash = :code, code_until = :until, added_by = :by, added_at = :now,"
            " revoked_by = NULL, revoked_at = NULL"
        ),
        {
            "name": name,
            "program": program,
            "code": hashed(code),
            "until": now + CODE_VALID,
            "by": by,
            "now": now,
        },
    )


class Opened(NamedTuple):
    """A display whose code was typed, and the session that it had."""

    name: str
    program: str
    session_id: UUID | None


async def take(connection: AsyncConnection, code: str, session_id: UUID, now: datetime) -> Opened | None:
    """The display of this code, which cannot be typed again, with its new session. None for a code that is wrong or
    too old."""
    row = (
        await connection.execute(
            text(
                "WITH one AS (SELECT * FROM walls WHERE code_hash = :code AND code_until > :now FOR UPDATE)"
                " UPDATE walls SET code_hash = NULL, code_until = NULL, opened_at = :now, session_id = :session"
                " FROM one WHERE walls.name = one.name RETURNING one.name, one.program, one.session_id"
            ),
            {"code": hashed(code), "now": now, "session": session_id},
        )
    ).one_or_none()
    return None if row is None else Opened(*row)


async def revoke(connection: AsyncConnection, name: str, by: str | None, now: datetime) -> bool:
    """Revoke a display and end its session. Returns False if no display of this name is in use."""
    row = (
        await connection.execute(
            text(
                "UPDATE walls SET code_hash = NULL, code_until = NULL, revoked_by = :by, revoked_at = :now"
                " WHERE name = :name AND revoked_at IS NULL RETURNING session_id"
            ),
            {"name": name, "by": by, "now": now},
        )
    ).one_or_none()
    if row is not None and row.session_id is not None:
        await sessions.end(connection, row.session_id, "revoked", now)
    return row is not None


async def listed(connection: AsyncConnection) -> list[Wall]:
    """All displays, by name."""
    rows = await connection.execute(
        text(
            "SELECT walls.name, program, added_by, added_at, opened_at, revoked_by, revoked_at, used_at FROM walls"
            " LEFT JOIN sessions ON sessions.session_id = walls.session_id AND ended_at IS NULL ORDER BY walls.name"
        )
    )
    return [Wall(*row) for row in rows]
