"""How long a session of pages lasts, and when its access token is renewed."""

from datetime import datetime, timedelta
from typing import Literal, NamedTuple

EndReason = Literal["logout", "idle", "too-long", "refused", "replaced", "revoked"]
"""Why a session has ended. ``refused``: the issuer renews the login no more. ``revoked``: that of a wall display."""

SHOWN = frozenset({"idle", "too-long", "refused"})
"""The reasons that a person does not know, so that the next login says them."""

USED_EVERY = timedelta(seconds=30)
"""The use of a session is recorded once in this time at most. No session ends earlier for it."""

RENEWED_BEFORE = timedelta(seconds=60)
"""An access token is renewed when it gives access for less than this."""

NEEDED_FOR = timedelta(seconds=10)
"""A token that gives access for longer than this serves a request while another request renews it."""


class SessionTimes(NamedTuple):
    """The times of a session that nobody has ended."""

    created_at: datetime
    used_at: datetime


class SessionLimits(NamedTuple):
    """``idle``: a session ends when it is not used for so long; ``longest``: however much it is used."""

    idle: timedelta
    longest: timedelta


WALL_LIMITS = SessionLimits(timedelta(days=31), timedelta(days=400))
"""The limits of wall displays: a screen may be off over the longest holidays."""


def ended(times: SessionTimes, limits: SessionLimits, now: datetime) -> EndReason | None:
    """Why the session has ended by itself, or None."""
    if now - times.created_at >= limits.longest:
        return "too-long"
    if now - times.used_at >= limits.idle + USED_EVERY:
        return "idle"
    return None


def is_use_recorded(times: SessionTimes, now: datetime) -> bool:
    """Whether the use of a session need not be recorded now."""
    return now - times.used_at < USED_EVERY


def ends_at(times: SessionTimes, limits: SessionLimits) -> datetime:
    """When the session ends in any case."""
    return times.created_at + limits.longest


def idle_at(times: SessionTimes, limits: SessionLimits) -> datetime:
    """When the session ends unless it is used."""
    return min(times.used_at + limits.idle, ends_at(times, limits))
