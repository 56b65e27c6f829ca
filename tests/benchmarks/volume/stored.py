"""The cost of a case with a million cases stored in every service's database, against ten thousand, and the cost of a
case during a roll-out of new rules.

Two platforms run side by side, one on full tables and one on small
ones. They process the same load in turns while the other one rests. Counted are the processor time of all processes of
the platform and its engines, and the pages that PostgreSQL touched.

The platform with full tables processes the load once more while monitor and intake roll out new rules through some
thousand open cases. No deadline of these moves, so the figures are the cost of the roll-out itself.
"""

import asyncio
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from contracts.working_time.notices import Notice, NoticeDay
from deploy.local.platform import Platform
from services.intake.documents import ALMANAC
from services.monitor.core.rules import rule_set
from services.monitor.store.rule_store import RULES, SHIPPED, read
from services.registry import CORE_SERVICES, default_systems
from services.runtime.store import documents, rollouts
from services.runtime.store.database import open_database, transaction
from services.runtime.store.documents import VersionedDocument
from tests.benchmarks import measured_platform, resources
from tests.benchmarks.figures import Figure, figure
from tests.benchmarks.http_load import build_requests, post_all
from tests.support.cases import stored_cases
from tests.support.cases.simulated_case import SimulatedCase, simulate, three_departments_plan
from tests.support.partial_platform import PartialPlatform

SYSTEMS = default_systems()

MANY, FEW = 1_000_000, 10_000
WARM = 300
ROUND = 500
ROUNDS = 6
SETTLE_S = 1.5
TARGET = 1.2
SERVICES = (*CORE_SERVICES, *SYSTEMS)

OPEN = 20_000
"""Open cases of monitor and intake that follow a roll-out: more than follow it during one round."""

ELSEWHERE = "CN-11"
"""A region without cases: its notices move no deadline."""
AT_ONCE = 2
"""Databases filled at once: as many as there are processors."""


@dataclass(slots=True)
class MeasuredSide:
    """One of the two platforms, and what its cases have cost so far."""

    stored: int
    platform: Platform
    closed: measured_platform.ClosedCases
    done: int = 0
    processor_s: float = 0.0
    load_processor_s: float = 0.0
    """Without the second in which marks, offsets and counters are written after the load."""
    pages: int = 0
    seconds: float = 0.0
    visited: int = 0
    """Open cases that followed a roll-out during the load, of monitor and intake."""
    rollout_processor_s: float = 0.0
    rollout_seconds: float = 0.0

    async def run_cases(self, requests: list[bytes], *, counted: bool = True) -> None:
        """Process these applications, and add up the cost."""
        before, pages, began = _processor_s(self.platform), await self._pages(), time.perf_counter()
        await post_all(measured_platform.intake_port(self.platform), requests)
        self.done += len(requests)
        await self.closed.wait(self.done)
        seconds, load_processor_s = time.perf_counter() - began, _processor_s(self.platform) - before
        await asyncio.sleep(SETTLE_S)  # marks, offsets and counters are written within a second
        if counted:
            self.processor_s += _processor_s(self.platform) - before
            self.load_processor_s += load_processor_s
            self.pages += await self._pages() - pages
            self.seconds += seconds

    async def run_cases_during_rollout(self, requests: list[bytes], version: int) -> None:
        """The same while a new version of the rules is rolled out, and wait for the end of the roll-out."""
        await self._put_in_force(version)
        before, began = _processor_s(self.platform), time.perf_counter()
        await post_all(measured_platform.intake_port(self.platform), requests)
        self.done += len(requests)
        await self.closed.wait(self.done)
        self.rollout_seconds += time.perf_counter() - began
        self.rollout_processor_s += _processor_s(self.platform) - before
        visited, done = await self._progress()
        if done:
            print(f"the roll-out ended before the load: {visited} cases", flush=True)
        self.visited += visited
        while not done:
            await asyncio.sleep(SETTLE_S)
            _, done = await self._progress()

    async def _put_in_force(self, version: int) -> None:
        day = NoticeDay(name="台风", date=date(2026, 3, 3) + timedelta(days=version), is_off_day=True)
        rules = rule_set(read(SHIPPED.read_bytes()), [Notice(year=2026, region=ELSEWHERE, days=(day,))])
        put: list[tuple[str, VersionedDocument[Any], BaseModel]] = [
            ("monitor", RULES, rules),
            ("intake", ALMANAC, rules.almanac),
        ]
        for service, document, content in put:
            database = open_database(self.platform.engines.database_url(f"onedoor_{service}"), "benchmark", 1)
            async with transaction(database) as connection:
                await documents.put(connection, document, content, "a day more off")
            await database.dispose()

    async def _progress(self) -> tuple[int, bool]:
        """Open cases that follow the newest versions, and whether all do."""
        visited, done = 0, True
        for service, kind in (("monitor", RULES.kind), ("intake", ALMANAC.kind)):
            database = open_database(self.platform.engines.database_url(f"onedoor_{service}"), "benchmark", 1)
            async with transaction(database) as connection:
                (newest,) = await rollouts.history(connection, kind, 1)
            await database.dispose()
            visited, done = visited + newest.visited, done and newest.done_at is not None
        return visited, done

    async def _pages(self) -> int:
        connection = await self.platform.engines.postgres.connect()
        try:
            return int(
                await connection.fetchval(
                    "SELECT sum(blks_hit + blks_read)::bigint FROM pg_stat_database WHERE datname LIKE 'onedoor_%'"
                )
            )
        finally:
            await connection.close()


def _processor_s(platform: Platform) -> float:
    pids: dict[str, int] = {one.name: one.process.pid for one in platform.engines.all if one.process}
    pids |= {name: process.pid for name, process in platform.processes.items() if process.pid}
    return sum(resources.processor_seconds(pids).values())


async def prepare(path: Path, life: SimulatedCase, open_life: SimulatedCase, count: int) -> None:
    """Make the databases of a platform in this folder, with so many closed cases in each, and some open ones."""
    async with PartialPlatform(path, measured_platform.options(), throwaway=False) as partial:
        free = asyncio.Semaphore(AT_ONCE)

        async def fill(service: str) -> None:
            await partial.database(service)
            async with free:
                connection = await partial.connect(service)
                try:
                    # Stored cases are not written again: they lie closely, as after a reorganisation.
                    await connection.execute("ALTER TABLE cases SET (fillfactor = 100)")
                    await stored_cases.insert_cases(connection, life.last(service), count)
                    await connection.execute("ALTER TABLE cases SET (fillfactor = 50)")
                    if service in ("monitor", "intake"):
                        await stored_cases.insert_cases(connection, open_life.last(service), OPEN, first=count)
                    await stored_cases.insert_outbox(connection, life.published_by(service), count)
                    if service in ("monitor", "intake"):  # the journal has had these messages for long
                        await connection.execute("UPDATE journal_reached SET created_at = clock_timestamp()")
                    await stored_cases.vacuum_and_checkpoint(connection)
                finally:
                    await connection.close()

        async with asyncio.TaskGroup() as group:
            for service in SERVICES:
                group.create_task(fill(service))


async def measure(many: int = MANY, few: int = FEW) -> list[Figure]:
    """Processor time and pages a case on either side, and how many times more the full one costs."""
    life = simulate(three_departments_plan(), answered=True)
    # Accepted now, so that nothing falls due during the measurement.
    open_life = simulate(three_departments_plan(), answered=False, accepted_at=datetime.now(UTC))
    async with AsyncExitStack() as stack:
        sides = []
        for stored in (few, many):
            path = stack.enter_context(measured_platform.folder(f"stored-{stored}"))
            began = time.monotonic()
            await prepare(path, life, open_life, stored)
            print(f"{stored} cases stored in each database in {time.monotonic() - began:.0f} s", flush=True)
            platform = await stack.enter_async_context(Platform(path, measured_platform.options(), print))
            closed = await stack.enter_async_context(measured_platform.ClosedCases(platform.engines.postgres))
            sides.append(MeasuredSide(stored, platform, closed))
        made = build_requests(WARM + 2 * ROUND * ROUNDS)
        for side in sides:
            await side.run_cases(made[:WARM], counted=False)
        for number in range(ROUNDS):
            some = made[WARM + ROUND * number : WARM + ROUND * (number + 1)]
            for side in sides if number % 2 else reversed(sides):
                await side.run_cases(some)
            first = WARM + ROUND * (ROUNDS + number)
            await sides[1].run_cases_during_rollout(made[first : first + ROUND], number + 1)
    return _figures(sides[0], sides[1])


def _figures(few: MeasuredSide, many: MeasuredSide) -> list[Figure]:
    cases = ROUND * ROUNDS
    figures = []
    costs: Mapping[str, tuple[float, float, str]] = {
        "processor time of a case": (1000 * few.processor_s / cases, 1000 * many.processor_s / cases, "ms"),
        "pages touched for a case": (few.pages / cases, many.pages / cases, "pages"),
    }
    for name, (small, large, unit) in costs.items():
        figures += [
            figure(f"{name}, {few.stored} stored", small, unit),
            figure(f"{name}, {many.stored} stored", large, unit),
            figure(
                f"{name}, {many.stored} against {few.stored} stored",
                large / small,
                "times",
                TARGET if unit == "ms" else None,
                f"{few.stored} stored",
                at_most=True,
            ),
        ]
    plain, during = 1000 * many.load_processor_s / cases, 1000 * many.rollout_processor_s / cases
    figures += [
        figure(f"processor time of a case without a roll-out, {many.stored} stored", plain, "ms"),
        figure(f"processor time of a case during a roll-out, {many.stored} stored", during, "ms"),
        figure(
            "processor time of a case during a roll-out against none",
            during / plain,
            "times",
            TARGET,
            "no roll-out",
            at_most=True,
        ),
        figure("open cases that followed during the load", many.visited / many.rollout_seconds, "cases/s"),
        figure("cases a second during a roll-out", cases / many.rollout_seconds, "cases/s"),
    ]
    figures += [
        figure(f"cases a second, {side.stored} stored", cases / side.seconds, "cases/s") for side in (few, many)
    ]
    return figures
