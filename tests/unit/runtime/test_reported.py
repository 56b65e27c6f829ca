"""The reports of all processes in memory: the newest of each, silent ones, and those that are forgotten."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from contracts.messages.processes import Calls, Journal, ProcessReported, Rollout, Stored
from services.runtime.jobs.reporter import Reporter, measure
from services.runtime.reported import FORGOTTEN, SILENT, Reported, Reports
from services.runtime.store.own_state import disk_of
from tests.support.runtime.fakes import MemoryPublisher

NOW = datetime(2026, 11, 28, 3, 0, tzinfo=UTC)

STORED = Stored(
    unpublished=2,
    oldest_unpublished_s=61.5,
    timers_due=4,
    latest_timer_s=12.0,
    calls_due=37,
    letters=6,
    blocked_cases=1,
    bytes=7_000,
    free_bytes=9_000,
    rollout=Rollout(kind="rules", number=15, visited=20, changed=3, open_cases=30),
    journal=Journal(chained_until=NOW),
)


def report(replica: str = "a", service: str = "tax", **changes: object) -> ProcessReported:
    made = ProcessReported(service=service, replica=replica, version="1", started_at=NOW)
    return made.replace(**changes)


def test_the_newest_report_of_each_process_counts_until_it_is_forgotten() -> None:
    reports = Reports()
    reports.take([Reported(report("b"), NOW), Reported(report("a"), NOW), Reported(report("a", lag=7), NOW)])
    assert [(one.report.replica, one.report.lag) for one in reports.known(NOW)] == [("a", 7), ("b", None)]
    reports.take([Reported(report("a"), NOW + FORGOTTEN)])
    assert [one.report.replica for one in reports.known(NOW + FORGOTTEN + timedelta(seconds=1))] == ["a"]


def test_a_process_that_stopped_as_it_was_told_to_is_not_missed() -> None:
    reports = Reports()
    reports.take([Reported(report(), NOW), Reported(report(stopped=True), NOW)])
    assert reports.known(NOW) == []


def test_a_process_is_silent_when_three_reports_are_missing() -> None:
    one = Reported(report(), NOW)
    assert not one.is_silent(NOW + SILENT)
    assert one.is_silent(NOW + SILENT + timedelta(milliseconds=1))


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


def test_prometheus_has_what_a_report_has() -> None:
    measure(report(lag=12, calls=Calls(under_way=3, held_back=True), stored=STORED))
    assert value("onedoor_ready") == 1
    assert value("onedoor_lag_records") == 12
    assert (value("onedoor_calls_under_way"), value("onedoor_breaker_open"), value("onedoor_calls_due")) == (3, 1, 37)
    assert (value("onedoor_unpublished_batches"), value("onedoor_unpublished_oldest_seconds")) == (2, 61.5)
    assert (value("onedoor_timers_due"), value("onedoor_timer_late_seconds")) == (4, 12)
    assert (value("onedoor_dead_letters_parked"), value("onedoor_dead_letters_blocked_cases")) == (6, 1)
    assert (value("onedoor_database_bytes"), value("onedoor_disk_free_bytes")) == (7000, 9000)
    assert value("onedoor_rollout_version", kind="rules") == 15
    assert (value("onedoor_rollout_visited_cases", kind="rules"), value("onedoor_rollout_done", kind="rules")) == (
        20,
        0,
    )
    assert value("onedoor_journal_chained_until_seconds") == NOW.timestamp()


async def test_the_last_report_of_a_process_says_that_it_has_stopped() -> None:
    kafka = MemoryPublisher()

    async def look() -> ProcessReported:
        return report(lag=5)

    reporter = Reporter(look, kafka.publish)
    await reporter.stopped()
    assert not kafka.published, "a process that never reported is not missed"
    await reporter.run_once()
    await reporter.stopped()
    first, last = kafka.published
    assert first.case_id == last.case_id == "tax/a" and first.topic == "onedoor.state"
    assert b'"stopped":true' not in first.event and b'"stopped":true' in last.event


@pytest.mark.parametrize("is_there", [True, False])
def test_a_disk_is_known_where_the_database_is_on_this_machine(tmp_path: Path, is_there: bool) -> None:
    if is_there:
        (tmp_path / "PG_VERSION").write_text("18")
    disk = disk_of(str(tmp_path))
    assert (disk is not None) is is_there
    assert disk is None or 0 < disk.free <= disk.total
    assert disk_of(None) is None
