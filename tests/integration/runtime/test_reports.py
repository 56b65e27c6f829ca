"""Each process reports its state by the real Kafka, and a process that watches knows all of them."""

import asyncio
import sys
from datetime import timedelta
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from services.runtime import reported
from services.runtime.clock import machine_now
from services.runtime.process import ServiceProcess
from services.runtime.reported import Reported
from services.runtime.store import own_state
from tests.support.runtime.processes import Start, raw, send, until_parked
from tests.support.runtime.topics import topic_setting
from tests.support.runtime.toy import Tally, case, settings, toy
from tests.support.waiting import eventually


def known(host: ServiceProcess[Tally]) -> dict[str, Reported]:
    return {one.report.replica: one for one in host.reports.known(machine_now())}


async def test_a_killed_replica_is_silent_and_one_that_stops_is_not_missed(
    start: Start, toy_database: str, kafka_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reported, "REPORTED_S", 0.2)
    monkeypatch.setattr(reported, "SILENT", timedelta(seconds=1.5))
    prefix = f"test-{uuid4().hex[:8]}-"
    program = (sys.executable, "-m", "tests.support.runtime.toy_process")
    killed = await asyncio.create_subprocess_exec(*program, toy_database, kafka_address, prefix, "killed")
    try:
        watching = start(service={"watches_processes": True}, topic_prefix=prefix, replica="watching")
        async with watching as host:

            async def both_report() -> bool:
                return known(host).keys() == {"killed", "watching"}

            await eventually(both_report)
            async with start(topic_prefix=prefix, replica="stopping"):
                await eventually(lambda: has(host, "stopping"))

            async def is_gone() -> bool:
                return "stopping" not in known(host)

            await eventually(is_gone)
            killed.kill()

            async def alone_is_silent() -> bool:
                now = machine_now()
                return known(host)["killed"].is_silent(now) and not known(host)["watching"].is_silent(now)

            await eventually(alone_is_silent)

            async def is_counted() -> bool:
                return REGISTRY.get_sample_value("onedoor_processes_silent") == 1

            await eventually(is_counted)
            assert await topic_setting(kafka_address, prefix + "onedoor.state", "cleanup.policy") == "compact,delete"
    finally:
        if killed.returncode is None:
            killed.kill()
        await killed.wait()


async def has(host: ServiceProcess[Tally], replica: str) -> bool:
    return replica in known(host)


async def test_a_report_has_what_readiness_knows_and_costs_few_statements(start: Start) -> None:
    async with start(replica="one") as host:
        await send(host.settings, raw("fail", case(1)))
        await until_parked(host, 1)
        statements: list[str] = []
        engine = host.database.sync_engine
        event.listen(engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
        report = await host.state.report()
    assert len(statements) == 2, "the revision of the database, and everything else"
    assert (report.process, report.faults, report.lag) == ("toy/one", (), 0)
    assert report.stored is not None
    assert (report.stored.letters, report.stored.blocked_cases) == (1, 1)
    assert report.stored.bytes > 1_000_000 and report.stored.free_bytes


async def test_a_report_says_that_the_database_is_away(kafka_address: str) -> None:
    away = ServiceProcess(toy(), settings("postgresql+asyncpg://127.0.0.1:1/none", kafka=kafka_address))
    report = await away.state.report()
    assert report.stored is None and report.lag is None
    assert any(one.en == "database: DatabaseUnreachable" for one in report.faults)


async def test_what_waits_is_counted_by_its_age(database: AsyncEngine) -> None:
    """A message that waits for Kafka, a letter that is replayed, and a timer that is late."""
    async with database.begin() as connection:
        await connection.exec_driver_sql(
            "INSERT INTO unpublished (batch_id, created_at, case_ids, message_ids) VALUES "
            "(gen_random_uuid(), to_timestamp(0), '{}', '{}'), "
            "(gen_random_uuid(), clock_timestamp() - interval '90 s', '{}', '{}')"
        )
        await connection.exec_driver_sql(
            "INSERT INTO cases (case_id, version, state, processed_ids, timer_at, call_due_at) VALUES "
            "('a', 1, '{}', '', now() - interval '40 s', now() - interval '1 s'), "
            "('b', 1, '{}', '', now() + interval '9 s', NULL)"
        )
        found = await own_state.read(connection, machine_now(), has_journal=False, rules=None)
    assert (found.unpublished, found.timers_due, found.calls_due) == (2, 1, 1)
    assert 90 <= found.oldest_unpublished_s < 120 and 40 <= found.latest_timer_s < 70
    assert found.rollout is None and found.journal is None
