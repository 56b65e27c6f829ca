"""A change of the calendar while a million commitments are open: the seconds until every deadline has moved.

The tables are filled with open cases of one commitment each; then a notice closes the offices of their region for a
day, which moves each of them. Two monitors.
"""

import asyncio
import time
from datetime import date, timedelta

from contracts.messages.commitments import CommitmentsMoved
from contracts.working_time.notices import Notice, NoticeDay
from deploy.local.wiring import Options
from services.monitor.core.rules import RuleSet, rule_set
from services.monitor.core.state import MonitoredCase
from services.monitor.store.rule_store import RULES, SHIPPED, read
from services.runtime.clock import FileClock
from services.runtime.store import documents, rollouts
from services.runtime.store.database import open_database, transaction
from tests.benchmarks import measured_platform
from tests.benchmarks.figures import Figure, figure
from tests.support.cases import stored_cases
from tests.support.cases.simulated_case import one_commitment_plan, simulate
from tests.support.partial_platform import PartialPlatform

COMMITMENTS = 1_000_000
MONITORS = 2
TARGET_S = 120.0
LONGEST_S = 900.0
POLL_S = 0.5
CLOSED_ON = date(2026, 3, 3)
"""The day after the cases were accepted."""


async def measure(count: int = COMMITMENTS) -> list[Figure]:
    """Seconds until every open deadline follows the new calendar, and the commitments not reported exactly once."""
    stored_case = simulate(one_commitment_plan(), answered=False).last("monitor")
    region = MonitoredCase.model_validate_json(stored_case.state).region
    assert region is not None
    typhoon = NoticeDay(name="台风", date=CLOSED_ON, is_off_day=True)
    notice = Notice(year=CLOSED_ON.year, region=f"CN-{region[:2]}", days=(typhoon,))
    rules = rule_set(read(SHIPPED.read_bytes()), [notice])
    warning, _ = stored_cases.first_rungs(stored_case)
    with measured_platform.folder("revision") as path:
        FileClock.create(path / "clock", warning - timedelta(hours=12), speed=0)
        options = Options(clock=str(path / "clock"), replicas={"monitor": MONITORS}, sandboxes=False)
        async with PartialPlatform(path, options) as platform:
            await platform.database("monitor")
            connection = await platform.connect("monitor")
            await stored_cases.insert_cases(
                connection, stored_case, count, timer_at=f"'{warning.isoformat()}'::timestamptz"
            )
            await stored_cases.vacuum_and_checkpoint(connection)
            await platform.serve("monitor")
            seconds, moved = await _wait_for_all_moved(platform.engines.database_url("onedoor_monitor"), rules)
            query = "SELECT count(DISTINCT case_id), count(*) FROM outbox WHERE event LIKE '%\"' || $1 || '\"%'"
            cases, reported = await connection.fetchrow(query, CommitmentsMoved.type, timeout=300)
            await connection.close()
    print(f"{count} in {seconds:.1f} s, {count / seconds:.0f}/s", flush=True)
    wrong = abs(count - moved) + abs(count - cases) + abs(reported - cases)
    return [
        figure(f"{count} open deadlines follow another calendar, two monitors", seconds, "s", TARGET_S, at_most=True),
        figure("of these not moved, or not reported exactly once", wrong, "commitments", 0, at_most=True),
    ]


async def _wait_for_all_moved(address: str, rules: RuleSet) -> tuple[float, int]:
    """Put these rules in force and wait for the end of the roll-out: its seconds, and the number of changed cases."""
    database = open_database(address, "benchmark", 2)
    try:
        async with transaction(database) as connection:
            number = await documents.put(connection, RULES, rules, "one more day off")
        began = shown = time.monotonic()
        while time.monotonic() - began < LONGEST_S:
            await asyncio.sleep(POLL_S)
            async with database.connect() as connection:
                (latest,) = await rollouts.history(connection, RULES.kind, 1)
            assert latest.number == number
            if latest.done_at is not None:
                return time.monotonic() - began, latest.changed
            if time.monotonic() - shown > 15:
                shown = time.monotonic()
                print(f"{shown - began:6.1f} s  {latest.changed:,}", flush=True)
        raise TimeoutError(f"not all follow after {LONGEST_S:.0f} s")
    finally:
        await database.dispose()
