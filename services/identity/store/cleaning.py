"""Deletes what has ended."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, text

KEPT = timedelta(days=30)
"""Ended sessions, grants and requests are kept so long: the reason of an end is shown, and a reuse is recognised."""

_STATEMENTS = (
    "DELETE FROM challenges WHERE expires_at < :now",
    "DELETE FROM device_requests WHERE expires_at < :day",
    "DELETE FROM enrolments WHERE expires_at < :before",
    "DELETE FROM attempts WHERE latest_at < :day",
    "DELETE FROM browsers WHERE used_at < :year",
    "DELETE FROM sessions WHERE created_at < :before",
    "DELETE FROM grants WHERE revoked_at < :before",
    """
    DELETE FROM grants WHERE created_at < :before AND NOT EXISTS (
        SELECT 1 FROM refresh_tokens WHERE refresh_tokens.grant_id = grants.grant_id AND expires_at > :now)
    """,
)


def delete_ended(connection: Connection, now: datetime) -> int:
    """Delete what ended long ago. Returns the number of rows."""
    times = {"now": now, "day": now - timedelta(days=1), "before": now - KEPT, "year": now - timedelta(days=365)}
    count = 0
    for statement in _STATEMENTS:
        needed = {name: value for name, value in times.items() if f":{name}" in statement}
        count += connection.execute(text(statement), needed).rowcount
    return count
