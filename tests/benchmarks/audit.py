"""How long ``onedoor audit`` takes over a million cases, and how much memory: ``python -m tests.benchmarks.audit``."""

import asyncio
import json
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil

from deploy.local.postgres import Postgres
from services.departments.sandbox.ledger import Ledger
from services.load import load
from services.registry import default_systems
from services.runtime.store import tables
from services.runtime.store.database import open_database
from tests.benchmarks.figures import Figure, figure
from tests.support.decided_cases import ServiceRows, insert_cases, insert_ledger_entries, one_case

SYSTEMS = default_systems()

CASES = 1_000_000
TARGET_S = 60.0
"""For a million cases on two cores."""

POLL_S = 0.1


async def measure(cases: int, folder: Path) -> list[Figure]:
    """Make so many cases in an installation of their own, and audit it in a process of its own."""
    postgres = Postgres(folder / "postgres", notify=print)
    await postgres.start()
    try:
        began = time.perf_counter()
        await _make_cases(postgres, cases)
        made = time.perf_counter() - began
        before = _processor_seconds(postgres)
        seconds, peak, report = await _run_audit(folder)
        spent = _processor_seconds(postgres) - before
    finally:
        await postgres.stop()
    assert not report["broken"], report
    examined = report["invariants"]["decided"]["examined"]
    assert examined == cases, examined
    return [
        figure("audited cases", cases, "cases"),
        figure("seconds to make them", made, "s"),
        figure("audit", seconds, "s", TARGET_S * max(1.0, cases / CASES), at_most=True),
        figure("processor time of the audit, database included", spent, "s"),
        figure("peak memory of the audit", peak / 1e6, "MB"),
    ]


def _processor_seconds(postgres: Postgres) -> float:
    """Processor time of the database's sessions that have ended, and of our other children that have."""
    assert postgres.process is not None
    database, here = psutil.Process(postgres.process.pid).cpu_times(), psutil.Process().cpu_times()
    return sum(times.children_user + times.children_system for times in (database, here))


async def _make_cases(postgres: Postgres, cases: int) -> None:
    services = one_case((datetime.now(UTC) - timedelta(days=2)).replace(microsecond=123456))
    for service in services.values():
        await postgres.create_database(f"onedoor_{service.name}")
        address = postgres.url(f"onedoor_{service.name}")
        await asyncio.to_thread(tables.migrate, service.name, load(service.name).migrations, address)
    waiting = iter(services.values())

    async def worker() -> None:
        for service in waiting:
            await _fill(postgres, service, cases)

    async with asyncio.TaskGroup() as workers:
        for _ in range(2):
            workers.create_task(worker())


async def _fill(postgres: Postgres, service: ServiceRows, cases: int) -> None:
    connection = await postgres.connect(f"onedoor_{service.name}")
    try:
        await insert_cases(connection, service, 1, cases)
    finally:
        await connection.close()
    if service.name not in SYSTEMS:
        return
    await postgres.create_database(f"sandbox_{service.name}")
    database = open_database(postgres.url(f"sandbox_{service.name}"), "benchmark", 2)
    await Ledger(database, service.name, "").open()
    await database.dispose()
    connection = await postgres.connect(f"sandbox_{service.name}")
    try:
        await insert_ledger_entries(connection, service, 1, cases)
    finally:
        await connection.close()


async def _run_audit(folder: Path) -> tuple[float, int, dict[str, dict[str, dict[str, int]]]]:
    """Seconds, most bytes resident, and the report."""
    output = folder / "audit.json"
    command = (sys.executable, "-m", "onedoor.cli", "audit", "--folder", str(folder), "--json", str(output))
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(*command)
    watched, peak = psutil.Process(process.pid), 0
    while process.returncode is None:
        try:
            peak = max(peak, watched.memory_info().rss)
        except psutil.NoSuchProcess:
            break
        await asyncio.sleep(POLL_S)
    await process.wait()
    return time.perf_counter() - began, peak, json.loads(output.read_text(encoding="utf-8"))


def figures(cases: int = CASES) -> list[Figure]:
    """Measure in a folder that is removed afterwards; 31 GB for a million cases."""
    with tempfile.TemporaryDirectory(prefix="onedoor-audit-") as folder:
        return asyncio.run(measure(cases, Path(folder)))


def main() -> None:
    """Measure, and print the figures as JSON."""
    print(json.dumps(figures(int(sys.argv[1]) if len(sys.argv) > 1 else CASES), indent=1))


if __name__ == "__main__":
    main()
