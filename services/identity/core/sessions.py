"""How long a login lasts."""

from datetime import datetime, timedelta
from typing import Literal, NamedTuple

EndReason = Literal["logout", "idle", "too-long", "disabled", "left", "password", "replaced", "elsewhere"]
"""Why a session has ended. The login page says it."""


class SessionTimes(NamedTuple):
    """The times of a session that nobody has ended."""

    created_at: datetime
    used_at: datetime


class SessionLimits(NamedTuple):
    """``idle``: a session ends when it is not used for so long; ``longest``: however much it is used."""

    idle: timedelta
    longest: timedelta


def ended(times: SessionTimes, limits: SessionLimits, now: datetime) -> EndReason | None:
    """Why the session has ended by itself, or None."""
    if now - times.used_at >= limits.idle:
        return "idle"
    if now - times.created_at >= limits.longest:
        return "too-long"
    return None
