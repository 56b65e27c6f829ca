"""Reads monitor's cases: how many there are, and the states of some."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.monitor.core.state import MonitoredCase

_COUNTS = text("""
    SELECT count(*) FILTER (WHERE closed_at IS NULL) AS cases_open,
        count(*) FILTER (WHERE closed_at IS NOT NULL) AS cases_closed,
        count(*) FILTER (WHERE timer_at <= :now) AS due_now
    FROM cases
""")

_STATES = text("SELECT case_id, state FROM cases WHERE case_id = ANY(:cases)")


async def counts(connection: AsyncConnection, now: datetime) -> Row[Any]:
    """How many cases are open, closed, and have a timer that is due."""
    return (await connection.execute(_COUNTS, {"now": now})).one()


async def states(connection: AsyncConnection, case_ids: Sequence[str]) -> dict[str, MonitoredCase]:
    """The states of these cases, as far as they are stored."""
    rows = await connection.execute(_STATES, {"cases": list(case_ids)})
    return {row.case_id: MonitoredCase.model_validate_json(row.state) for row in rows}
