"""All SQL of the replay: it reads monitor's database."""

import asyncio
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.intake.documents import ALMANAC
from services.monitor.core.rules import RuleSet
from services.monitor.store.rule_store import RULES
from services.runtime.store import documents

_POLL_S = 0.1
"""Machine seconds between two looks whether intake follows."""

_COUNTS = text("""
    SELECT count(*) FILTER (WHERE state LIKE '%"matter":%') AS opened,
        count(*) FILTER (WHERE closed_at IS NOT NULL) AS closed FROM cases
""")
_PENDING = text("""
    SELECT count(*) FILTER (WHERE timer_at <= :now) + count(*) FILTER (WHERE state LIKE '%"request_count":%') FROM cases
""")


async def case_counts(monitor: AsyncEngine) -> tuple[int, int]:
    """How many cases monitor has opened, and how many of them it has closed."""
    async with monitor.connect() as connection:
        opened, closed = (await connection.execute(_COUNTS)).one()
    return opened, closed


async def pending_deadlines(monitor: AsyncEngine, now: datetime) -> int:
    """How many cases have a deadline that monitor has not processed, or a request about one under way."""
    async with monitor.connect() as connection:
        pending: int = (await connection.execute(_PENDING, {"now": now})).scalar_one()
    return pending


async def put_rules_in_force(monitor: AsyncEngine, intake: AsyncEngine, rules: RuleSet) -> None:
    """Put these rules in force, and wait until intake follows. Call it before the first case: then no deadline is
    recomputed."""
    async with monitor.begin() as connection:
        await documents.put(connection, RULES, rules, f"rules {rules.rules.version}")
    almanac = documents.written(rules.almanac)
    while True:
        async with intake.connect() as connection:
            found = await documents.in_force(connection, ALMANAC.kind)
        if found is not None and found.body == almanac:
            return
        await asyncio.sleep(_POLL_S)
