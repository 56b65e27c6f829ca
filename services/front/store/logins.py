"""Logins that have begun, until the browser comes back from the issuer."""

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.front.store.secrets import hashed

VALID = timedelta(minutes=10)
"""How long a person may take to log in."""


class Login(NamedTuple):
    """A login that has begun. ``way_back`` is the path to which it leads; ``fresh`` says that the person must have
    proved anew who he is."""

    nonce: str
    verifier: str
    way_back: str
    fresh: bool
    begun_at: datetime


async def begin(connection: AsyncConnection, state: str, browser: str, login: Login) -> None:
    """Keep a login of a browser."""
    await connection.execute(
        text(
            "INSERT INTO logins (state_hash, browser_hash, nonce, verifier, way_back, fresh, begun_at)"
            " VALUES (:state, :browser, :nonce, :verifier, :way_back, :fresh, :begun_at)"
        ),
        {"state": hashed(state), "browser": hashed(browser), **login._asdict()},
    )


async def take(connection: AsyncConnection, state: str, browser: str, now: datetime) -> Login | None:
    """The login of this state and browser, which cannot be taken again. None for one that is unknown or too old."""
    row = (
        await connection.execute(
            text(
                "DELETE FROM logins WHERE state_hash = :state AND browser_hash = :browser AND begun_at > :oldest"
                " RETURNING nonce, verifier, way_back, fresh, begun_at"
            ),
            {"state": hashed(state), "browser": hashed(browser), "oldest": now - VALID},
        )
    ).one_or_none()
    return None if row is None else Login(*row)


async def delete_old(connection: AsyncConnection, now: datetime) -> None:
    """Delete the logins that were not finished in time."""
    await connection.execute(text("DELETE FROM logins WHERE begun_at <= :oldest"), {"oldest": now - VALID})
