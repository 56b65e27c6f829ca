"""Kill -9 of each kind of process in the middle of a run: what was accepted is decided, once."""

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
from tests.support.centre import LOOK_S, Answer, Centre, named_in_logs, running
from tests.support.waiting import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]

CASES = 200
UNDER_WAY = 70
"""Most cases accepted and not yet decided, so that every kill hits some."""

VICTIMS = (
    *("tax", "intake", "sandbox-land", "kafka", "monitor", "sandbox-commerce"),
    *("postgres", "routing", "sandbox-tax", "land", "forkserver", "commerce"),
)
"""One process of each kind, in the order in which they are killed."""

EVERY = 12
"""Cases decided between one kill and the next."""

PATIENCE_S = 150

MANNER = Behaviour(mean_days=1.0, late_share=0.02, late_days=12, refused_share=0.05)
DAYS_A_SECOND = 1.5


@dataclass
class Run:
    """The run, and what came of it."""

    centre: Centre
    applications: list[dict[str, Any]] = field(default_factory=lambda: list(applications(sample_catalogue(), CASES)))
    receipts: list[Answer] = field(default_factory=list)
    decided: int = 0
    killed: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Each victim's process number, and how many cases had been decided when it was killed."""

    shown: set[int] = field(default_factory=set)
    """HTTP statuses of what applicants and supervisors were shown meanwhile."""

    @property
    def numbers(self) -> set[str]:
        """The cases that applicants hold a receipt of."""
        return {receipt["number"] for receipt in self.receipts}

    async def go(self) -> None:
        """Apply, kill, and wait until all is decided."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._apply())
            tasks.create_task(self._kill())
            looking = tasks.create_task(self._look())
            await eventually(self._all_decided, PATIENCE_S, f"all {CASES} cases are decided")
            looking.cancel()

    async def _all_decided(self) -> bool:
        query = "SELECT count(*) AS decided FROM cases WHERE closed_at IS NOT NULL"
        try:
            (row,) = await self.centre.rows("onedoor_routing", query)
        except (OSError, asyncpg.PostgresError):
            return False  # it has been killed and comes back
        self.decided = row["decided"]
        return self.decided == CASES

    async def _apply(self) -> None:
        """Several at a time, while there is room."""
        numbers = iter(range(CASES))

        async def room() -> bool:
            return len(self.receipts) - self.decided < UNDER_WAY

        async def applicants() -> None:
            for number in numbers:
                await eventually(room, PATIENCE_S, "there is room for another case")
                self.receipts.append(await self.centre.apply(self.applications[number], f"run-{number}"))

        async with asyncio.TaskGroup() as queues:
            for _ in range(8):
                queues.create_task(applicants())

    async def _look(self) -> None:
        """Look after the newest case and the alerts, all the time."""
        monitor = self.centre.platform.address("monitor")
        while True:
            await asyncio.sleep(LOOK_S)
            for receipt in self.receipts[-1:]:
                with suppress(httpx2.TransportError):  # nobody is there just now
                    self.shown.add((await self.centre.show(receipt["number"], receipt["secret"])).status_code)
                    self.shown.add((await self.centre.client.get(f"{monitor}/alerts")).status_code)

    async def _kill(self) -> None:
        for at, victim in zip(count(EVERY, EVERY), VICTIMS, strict=False):
            await eventually(partial(self._turn, at, victim), PATIENCE_S, f"it is the turn of {victim}")
            number = self.pid(victim)
            assert number is not None
            os.kill(number, signal.SIGKILL)
            self.killed[victim] = number, self.decided

    async def _turn(self, at: int, victim: str) -> bool:
        """So many are decided, and the victim runs: it may still be coming back from the end of its parent."""
        return self.decided >= at and self.pid(victim) is not None

    def pid(self, name: str) -> int | None:
        """The number of a process that runs."""
        platform = self.centre.platform
        if name == "forkserver":
            children = psutil.Process().children()
            return next((child.pid for child in children if "deploy.local.forkserver" in child.cmdline()), None)
        for engine in platform.engines.all:
            if engine.name == name:
                return engine.process.pid if engine.process and engine.running else None
        return platform.processes[name].pid


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def run(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Run]:
    async with running(tmp_path_factory.mktemp("killed"), MANNER, DAYS_A_SECOND) as centre:
        run = Run(centre)
        await run.go()
        yield run


async def found_by_the_ledger(run: Run) -> list[str]:
    async with ledger_checks.opened(run.centre.platform.engines.database_url) as tables:
        return await ledger_checks.faults(tables, run.numbers)


async def test_every_case_is_decided_once_whoever_was_killed(run: Run) -> None:
    assert list(run.killed) == list(VICTIMS)
    assert max(decided for _, decided in run.killed.values()) < CASES, "the last was killed when all was over"
    assert len(run.numbers) == CASES
    faults: list[str] = []

    async def in_order() -> bool:
        faults[:] = await found_by_the_ledger(run)
        return not faults

    try:
        await eventually(in_order, 30, "what is merely on its way has arrived")
    except TimeoutError:
        assert faults == []
    for name, (number, _) in run.killed.items():
        assert run.pid(name) not in (None, number), f"{name} has not come back"
    assert all(process.restarts for process in run.centre.platform.processes.values())


async def test_who_looks_meanwhile_is_answered_or_asked_to_come_again(run: Run) -> None:
    assert {200} <= run.shown <= {200, 503}


async def test_applicants_are_shown_the_decision(run: Run) -> None:
    for receipt in run.receipts:
        shown = await run.centre.follow(receipt, 5)
        assert shown["accepted_at"] == receipt["accepted_at"]


async def test_no_personal_data_is_in_the_logs_of_those_who_were_killed(run: Run) -> None:
    assert named_in_logs(run.centre.platform.folder, [one["applicant"] for one in run.applications]) == []


async def changed(run: Run, database: str, statement: str) -> list[str]:
    """What the ledger finds after this change to copies of a database's tables.

    The copies are temporary tables, which that connection alone sees in place of the originals, and have none of
    their keys: what the keys forbid can be planted, too.
    """
    async with ledger_checks.opened(run.centre.platform.engines.database_url) as tables:
        connection = tables[database]
        for row in await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
            await connection.execute('CREATE TEMP TABLE "{0}" AS TABLE public."{0}"'.format(row["tablename"]))
        done = await connection.execute(statement)
        assert not done.endswith(" 0"), f"{done}: nothing was planted"
        return await ledger_checks.faults(tables, run.numbers)


CASE = "case_id = (SELECT min(case_id) FROM cases)"
CERTIFIED = "case_id = (SELECT min(case_id) FROM cases WHERE state LIKE '%\"证%')"
APPROVED = "task_id = (SELECT min(task_id) FROM ledger WHERE outcome = 'approved')"
ALERT = "event LIKE '%\"onedoor.alert.raised.v1\"%'"
DECISION = f"{CERTIFIED} AND event LIKE '%\"onedoor.case.decided.v1\"%'"
AGAIN = "INSERT INTO outbox SELECT case_id, gen_random_uuid(), topic,"

PLANTED = [
    ("onedoor_intake", f"DELETE FROM cases WHERE {CASE}", "cases of intake: .* is there 0 times"),
    (
        "onedoor_intake",
        f"INSERT INTO cases (case_id, state) SELECT '0000-0000-0000-0', state FROM cases WHERE {CASE}",
        "should not be",
    ),
    ("onedoor_intake", f"DELETE FROM outbox WHERE {CASE}", "accepted 0 times"),
    ("onedoor_intake", f"{AGAIN} replace(event, '450', '451') FROM outbox WHERE {CASE}", "accepted 2 times"),
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
    ("onedoor_routing", f"{AGAIN} replace(event, '证', '假') FROM outbox WHERE {DECISION}", "decided 2 times"),
    ("onedoor_routing", f"UPDATE outbox SET event = replace(event, '证', '假') WHERE {DECISION}", "假.* in the case"),
    ("onedoor_routing", f"UPDATE cases SET closed_at = NULL WHERE {CASE}", "routing: 1 cases are unfinished"),
    ("onedoor_tax", f"UPDATE cases SET call_due_at = now() WHERE {CASE}", "tax: 1 cases are unfinished"),
    (
        "onedoor_land",
        f"{AGAIN} replace(event, '地受', '另受') FROM outbox WHERE {CASE}",
        "told as .*另受.*地受|told as .*地受.*另受",
    ),
    (
        "onedoor_land",
        "INSERT INTO unpublished SELECT gen_random_uuid(), now(), ARRAY[case_id], ARRAY[gen_random_uuid()]"
        f" FROM cases WHERE {CASE}",
        "land: 1 messages are unpublished",
    ),
    (
        "onedoor_monitor",
        "INSERT INTO dead_letters (case_id, topic, reason, status) VALUES ('', 'onedoor.cases', 'no JSON', 'parked')",
        "monitor: parked letter of case '' from onedoor.cases: no JSON",
    ),
    ("onedoor_monitor", f"UPDATE cases SET state = replace(state, 'ended_at', 'x') WHERE {CASE}", "commitment is open"),
    ("onedoor_monitor", f"{AGAIN} event FROM outbox WHERE {ALERT} LIMIT 1", "alerts said: .* is there 2 times"),
    ("onedoor_monitor", f"DELETE FROM outbox WHERE {ALERT}", "alerts said: .* is there 0 times"),
    ("onedoor_monitor", "INSERT INTO alerts TABLE alerts LIMIT 1", "alerts listed: .* is there 2 times"),
    ("onedoor_monitor", "DELETE FROM alerts", "alerts listed: .* is there 0 times"),
    ("sandbox_tax", f"DELETE FROM ledger WHERE {APPROVED}", "the ledger of tax: .* is there 0 times"),
    ("sandbox_tax", f"INSERT INTO ledger SELECT * FROM ledger WHERE {APPROVED}", "the ledger of tax: .* given twice"),
    (
        "sandbox_tax",
        f"UPDATE ledger SET task_id = 'x/y' WHERE {APPROVED}",
        "the ledger of tax: x/y is there, and should not",
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


@pytest.mark.parametrize(("database", "statement", "expected"), PLANTED)
async def test_the_ledger_names_what_is_planted(run: Run, database: str, statement: str, expected: str) -> None:
    found = await changed(run, database, statement)
    assert any(re.search(expected, fault) for fault in found), found
