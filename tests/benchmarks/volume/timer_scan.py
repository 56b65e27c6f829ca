"""The cost of one scan for due timers, with ten million open cases at monitor against ten thousand.

Both tables stand on one server and are scanned in turn: with nothing due, and with a hundred cases due, which receive
their timers, raise a warning and are saved.
"""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import median

from contracts.values import Value
from services.load import load
from services.runtime import telemetry
from services.runtime.batch.processor import BatchProcessor
from services.runtime.clock import FileClock
from services.runtime.jobs.timers import Timers
from services.runtime.store.database import open_database
from services.runtime.store.outbox import OutboxMessage
from tests.benchmarks import measured_platform
from tests.benchmarks.figures import Figure, figure
from tests.support.cases import stored_cases
from tests.support.cases.simulated_case import StoredCase, one_commitment_plan, simulate
from tests.support.partial_platform import PartialPlatform

MANY, FEW = 10_000_000, 10_000
SCANS = 300
DUE, ROUNDS = 100, 40
LIMIT = 500
TARGET = 1.2


class MonitorTimers:
    """The timers of monitor on one of the tables, without Kafka: messages count as published."""

    def __init__(self, url: str, clock: FileClock) -> None:
        self._database = open_database(url, "benchmark", 2)
        self._batches: BatchProcessor[Value] = BatchProcessor(load("monitor"), self._database, clock, _published)
        self._timers = Timers(self._batches, LIMIT)

    async def scan(self) -> float:
        """One scan; machine milliseconds."""
        began = time.perf_counter()
        await self._timers.run_once()
        return 1000 * (time.perf_counter() - began)

    async def close(self) -> None:
        await self._batches.drain()
        await self._database.dispose()


async def _published(messages: Sequence[OutboxMessage]) -> Sequence[OutboxMessage]:
    return messages


async def measure(many: int = MANY, few: int = FEW) -> list[Figure]:
    """Milliseconds a scan of either table, and their ratio."""
    telemetry.configure("monitor", "benchmark", "ERROR")  # otherwise each alert is a line in the log
    stored_case = simulate(one_commitment_plan(), answered=False).last("monitor")
    warning, yellow = stored_cases.first_rungs(stored_case)
    with measured_platform.folder("tick") as path:
        clock = FileClock.create(path / "clock", warning - timedelta(hours=1), speed=0)
        async with PartialPlatform(path) as platform:
            await platform.database("monitor")
            await platform.engines.postgres.create_database("onedoor_few", template="onedoor_monitor")
            began = time.monotonic()
            for service, count in (("few", few), ("monitor", many)):
                await _fill(platform, service, stored_case, count, warning, yellow)
            print(f"{many + few} open cases made in {time.monotonic() - began:.0f} s", flush=True)
            monitors = {
                count: MonitorTimers(platform.engines.database_url(f"onedoor_{service}"), clock)
                for service, count in (("few", few), ("monitor", many))
            }
            idle = await _alternate(monitors, SCANS)
            busy: dict[int, list[float]] = {few: [], many: []}
            for number in range(ROUNDS):
                clock.set(warning + timedelta(minutes=number, seconds=1), speed=0)
                for count, took in (await _alternate(monitors, 1)).items():
                    busy[count] += took
            for service, count in (("few", few), ("monitor", many)):
                await monitors[count].close()
                await _all_warned(platform, service)
    figures = []
    for name, durations in (("with nothing due", idle), (f"with {DUE} due", busy)):
        small, large = median(durations[few]), median(durations[many])
        figures += [
            figure(f"a look {name}, {few} open", small, "ms"),
            figure(f"a look {name}, {many} open", large, "ms"),
            figure(f"the same, {many} against {few}", large / small, "times", TARGET, f"{few} open", at_most=True),
        ]
        figures[-1]["name"] = f"a look {name}, {many} open against {few}"
    return figures


async def _alternate(monitors: dict[int, MonitorTimers], times: int) -> dict[int, list[float]]:
    took: dict[int, list[float]] = {count: [] for count in monitors}
    for number in range(times):
        order = list(monitors.items())
        for count, monitor in order if number % 2 else reversed(order):
            took[count].append(await monitor.scan())
    return took


async def _fill(
    platform: PartialPlatform,
    service: str,
    stored_case: StoredCase,
    count: int,
    warning: datetime,
    yellow: datetime,
) -> None:
    """Open cases: a hundred to be warned of in each of the first minutes, the others warned of long before yellow."""
    soon = f"'{warning.isoformat()}'::timestamptz + (n / {DUE}) * interval '1 minute'"
    late = f"'{yellow.isoformat()}'::timestamptz + (n % 86400) * interval '1 second'"
    connection = await platform.connect(service)
    try:
        # Written closely: nearly all of them are only there, and ten million as they grow would fill the disk.
        await connection.execute("ALTER TABLE cases SET (fillfactor = 100)")
        timer_at = f"CASE WHEN n < {DUE * ROUNDS} THEN {soon} ELSE {late} END"
        await stored_cases.insert_cases(connection, stored_case, count, timer_at=timer_at)
        await connection.execute("ALTER TABLE cases SET (fillfactor = 50)")
        await stored_cases.vacuum_and_checkpoint(connection)
    finally:
        await connection.close()


async def _all_warned(platform: PartialPlatform, service: str) -> None:
    connection = await platform.connect(service)
    try:
        warned = await connection.fetchval("SELECT count(*) FROM alerts")
    finally:
        await connection.close()
    if warned != DUE * ROUNDS:
        raise RuntimeError(f"{warned} of {DUE * ROUNDS} cases have a warning: the scans did not do their work")
