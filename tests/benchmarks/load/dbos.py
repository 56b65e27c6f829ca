"""The same case as a workflow of DBOS, on the same PostgreSQL.

A workflow records the case, opens its four commitments, requests three departments at the same time, joins their
answers, decides, and closes the commitments. In two forms:

- ``departments``: each department is a workflow of its own, as it is a separate party in onedoor. It enters the task
  in its ledger under a number, and decides. The request to it and its answer are durable on both sides.
- ``steps``: the minimum that is durable. A department is one step that enters a row, and commitments are opened and
  closed in the steps that record and decide the case.

Both favour DBOS: there is no HTTP and no validation, departments have no systems of their own, services exchange no
messages, there is no outbox, and workflows are called directly, without the writes of a queue.
Each form runs in one process and in two; the faster counts.
"""

import asyncio
import json
import sys
import time
from typing import Any
from uuid import uuid4

import asyncpg
import uvloop

from deploy.local.engines import Engines
from services.registry import default_systems
from tests.benchmarks import measured_platform
from tests.benchmarks.figures import Figure, figure

CASES = 600
WARM = 40
TARGET = 15.0
FORMS = ("departments", "steps")
IN_FLIGHT = 24
"""Concurrent workflows in each process; more were slower."""
PROCESSES = (1, 2)
CONNECTIONS = 8
SYSTEMS = default_systems()
COMMITMENTS = ("case", "step/licence", "step/assessment", "step/premises")

_TABLES = """
    CREATE TABLE cases (case_id text PRIMARY KEY, application text NOT NULL, decision text);
    CREATE TABLE commitments (case_id text, key text, opened_at timestamptz NOT NULL DEFAULT now(),
        closed_at timestamptz, PRIMARY KEY (case_id, key));
    CREATE TABLE ledger (task_id text PRIMARY KEY, number bigint GENERATED ALWAYS AS IDENTITY,
        received_at timestamptz NOT NULL DEFAULT now(), decided_at timestamptz);
"""
_RECORD = "INSERT INTO cases (case_id, application) VALUES ($1, $2) ON CONFLICT DO NOTHING"
_OPEN = "INSERT INTO commitments (case_id, key) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING"
_TAKE = """
    INSERT INTO ledger (task_id) VALUES ($1) ON CONFLICT (task_id) DO UPDATE SET task_id = excluded.task_id
    RETURNING number
"""
_ANSWER = "UPDATE ledger SET decided_at = now() WHERE task_id = $1 RETURNING number"
_DECIDE = "UPDATE cases SET decision = $2 WHERE case_id = $1"
_CLOSE = "UPDATE commitments SET closed_at = now() WHERE case_id = $1"
_APPLICATION = json.dumps({"bundle": "three-departments", "text": "x" * 1500})


def _workflow(form: str, address: str) -> Any:
    """The case as a workflow in this form."""
    from dbos import DBOS

    pools: list[asyncpg.Pool[asyncpg.Record]] = []
    opening = asyncio.Lock()

    async def value(*statements: tuple[Any, ...]) -> Any:
        async with opening:
            if not pools:
                pools.append(await asyncpg.create_pool(address, min_size=CONNECTIONS, max_size=CONNECTIONS))
        async with pools[0].acquire() as connection, connection.transaction():
            return [await connection.fetchval(*statement) for statement in statements][-1]

    async def record(case_id: str) -> None:
        await value((_RECORD, case_id, _APPLICATION))

    async def open_commitments(case_id: str) -> None:
        await value((_OPEN, case_id, list(COMMITMENTS)))

    async def record_and_open(case_id: str) -> None:
        await value((_RECORD, case_id, _APPLICATION), (_OPEN, case_id, list(COMMITMENTS)))

    async def take(task_id: str) -> int:
        return int(await value((_TAKE, task_id)))

    async def answer(task_id: str) -> int:
        return int(await value((_ANSWER, task_id)))

    async def decide(case_id: str, answers: list[int]) -> None:
        await value((_DECIDE, case_id, json.dumps(answers)))

    async def close_commitments(case_id: str) -> None:
        await value((_CLOSE, case_id))

    async def decide_and_close(case_id: str, answers: list[int]) -> None:
        await value((_DECIDE, case_id, json.dumps(answers)), (_CLOSE, case_id))

    step = DBOS.step()
    take_step, answer_step = step(take), step(answer)
    record_step, open_step, both_opened = step(record), step(open_commitments), step(record_and_open)
    decide_step, close_step, both_closed = step(decide), step(close_commitments), step(decide_and_close)

    async def department(task_id: str) -> int:
        await take_step(task_id)
        return int(await answer_step(task_id))

    department_workflow = DBOS.workflow()(department)

    async def case_of_departments(case_id: str) -> None:
        await record_step(case_id)
        await open_step(case_id)
        started = [await DBOS.start_workflow_async(department_workflow, f"{case_id}/{system}") for system in SYSTEMS]
        answers = [await handle.get_result() for handle in started]
        await decide_step(case_id, answers)
        await close_step(case_id)

    async def case_of_steps(case_id: str) -> None:
        await both_opened(case_id)
        answers = await asyncio.gather(*(take_step(f"{case_id}/{system}") for system in SYSTEMS))
        await both_closed(case_id, list(answers))

    return DBOS.workflow()(case_of_departments if form == "departments" else case_of_steps)


def run_worker(form: str, address: str, count: int) -> None:
    """A worker process: prints ``ready``, waits for a line, runs so many cases, prints ``done``, waits and ends."""
    from dbos import DBOS

    DBOS(
        config={
            "name": "onedoor-beside",
            "system_database_url": address,
            "sys_db_pool_size": 20,
            "executor_id": uuid4().hex,
            "application_version": "1",
            "log_level": "WARNING",
        }
    )
    case = _workflow(form, address)
    DBOS.launch()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run_cases(case, WARM))
        print("ready", flush=True)
        sys.stdin.readline()
        runner.run(_run_cases(case, count))
        print("done", flush=True)
        sys.stdin.readline()
    DBOS.destroy()


async def _run_cases(case: Any, count: int) -> None:
    from dbos import SetWorkflowID

    waiting = iter(range(count))

    async def caller() -> None:
        for _ in waiting:
            number = uuid4().hex
            with SetWorkflowID(number):
                await case(number)

    await asyncio.gather(*(caller() for _ in range(IN_FLIGHT)))


async def measure_rate(engines: Engines, form: str, processes: int, count: int) -> float:
    """Cases a second. Raises `RuntimeError` if not every case was recorded, decided and closed."""
    name = f"dbos_{form}_{processes}"
    await engines.postgres.create_database(name)
    address = engines.postgres.url(name, "postgresql")
    connection = await engines.postgres.connect(name)
    own = count // processes
    started = []
    try:
        await connection.execute(_TABLES)
        for _ in range(processes):  # one after another: the first makes DBOS's tables
            command = (sys.executable, "-m", __spec__.name, form, address, str(own))
            pipe = asyncio.subprocess.PIPE
            worker = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
            started.append(worker)
            await _wait_for_line(worker, b"ready")
        began = time.perf_counter()
        await asyncio.gather(*(_send_go(worker) for worker in started))
        await asyncio.gather(*(_wait_for_line(worker, b"done") for worker in started))
        seconds = time.perf_counter() - began
        expected = processes * (own + WARM)
        whole = await connection.fetchval(_WHOLE)
        if whole != expected:
            raise RuntimeError(f"{whole} of {expected} cases are whole")
        return processes * own / seconds
    finally:
        for worker in started:
            if worker.returncode is None:
                worker.kill()
            await worker.wait()
        await connection.close()


_WHOLE = """
    SELECT count(*) FROM cases c JOIN dbos.workflow_status w ON w.workflow_uuid = c.case_id AND w.status = 'SUCCESS'
    WHERE c.decision IS NOT NULL AND 4 = (
        SELECT count(*) FROM commitments m WHERE m.case_id = c.case_id AND m.closed_at IS NOT NULL
    )
"""


async def _send_go(worker: asyncio.subprocess.Process) -> None:
    if worker.stdin is None:
        raise RuntimeError("the process was started without a standard input")
    worker.stdin.write(b"go\n")
    await worker.stdin.drain()


async def _wait_for_line(worker: asyncio.subprocess.Process, expected: bytes) -> None:
    if worker.stdout is None:
        raise RuntimeError("the process was started without a standard output")
    while line := await worker.stdout.readline():
        if line.strip() == expected:
            return
    raise RuntimeError(f"the process of DBOS ended before it printed {expected.decode()}")


async def measure(count: int = CASES, ours: float | None = None, engines: Engines | None = None) -> list[Figure]:
    """Cases a second in either form, and how many times faster ``ours`` is."""
    if engines is None:
        with measured_platform.folder("dbos") as place:
            async with Engines(place) as own:
                return await measure(count, ours, own)
    figures = []
    for form in FORMS:
        rates = {processes: await measure_rate(engines, form, processes, count) for processes in PROCESSES}
        print(f"DBOS, {form}: " + ", ".join(f"{found:.1f}/s in {number}" for number, found in rates.items()))
        best = max(rates.values())
        figures.append(figure(f"DBOS, {form}", best, "cases/s"))
        if ours is not None:
            target = TARGET if form == "departments" else None
            figures.append(figure(f"beside DBOS, {form}", ours / best, "times", target, f"DBOS, {form}"))
    return figures


if __name__ == "__main__":
    run_worker(sys.argv[1], sys.argv[2], int(sys.argv[3]))
