"""How long ``onedoor audit`` takes over a million cases, and how much memory."""

import asyncio
import json
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import psutil

from contracts.messages.tasks import TaskDone
from deploy.local.engines.postgres import Postgres
from services.addresses import Addresses, write_addresses
from services.departments.sandbox.store import Ledger
from services.load import load
from services.registry import CORE_SERVICES, default_systems
from services.runtime.store import tables
from services.runtime.store.database import open_database
from tests.benchmarks.figures import Figure, figure
from tests.support.cases import stored_cases
from tests.support.cases.simulated_case import SimulatedCase, simulate, three_departments_plan

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
        write_addresses(folder, _addresses(postgres))
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


def _addresses(postgres: Postgres) -> Addresses:
    """The databases as ``onedoor up`` would write them down."""
    services = {name: postgres.url(f"onedoor_{name}") for name in (*CORE_SERVICES, *SYSTEMS)}
    return Addresses(services, {name: postgres.url(f"sandbox_{name}") for name in SYSTEMS})


def _processor_seconds(postgres: Postgres) -> float:
    """Processor time of the database's sessions that have ended, and of our other children that have."""
    assert postgres.process is not None
    database, here = psutil.Process(postgres.process.pid).cpu_times(), psutil.Process().cpu_times()
    return sum(times.children_user + times.children_system for times in (database, here))


async def _make_cases(postgres: Postgres, cases: int) -> None:
    accepted_at = (datetime.now(UTC) - timedelta(days=2)).replace(microsecond=123456)
    case = simulate(
        three_departments_plan(),
        answered=True,
        accepted_at=accepted_at,
        answer_after=timedelta(minutes=10),
        rules_version=0,
    )
    for name in case.stored:
        await postgres.create_database(f"onedoor_{name}")
        address = postgres.url(f"onedoor_{name}")
        await asyncio.to_thread(tables.migrate, name, load(name).migrations, address)
    waiting = iter(case.stored)

    async def worker() -> None:
        for name in waiting:
            await _fill(postgres, case, name, cases)

    async with asyncio.TaskGroup() as workers:
        for _ in range(2):
            workers.create_task(worker())


async def _fill(postgres: Postgres, case: SimulatedCase, name: str, cases: int) -> None:
    connection = await postgres.connect(f"onedoor_{name}")
    try:
        for table in ("cases", "outbox"):
            await connection.execute(f"ALTER TABLE {table} SET UNLOGGED")  # test data need not survive a crash
        await stored_cases.insert_cases(connection, case.last(name), cases, closed_at=case.closed_at(name))
        await stored_cases.insert_outbox(connection, case.published_by(name), cases, keep_times=True)
        await stored_cases.vacuum_and_checkpoint(connection)
    finally:
        await connection.close()
    if name not in SYSTEMS:
        return
    await postgres.create_database(f"sandbox_{name}")
    database = open_database(postgres.url(f"sandbox_{name}"), "benchmark", 2)
    await Ledger(database, name, "").open()
    await database.dispose()
    connection = await postgres.connect(f"sandbox_{name}")
    try:
        await _fill_ledger(connection, case, name, cases)
    finally:
        await connection.close()


async def _fill_ledger(
    connection: "asyncpg.Connection[asyncpg.Record]", case: SimulatedCase, name: str, cases: int
) -> None:
    """Insert the same cases in the ledger of the department, whose table exists."""
    (done,) = (message.data for message in case.published_by(name))
    assert isinstance(done, TaskDone)
    await connection.execute(
        f"""INSERT INTO ledger (system, task_id, number, received_at, decide_at, outcome)
        SELECT $1, {stored_cases.copied("$2")}, {stored_cases.copied("$3")}, $4, $5, $6
        {stored_cases.copies(0, cases)}""",
        *(name, done.task_id, done.reference, done.delivered_at, done.decided_at, done.outcome.value),
    )
    await connection.execute("VACUUM ANALYZE ledger")


async def _run_audit(folder: Path) -> tuple[float, int, dict[str, dict[str, dict[str, int]]]]:
    """Seconds, most bytes resident, and the report."""
    output = folder / "audit.json"
    command = (sys.executable, "-m", "onedoor.cli", "audit", "--folder", str(folder), "--json", str(output))
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(*command)
    audit, peak = psutil.Process(process.pid), 0
    while process.returncode is None:
        try:
            peak = max(peak, audit.memory_info().rss)
        except psutil.NoSuchProcess:
            break
        await asyncio.sleep(POLL_S)
    await process.wait()
    return time.perf_counter() - began, peak, json.loads(output.read_text(encoding="utf-8"))
