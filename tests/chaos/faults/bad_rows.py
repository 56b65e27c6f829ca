"""Rows that a department's table refuses. The cases of all other rows must go on as usual."""

import asyncio
from collections.abc import Iterator

import asyncpg

from services.registry import default_systems
from tests.chaos.faults.fault import Fault, FaultPeriod
from tests.chaos.testbed import Testbed

MIN_SHARE = 0.8
"""The share of its usual throughput that every service must keep."""

CALL_S = 3.0
"""Seconds after which a call that was under way has ended, and what it met is parked."""

# One case in sixteen: a case number begins with any of 32 characters.
_NARROW = "ALTER TABLE up_pro_accept ADD CONSTRAINT narrowed CHECK (project_no !~ '^[01]') NOT VALID"
_RESTORE = "ALTER TABLE up_pro_accept DROP CONSTRAINT narrowed"

# A letter does not name the column if the constraint was gone when the database was asked for it.
_SETTLE = """
    WITH dropped AS (
        UPDATE dead_letters SET status = 'dropped', settled_at = clock_timestamp()
        WHERE status = 'parked' AND reason LIKE '%up_pro_accept%constraint narrowed%'
        RETURNING case_id, reason
    )
    SELECT count(DISTINCT case_id) FROM dropped WHERE reason LIKE '%column project_no%'
"""


class BadRows(Fault):
    """A column of commerce's table takes fewer values than before. Each refused row is parked; the others go on."""

    kind = "bad row"

    def __init__(self, hold_s: float) -> None:
        self.name = f"commerce's table refuses some rows for {hold_s:g} s"
        self.hold_s = hold_s
        self._parked = 0

    async def inject(self, testbed: Testbed) -> None:
        await _execute(testbed.url("sandbox_commerce"), _NARROW)

    async def heal(self, testbed: Testbed) -> None:
        """Restore the column, and drop the letters as an operator does: the rows are written again by themselves."""
        await _execute(testbed.url("sandbox_commerce"), _RESTORE)
        await asyncio.sleep(CALL_S)
        self._parked = await _execute(testbed.url("onedoor_commerce"), _SETTLE)

    def violations(self, period: FaultPeriod) -> Iterator[str]:
        if not self._parked:
            yield "no refused row was parked with its table, column and constraint"
        for name in ("accepted", *default_systems()):
            if (share := period.share(name)) < MIN_SHARE:
                yield f"{name}: {share:.0%} of the usual rate while commerce's table refused some rows"


async def _execute(url: str, statement: str) -> int:
    """The first value that a statement gives, as a number."""
    connection = await asyncpg.connect(url, timeout=5)
    try:
        return int(await connection.fetchval(statement) or 0)
    finally:
        await connection.close()
