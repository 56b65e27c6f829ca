"""``onedoor audit`` on a real run: it finds nothing in a sound system, working or at rest, and every planted fault."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import pytest_asyncio
from rich.console import Console

from deploy.local.engines import Engines
from onedoor.applicants import applications
from services.addresses import read_addresses, write_addresses
from services.departments.sandbox.behaviour import Behaviour
from services.intake.catalogue.load import sample_catalogue
from services.operator.audit.invariants import Invariant
from services.operator.audit.report import Report
from services.operator.audit.run import AuditOptions, audit
from services.operator.audit.settings import AuditSettings
from services.operator.audit.targets import LedgerQuery, Targets, targets
from services.operator.options import DatabaseOptions
from services.registry import default_systems
from services.runtime.clock import FileClock
from tests.integration.operator.broken_promises import CASES, KEYS, PLANTED, Planted, rounds
from tests.support.centre import Answer, Centre, running
from tests.support.installation import run_onedoor
from tests.support.waiting import eventually

SYSTEMS = default_systems()

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]

FINISHED = 100
LEFT_OPEN = 30
"""Cases that are under way when everything is stopped."""

BEHAVIOUR = Behaviour(mean_days=1.0, late_share=0.06, late_days=12, refused_share=0.05)
DAYS_A_SECOND = 1.5
LOST_AFTER_S = 3.0
AT_ONCE = 4
MEANWHILE = 2
"""Most audits of each of two auditors while cases move."""
QUIET = Console(quiet=True)


@dataclass
class Run:
    """A centre at rest with some open cases, and the reports of the audits that ran while it moved."""

    centre: Centre
    targets: Targets
    meanwhile: list[Report] = field(default_factory=list)

    async def audit(self, targets: Targets | None = None, replay: int | None = None) -> Report:
        return await audit(targets or self.targets, AuditOptions(replay, LOST_AFTER_S), QUIET)

    def with_database(self, name: str, copy: str, targets: Targets) -> Targets:
        """These targets with another database in place of this one."""
        address = self.centre.platform.engines.database_url(copy)
        if name.startswith("sandbox_"):
            return with_ledger(targets, name.removeprefix("sandbox_"), address)
        return replace(targets, services={**targets.services, name.removeprefix("onedoor_"): address})


def with_ledger(targets: Targets, system: str, address: str) -> Targets:
    """These targets with another address of one department's ledger."""
    ledgers = targets.ledgers
    return replace(targets, ledgers={**ledgers, system: replace(ledgers[system], address=address)})


def settings(centre: Centre) -> AuditSettings:
    return AuditSettings(clock=str(centre.platform.folder / "clock"), closed_retention_days=3650)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def run(engines: Engines, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Run]:
    async with running(tmp_path_factory.mktemp("audited"), BEHAVIOUR, DAYS_A_SECOND, engines) as centre:
        run = Run(centre, targets(DatabaseOptions("", centre.platform.folder), settings(centre)))
        await _all_decided(run)
        clock = FileClock(centre.platform.folder / "clock")
        clock.set(clock.now(), 0)  # departments accept tasks, and decide nothing
        await _some_open(centre)
        await centre.platform.supervisor.stop()
        yield run


async def _all_decided(run: Run) -> None:
    """Follow most cases from beginning to end, with one audit after another at the same time."""
    wanted = list(applications(sample_catalogue(), FINISHED))
    receipts: list[Answer] = []

    async def apply() -> None:
        for number, application in enumerate(wanted):
            receipts.append(await run.centre.apply(application, f"audited-{number}"))

    async def audit_again_and_again() -> None:
        for _ in range(MEANWHILE):
            run.meanwhile.append(await run.audit())

    async with asyncio.TaskGroup() as tasks:
        auditors = [tasks.create_task(audit_again_and_again()) for _ in range(2)]
        await tasks.create_task(apply())
        for receipt in receipts:
            await run.centre.follow(receipt, 120)
        for auditing in auditors:
            auditing.cancel()


async def _some_open(centre: Centre) -> None:
    """Bring the last cases to their departments, and no further."""
    for number, application in enumerate(applications(sample_catalogue(), LEFT_OPEN, seed=8)):
        await centre.apply(application, f"open-{number}")

    async def delivered() -> bool:
        query = "SELECT FROM cases WHERE closed_at IS NULL AND state LIKE '%\"delivered\"%'"
        return all([await centre.rows(f"onedoor_{system}", query) for system in SYSTEMS])

    await eventually(delivered, 30, "every department has taken a task of theirs")


def broken(report: Report) -> dict[str, list[tuple[str, str]]]:
    return {name.value: finding.first for name, finding in report.findings.items() if finding.broken}


async def test_it_finds_nothing_while_cases_move(run: Run) -> None:
    assert len(run.meanwhile) >= 2
    assert [broken(report) for report in run.meanwhile] == [{}] * len(run.meanwhile)


async def test_it_finds_nothing_at_rest_with_open_cases(run: Run) -> None:
    report = await run.audit()
    assert broken(report) == {}
    examined = {name: finding.examined for name, finding in report.findings.items()}
    assert examined[Invariant.DECIDED] == FINISHED + LEFT_OPEN
    assert min(examined[name] for name in Invariant if name is not Invariant.PARKED) > FINISHED
    assert not [note for note in report.notes if "not examined" in note]


async def plant(run: Run, faults: Sequence[Planted], number: int) -> tuple[Targets, list[str]]:
    """The targets with a copy of each database in which a fault is planted, and the names of the copies.

    Each fault has a case of its own, so that none hides another.
    """
    postgres, targets, copies, taken = run.centre.platform.engines.postgres, run.targets, [], set[str]()
    for one in faults:
        copies.append(f"planted_{number}_{one.database}")
        await postgres.create_database(copies[-1], template=one.database)
        connection = await postgres.connect(copies[-1])
        try:
            for table, keys in KEYS.items():
                for key in keys:
                    await connection.execute(f"ALTER TABLE IF EXISTS {table} DROP CONSTRAINT {key}")
            statement = one.statement
            for which in set(re.findall(r"<(an? [a-z ]+)>", statement)):
                case_id = next(row[0] for row in await connection.fetch(CASES[which]) if row[0] not in taken)
                taken.add(case_id)
                statement = statement.replace(f"<{which}>", case_id)
            done = await connection.execute(statement)
        finally:
            await connection.close()
        assert not done.endswith(" 0"), f"{done}: nothing was planted by {statement}"
        targets = run.with_database(one.database, copies[-1], targets)
    return targets, copies


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def findings(run: Run) -> dict[Planted, Report]:
    """The report on each of `PLANTED`. Several audits run at a time, since each mostly waits for its rechecks."""
    slots = asyncio.Semaphore(AT_ONCE)
    # A database can be copied only while nothing reads it, so all are copied first.
    groups = [(group, *await plant(run, group, number)) for number, group in enumerate(rounds())]

    async def found(group: Sequence[Planted], targets: Targets) -> dict[Planted, Report]:
        async with slots:
            replays = any(one.invariant is Invariant.REPLAYED for one in group)
            return dict.fromkeys(group, await run.audit(targets, replay=None if replays else 0))

    reports = await asyncio.gather(*(found(group, targets) for group, targets, _ in groups))
    for _, _, copies in groups:
        for copy in copies:
            await run.centre.platform.engines.postgres.drop_database(copy)
    return {one: report for of_group in reports for one, report in of_group.items()}


@pytest.mark.parametrize("one", PLANTED, ids=lambda one: one.expected)
async def test_each_planted_fault_is_found(findings: dict[Planted, Report], one: Planted) -> None:
    found = findings[one].findings[one.invariant].first
    assert any(re.search(one.expected, what) for _, what in found), (one, broken(findings[one]))


async def test_a_ledger_that_cannot_be_read_is_named_in_a_note(run: Run) -> None:
    address = run.centre.platform.engines.database_url("sandbox_missing")
    report = await run.audit(with_ledger(run.targets, "tax", address))
    assert broken(report) == {}
    (note,) = (note for note in report.notes if "not examined" in note)
    assert re.match(r"the ledger of tax is not examined / .*sandbox_missing.*there is no database of this", note)


async def test_a_ledger_of_another_shape_is_read_by_a_query(run: Run) -> None:
    columns = "task_id AS ours, number AS theirs, outcome AS o, received_at AS r, decide_at AS d"
    table = f"(SELECT {columns} FROM ledger) AS x"
    query = f"SELECT ours AS task_id, theirs AS number, o AS outcome, r AS received_at, d AS decided_at FROM {table}"
    ledgers = {name: LedgerQuery(found.address, query) for name, found in run.targets.ledgers.items()}
    assert broken(await run.audit(replace(run.targets, ledgers=ledgers))) == {}
    wrong = {
        name: LedgerQuery(found.address, query.replace("theirs AS", "theirs || 'x' AS"))
        for name, found in ledgers.items()
    }
    assert list(broken(await run.audit(replace(run.targets, ledgers=wrong)))) == ["tasks"]


async def onedoor_audit(run: Run, *arguments: str, **environment: str) -> tuple[int, str, str]:
    """Exit status, output and errors of the command."""
    folder = run.centre.platform.folder
    settings = {"ONEDOOR_CLOCK": str(folder / "clock"), "ONEDOOR_CLOSED_RETENTION_DAYS": "3650", **environment}
    done = await asyncio.to_thread(run_onedoor, "audit", "--folder", str(folder), *arguments, **settings)
    return done.returncode, done.stdout, done.stderr


async def test_the_command_reports_by_its_status_and_in_a_file(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "audit.json"
    status, output, errors = await onedoor_audit(run, "--json", str(file), "--replay", "20")
    assert status == 0, output + errors
    written = json.loads(file.read_text(encoding="utf-8"))
    assert written["invariants"]["decided"]["examined"] == FINISHED + LEFT_OPEN
    assert written["invariants"]["replayed"]["examined"] <= 20 * 6
    assert f"replayed for 20 of {FINISHED + LEFT_OPEN} cases" in output
    connection = await run.centre.platform.engines.postgres.connect("onedoor_routing")
    try:
        number = await connection.fetchval("SELECT min(case_id) FROM cases WHERE closed_at IS NULL")
        retry_at = await connection.fetchval("SELECT retry_at FROM cases WHERE case_id = $1", number)
        await connection.execute("UPDATE cases SET retry_at = NULL WHERE case_id = $1", number)
        status, output, _ = await onedoor_audit(run, "--lost-after", "2")
        assert status == 1
        assert f"{number}  open at routing, and nothing will move it" in output
    finally:
        await connection.execute("UPDATE cases SET retry_at = $2 WHERE case_id = $1", number, retry_at)
        await connection.close()


async def test_a_wrong_option_or_database_ends_the_command_without_a_result(run: Run) -> None:
    status, _, errors = await onedoor_audit(run, "--replay", "some")
    assert (status, "give a number of cases, or all" in errors) == (2, True)
    postgres = run.centre.platform.engines.postgres
    await postgres.create_database("onedoor_water")
    folder = run.centre.platform.folder
    addresses = read_addresses(folder)
    water = run.centre.platform.engines.database_url("onedoor_water")
    write_addresses(folder, replace(addresses, services={**addresses.services, "water": water}))
    try:
        status, _, errors = await onedoor_audit(run, ONEDOOR_SYSTEMS="tax,commerce,land,water")
    finally:
        write_addresses(folder, addresses)
        await postgres.drop_database("onedoor_water")
    assert (status, "onedoor migrate" in errors) == (2, True), errors
