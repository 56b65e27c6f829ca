"""Whole cases a second on the real engines, beside the floor program, in one run."""

import asyncio
import os
import time
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from contracts.registry import REGISTRY, topics_for
from deploy.local.platform import Platform
from services.registry import default_systems
from services.runtime.settings import Settings
from services.runtime.store import tables
from tests.benchmarks import http_load, measured_platform, resources
from tests.benchmarks.figures import Figure, figure
from tests.benchmarks.load import floor_program
from tests.support.runtime.topics import ensure_topics

SYSTEMS = default_systems()

TARGET = 500.0
"""Whole cases a second, on two cores, engines included."""


async def measure(count: int, folder: Path) -> list[Figure]:
    """Run the platform, then the floor program, on the same engines."""
    async with Platform(folder, measured_platform.options(), print) as platform:
        port = measured_platform.intake_port(platform)
        made = http_load.build_requests(count + 500)
        await _through(platform, port, made[:500], 500)  # warm
        before = _processor_seconds(platform)
        began = time.perf_counter()
        posting = asyncio.create_task(http_load.post_all(port, made[500:]))
        await _closed(platform, count + 500)
        seconds = time.perf_counter() - began
        accepted = count / await posting
        platform_rate = count / seconds
        print(f"platform: {platform_rate:.0f} cases/s ({accepted:.0f}/s accepted)")
        spent = {name: after - before[name] for name, after in _processor_seconds(platform).items()}
        await platform.supervisor.stop()
        floor_rate = await _floor(platform, count)
        print(f"floor:    {floor_rate:.0f} cases/s")
    return [
        figure("whole cases", platform_rate, "cases/s", TARGET),
        figure("cases accepted by HTTP under that load", accepted, "cases/s"),
        figure("floor program", floor_rate, "cases/s"),
        figure("share of the floor", platform_rate / floor_rate, "1", 0.6, "floor program"),
        *(figure(f"processor time of {name}", 1000 * s / count, "ms a case") for name, s in spent.items()),
    ]


def _processor_seconds(platform: Platform) -> dict[str, float]:
    """Processor time used so far: the load itself, both engines, and each process of the platform."""
    roots = {"the load": os.getpid()}
    roots |= {engine.name: engine.process.pid for engine in platform.engines.all if engine.process}
    roots |= {name: process.pid for name, process in platform.processes.items() if process.pid}
    return resources.processor_seconds(roots)


async def _through(platform: Platform, port: int, made: list[bytes], total: int) -> None:
    await http_load.post_all(port, made)
    await _closed(platform, total)


async def _closed(platform: Platform, count: int) -> None:
    """Wait until so many cases are closed at intake, with its answer from monitor, and at monitor."""
    engines = [create_async_engine(platform.engines.database_url(f"onedoor_{name}")) for name in ("intake", "monitor")]
    closed = text("SELECT count(*) FROM cases WHERE closed_at IS NOT NULL")
    try:
        for engine in engines:
            while True:
                async with engine.connect() as connection:
                    if await connection.scalar(closed) == count:
                        break
                await asyncio.sleep(0.1)
    finally:
        for engine in engines:
            await engine.dispose()


TABLES = Path("services/routing/migrations").absolute()
"""Any service's history makes the tables that all have."""


async def _floor(platform: Platform, count: int) -> float:
    prefix = "floor-"
    for name in floor_program.STATES:
        await platform.engines.postgres.create_database(f"floor_{name}")
        url = platform.engines.database_url(f"floor_{name}")
        await asyncio.to_thread(tables.migrate, name, TABLES, url)
    settings = Settings(
        service="floor",
        systems=SYSTEMS,
        kafka=platform.engines.kafka,
        topic_prefix=prefix,
        database=platform.engines.database_url("floor_intake"),
        secret_key="k" * 32,
        documents_key="k" * 32,
        partitions=4,
    )
    await ensure_topics(settings, topics_for(REGISTRY, SYSTEMS))

    def address(name: str) -> str:
        return platform.engines.database_url(name).replace("+asyncpg", "")

    return await floor_program.measure(platform.engines.kafka, address, prefix, count)
