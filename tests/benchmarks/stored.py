"""What a case costs with a million cases stored in every service's database, against ten thousand.

``python -m tests.benchmarks.stored [MANY] [FEW]``. Two platforms run side by side, one on full tables and one on small
ones, and carry the same load in turns while the other one rests. Counted are the processor time of all processes of
the platform and its engines, and the pages that PostgreSQL touched.
"""

import asyncio
import sys
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from deploy.local.platform import Platform
from services.registry import CORE_SERVICES, default_systems
from tests.benchmarks import measured_platform, resources
from tests.benchmarks.figures import Figure, figure, save_and_print
from tests.benchmarks.http_load import build_requests, post_all
from tests.support import stored_cases
from tests.support.partial_platform import PartialPlatform
from tests.support.simulated_case import SimulatedCase, simulate, three_departments_plan

SYSTEMS = default_systems()

MANY, FEW = 1_000_000, 10_000
WARM = 300
ROUND = 500
ROUNDS = 6
SETTLE_S = 1.5
TARGET = 1.2
SERVICES = (*CORE_SERVICES, *SYSTEMS)
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
    pages: int = 0
    seconds: float = 0.0

    async def run_cases(self, requests: list[bytes], *, counted: bool = True) -> None:
        """Carry these through, and add up what it took."""
        before, pages, began = _processor_s(self.platform), await self._pages(), time.perf_counter()
        await post_all(measured_platform.intake_port(self.platform), requests)
        self.done += len(requests)
        await self.closed.wait(self.done)
        seconds = time.perf_counter() - began
        await asyncio.sleep(SETTLE_S)  # marks, offsets and counters are written within a second
        if counted:
            self.processor_s += _processor_s(self.platform) - before
            self.pages += await self._pages() - pages
            self.seconds += seconds

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


async def prepare(place: Path, life: SimulatedCase, count: int) -> None:
    """Make the databases of a platform in this folder, with so many closed cases in each."""
    async with PartialPlatform(place, measured_platform.options(), throwaway=False) as ground:
        free = asyncio.Semaphore(AT_ONCE)

        async def fill(service: str) -> None:
            await ground.database(service)
            async with free:
                connection = await ground.connect(service)
                try:
                    # Stored cases are not written again: they lie closely, as after a reorganisation.
                    await connection.execute("ALTER TABLE cases SET (fillfactor = 100)")
                    await stored_cases.insert_cases(connection, life.last(service), count)
                    await connection.execute("ALTER TABLE cases SET (fillfactor = 50)")
                    await stored_cases.insert_outbox(connection, life.published.get(service, ()), count)
                    await stored_cases.vacuum_and_checkpoint(connection)
                finally:
                    await connection.close()

        async with asyncio.TaskGroup() as group:
            for service in SERVICES:
                group.create_task(fill(service))


async def measure(many: int = MANY, few: int = FEW) -> list[Figure]:
    """Processor time and pages a case on either side, and how many times more the full one costs."""
    life = simulate(three_departments_plan(), answered=True)
    async with AsyncExitStack() as stack:
        sides = []
        for stored in (few, many):
            place = stack.enter_context(measured_platform.folder(f"stored-{stored}"))
            began = time.monotonic()
            await prepare(place, life, stored)
            print(f"{stored} cases stored in each database in {time.monotonic() - began:.0f} s", flush=True)
            platform = await stack.enter_async_context(Platform(place, measured_platform.options(), print))
            closed = await stack.enter_async_context(measured_platform.ClosedCases(platform.engines.postgres))
            sides.append(MeasuredSide(stored, platform, closed))
        made = build_requests(WARM + ROUND * ROUNDS)
        for side in sides:
            await side.run_cases(made[:WARM], counted=False)
        for number in range(ROUNDS):
            some = made[WARM + ROUND * number : WARM + ROUND * (number + 1)]
            for side in sides if number % 2 else reversed(sides):
                await side.run_cases(some)
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
    figures += [
        figure(f"cases a second, {side.stored} stored", cases / side.seconds, "cases/s") for side in (few, many)
    ]
    return figures


def main() -> None:
    """Measure and print; the figures go to ``build/bench.json``."""
    figures = asyncio.run(measure(*(int(one) for one in sys.argv[1:])))
    save_and_print(figures)


if __name__ == "__main__":
    main()
