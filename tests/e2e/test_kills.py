"""Kill -9 of each kind of process in the middle of a run: every accepted case is decided, once."""

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any

import asyncpg
import httpx2
import psutil
import pytest
import pytest_asyncio

from onedoor.applicants import applications
from services.departments.sandbox.behaviour import Behaviour
from services.intake.catalogue.load import sample_catalogue
from tests.support import ledger_checks
from tests.support.centre import RETRY_S, Answer, Centre, named_in_logs, running
from tests.support.ledger_checks import Content
from tests.support.waiting import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]

CASES = 200
MAX_UNDER_WAY = 70
"""Most cases accepted and not yet decided, so that every kill meets some."""

KILLED_PROCESSES = (
    *("tax", "intake", "sandbox-land", "kafka", "monitor", "sandbox-commerce"),
    *("postgres", "routing", "sandbox-tax", "land", "forkserver", "commerce"),
)
"""One process of each kind, in the order in which they are killed."""

KILL_EVERY = 12
"""Cases decided between two kills."""

WITHIN_S = 150

BEHAVIOUR = Behaviour(mean_days=1.0, late_share=0.02, late_days=12, refused_share=0.05)
DAYS_A_SECOND = 1.5


@dataclass
class KillRun:
    """A run of 200 cases with kills, and its results."""

    centre: Centre
    applications: list[dict[str, Any]] = field(default_factory=lambda: list(applications(sample_catalogue(), CASES)))
    receipts: list[Answer] = field(default_factory=list)
    decided: int = 0
    killed: dict[str, tuple[int, int]] = field(default_factory=dict)
    """The id of each killed process, and the number of cases decided before the kill."""

    statuses: set[int] = field(default_factory=set)
    """HTTP statuses of the answers to applicants and supervisors during the run."""

    @property
    def numbers(self) -> set[str]:
        """The numbers on the receipts of the applicants."""
        return {receipt["number"] for receipt in self.receipts}

    async def run(self) -> None:
        """Apply, kill, and wait until all cases are decided."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._apply())
            tasks.create_task(self._kill())
            polling = tasks.create_task(self._poll_pages())
            await eventually(self._all_decided, WITHIN_S, f"all {CASES} cases are decided", poll_s=0.2)
            polling.cancel()

    async def _all_decided(self) -> bool:
        query = "SELECT count(*) AS decided FROM cases WHERE closed_at IS NOT NULL"
        try:
            (row,) = await self.centre.rows("onedoor_routing", query)
        except (OSError, asyncpg.PostgresError):
            return False  # the database has been killed and is starting
        self.decided = row["decided"]
        return self.decided == CASES

    async def _apply(self) -> None:
        """Send applications, several at a time, while no more than `MAX_UNDER_WAY` are open."""
        numbers = iter(range(CASES))

        async def room() -> bool:
            return len(self.receipts) - self.decided < MAX_UNDER_WAY

        async def applicants() -> None:
            for number in numbers:
                await eventually(room, WITHIN_S, "there is room for another case")
                self.receipts.append(await self.centre.apply(self.applications[number], f"run-{number}"))

        async with asyncio.TaskGroup() as queues:
            for _ in range(8):
                queues.create_task(applicants())

    async def _poll_pages(self) -> None:
        """Request the newest case and the alerts all the time."""
        monitor = self.centre.platform.api("monitor")
        while True:
            await asyncio.sleep(RETRY_S)
            for receipt in self.receipts[-1:]:
                with suppress(httpx2.TransportError):  # the process has been killed
                    self.statuses.add((await self.centre.show(receipt["number"], receipt["secret"])).status_code)
                    self.statuses.add((await self.centre.client.get(f"{monitor}/alerts")).status_code)

    async def _kill(self) -> None:
        for at, name in zip(count(KILL_EVERY, KILL_EVERY), KILLED_PROCESSES, strict=False):
            await eventually(partial(self._is_due, at, name), WITHIN_S, f"the kill is due: {name}")
            number = self.pid(name)
            assert number is not None
            os.kill(number, signal.SIGKILL)
            self.killed[name] = number, self.decided

    async def _is_due(self, at: int, name: str) -> bool:
        """Whether so many cases are decided and the process runs: it may be restarting after the kill of its parent."""
        return self.decided >= at and self.pid(name) is not None

    def pid(self, name: str) -> int | None:
        """The id of a process, or None while it does not run."""
        platform = self.centre.platform
        if name == "forkserver":
            children = psutil.Process().children()
            return next(
                (child.pid for child in children if "deploy.local.processes.forkserver" in child.cmdline()), None
            )
        for engine in platform.engines.all:
            if engine.name == name:
                return engine.process.pid if engine.process and engine.running else None
        return platform.processes[name].pid


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def run(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[KillRun]:
    async with running(tmp_path_factory.mktemp("killed"), BEHAVIOUR, DAYS_A_SECOND) as centre:
        run = KillRun(centre)
        await run.run()
        yield run


async def ledger_faults(run: KillRun) -> list[str]:
    async with ledger_checks.opened(run.centre.platform.engines.database_url) as tables:
        return await ledger_checks.faults(tables, run.numbers)


async def test_every_case_is_decided_once_in_spite_of_the_kills(run: KillRun) -> None:
    assert list(run.killed) == list(KILLED_PROCESSES)
    assert max(decided for _, decided in run.killed.values()) < CASES, "the last kill came after the last decision"
    assert len(run.numbers) == CASES
    faults: list[str] = []

    async def in_order() -> bool:
        faults[:] = await ledger_faults(run)
        return not faults

    try:
        await eventually(in_order, 30, "messages under way have arrived")
    except TimeoutError:
        assert faults == []
    for name, (number, _) in run.killed.items():
        assert run.pid(name) not in (None, number), f"{name} has not come back"
    assert all(process.restarts for process in run.centre.platform.processes.values())


async def test_requests_during_the_run_are_answered_or_refused_with_503(run: KillRun) -> None:
    assert {200} <= run.statuses <= {200, 503}


async def test_applicants_are_shown_the_decision(run: KillRun) -> None:
    for receipt in run.receipts:
        shown = await run.centre.follow(receipt, 5)
        assert shown["accepted_at"] == receipt["accepted_at"]


async def test_no_personal_data_is_in_the_logs_of_killed_processes(run: KillRun) -> None:
    assert named_in_logs(run.centre.platform, [one["applicant"] for one in run.applications]) == []


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def content(run: KillRun) -> Content:
    """The content of all databases, which nobody changes any more: the services have been stopped."""
    await run.centre.platform.supervisor.stop()
    async with ledger_checks.opened(run.centre.platform.engines.database_url) as tables:
        return await ledger_checks.read(tables)


async def faults_after(run: KillRun, content: Content, database: str, statement: str) -> list[str]:
    """The findings of the ledger checks after this change to copies of a database's tables.

    The copies are temporary tables, which this connection alone sees instead of the originals. They have no keys, so
    that rows which the keys forbid can be planted as well.
    """
    connection = await run.centre.platform.engines.postgres.connect(database)
    try:
        for row in await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
            await connection.execute('CREATE TEMP TABLE "{0}" AS TABLE public."{0}"'.format(row["tablename"]))
        done = await connection.execute(statement)
        assert not done.endswith(" 0"), f"{done}: nothing was planted"
        return (await content.updated({database: connection})).faults(run.numbers)
    finally:
        await connection.close()


A_CASE = "case_id = (SELECT min(case_id) FROM cases)"
CERTIFIED = "case_id = (SELECT min(case_id) FROM cases WHERE state LIKE '%\"证%')"
APPROVED = "task_id = (SELECT min(task_id) FROM ledger WHERE outcome = 'approved')"
ALERT = "event LIKE '%\"onedoor.alert.raised.v1\"%'"
DECISION = f"{CERTIFIED} AND event LIKE '%\"onedoor.case.decided.v1\"%'"
COPY = "INSERT INTO outbox SELECT case_id, gen_random_uuid(), topic,"

PLANTED_FAULTS = [
    ("onedoor_intake", f"DELETE FROM cases WHERE {A_CASE}", "cases of intake: .* occurs 0 times"),
    (
        "onedoor_intake",
        f"INSERT INTO cases (case_id, state) SELECT '0000-0000-0000-0', state FROM cases WHERE {A_CASE}",
        "is unexpected",
    ),
    ("onedoor_intake", f"DELETE FROM outbox WHERE {A_CASE}", "accepted 0 times"),
    ("onedoor_intake", f"{COPY} replace(event, '450', '451') FROM outbox WHERE {A_CASE}", "accepted 2 times"),
    (
        "onedoor_intake",
        f"UPDATE cases SET state = replace(state, 'approved', 'refused') WHERE {CERTIFIED}",
        "intake shows",
    ),
    (
        "onedoor_intake",
        f"UPDATE cases SET state = replace(state, '\"证', '\"假') WHERE {CERTIFIED}",
        "shows other steps",
    ),
    ("onedoor_routing", f"DELETE FROM outbox WHERE {DECISION}", "decided 0 times"),
    ("onedoor_routing", f"{COPY} replace(event, '证', '假') FROM outbox WHERE {DECISION}", "decided 2 times"),
    ("onedoor_routing", f"UPDATE outbox SET event = replace(event, '证', '假') WHERE {DECISION}", "假.* in the case"),
    ("onedoor_routing", f"UPDATE cases SET closed_at = NULL WHERE {A_CASE}", "routing: 1 cases are unfinished"),
    ("onedoor_tax", f"UPDATE cases SET call_due_at = now() WHERE {A_CASE}", "tax: 1 cases are unfinished"),
    (
        "onedoor_land",
        f"{COPY} replace(event, '地受', '另受') FROM outbox WHERE {A_CASE}",
        "reported as .*另受.*地受|reported as .*地受.*另受",
    ),
    (
        "onedoor_land",
        "INSERT INTO unpublished SELECT gen_random_uuid(), now(), ARRAY[case_id], ARRAY[gen_random_uuid()]"
        f" FROM cases WHERE {A_CASE}",
        "land: 1 messages are unpublished",
    ),
    (
        "onedoor_monitor",
        "INSERT INTO dead_letters (case_id, topic, reason, status) VALUES ('', 'onedoor.cases', 'no JSON', 'parked')",
        "monitor: parked dead letter of case '' from onedoor.cases: no JSON",
    ),
    (
        "onedoor_monitor",
        f"UPDATE cases SET state = replace(state, 'ended_at', 'x') WHERE {A_CASE}",
        "commitment is open",
    ),
    (
        "onedoor_monitor",
        f"{COPY} event FROM outbox WHERE {ALERT} LIMIT 1",
        "alerts published: .* occurs 2 times",
    ),
    ("onedoor_monitor", f"DELETE FROM outbox WHERE {ALERT}", "alerts published: .* occurs 0 times"),
    ("onedoor_monitor", "INSERT INTO alerts TABLE alerts LIMIT 1", "alerts listed: .* occurs 2 times"),
    ("onedoor_monitor", "DELETE FROM alerts", "alerts listed: .* occurs 0 times"),
    ("sandbox_tax", f"DELETE FROM ledger WHERE {APPROVED}", "the ledger of tax: .* occurs 0 times"),
    ("sandbox_tax", f"INSERT INTO ledger SELECT * FROM ledger WHERE {APPROVED}", "the ledger of tax: .* given twice"),
    (
        "sandbox_tax",
        f"UPDATE ledger SET task_id = 'x/y' WHERE {APPROVED}",
        "the ledger of tax: x/y is unexpected",
    ),
    ("sandbox_commerce", f"UPDATE ledger SET number = 'x' WHERE {APPROVED}", "x in the ledger, reported as"),
    (
        "sandbox_land",
        f"UPDATE ledger SET outcome = 'refused' WHERE {APPROVED}",
        "refused in the ledger, approved in the case",
    ),
    (
        "sandbox_land",
        f"UPDATE ledger SET decide_at = now() WHERE {APPROVED}",
        "decided at .* in the ledger, at .* in the case",
    ),
]


@pytest.mark.parametrize(("database", "statement", "expected"), PLANTED_FAULTS)
async def test_the_ledger_checks_detect_planted_faults(
    run: KillRun, content: Content, database: str, statement: str, expected: str
) -> None:
    found = await faults_after(run, content, database, statement)
    assert any(re.search(expected, fault) for fault in found), found
