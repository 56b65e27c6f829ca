"""The judgement of what processes report: the first thing first, and nothing that Kafka hides."""

from datetime import UTC, datetime, timedelta

import pytest

from contracts.messages.processes import Calls, Journal, ProcessReported, Reason, Stored
from services.runtime.http.operating.judgement import (
    Condition,
    Kind,
    Platform,
    expected_services,
    judge,
    troubles_of,
)
from services.runtime.reported import SILENT, Reported

NOW = datetime(2026, 11, 28, 3, 0, tzinfo=UTC)
LONG_AGO = NOW - timedelta(hours=9)

STORED = Stored(unpublished=0, timers_due=0, calls_due=0, letters=0, blocked_cases=0, bytes=1)
REASON = Reason(en="database: TimeoutError", zh="数据库：TimeoutError")

OWN = ProcessReported(service="monitor", replica="m", version="1", started_at=LONG_AGO, lag=0, stored=STORED)


def process(service: str, replica: str = "a", at: datetime = NOW, **changes: object) -> Reported:
    return Reported(OWN.replace(service=service, replica=replica, **changes), at)


def judged(*known: Reported, own: ProcessReported = OWN, echo: datetime | None = NOW) -> Platform:
    """The platform by these reports, and that of the own process, which came at ``echo``."""
    own_report = [Reported(own, echo)] if echo is not None else []
    return judge(own, [*own_report, *known], {one.report.service for one in known}, NOW)


def kinds(platform: Platform) -> list[Kind]:
    return [one.kind for one in platform.troubles]


def test_nothing_waits_for_an_operator_where_all_processes_work() -> None:
    found = judged(process("tax"), process("intake"))
    assert not found.troubles and found.delivers and found.silent == 0
    assert [one.condition for one in found.services] == [Condition.READY] * 3


def test_the_worst_service_is_first_and_so_is_the_worst_process() -> None:
    found = judged(
        process("intake", "a"),
        process("intake", "b", faults=(REASON,)),
        process("tax", impairments=(REASON,)),
        process("routing", at=NOW - timedelta(minutes=5)),
    )
    assert [one.name for one in found.services] == ["routing", "intake", "tax", "monitor"]
    assert [one.report.replica for one in found.services[1].processes] == ["b", "a"]
    assert (found.services[1].ready, found.services[2].ready, found.silent) == (1, 1, 1)
    assert kinds(found) == [Kind.SILENT, Kind.FAULT, Kind.IMPAIRMENT]


def test_a_silent_process_is_told_with_what_its_absence_means() -> None:
    gone = NOW - SILENT - timedelta(seconds=1)
    alone, helped = judged(process("tax", at=gone)), judged(process("tax", at=gone), process("tax", "b"))
    assert "messages wait" in alone.troubles[0].text.en and "消息在等待" in alone.troubles[0].text.zh
    assert "Others of the service do its work" in helped.troubles[0].text.en


def test_a_service_without_any_process_is_missing() -> None:
    found = judge(OWN, [Reported(OWN, NOW)], {"land"}, NOW)
    assert kinds(found) == [Kind.MISSING] and "land" in found.troubles[0].text.en
    assert [one.name for one in found.services] == ["land", "monitor"]


def test_while_kafka_delivers_nothing_no_process_is_taken_for_dead() -> None:
    then = NOW - timedelta(minutes=4)
    found = judged(process("tax", at=then), process("intake", at=then, faults=(REASON,)), echo=then)
    assert not found.delivers and kinds(found) == [Kind.KAFKA]
    assert "2026-11-28 10:56:00 Beijing" in found.troubles[0].text.en
    assert {one.name: one.condition for one in found.services} == {
        "monitor": Condition.READY,
        "tax": Condition.UNKNOWN,
        "intake": Condition.UNKNOWN,
    }


@pytest.mark.parametrize(("running", "delivers"), [(timedelta(seconds=20), True), (timedelta(minutes=2), False)])
def test_a_process_that_has_just_started_waits_for_its_first_report(running: timedelta, delivers: bool) -> None:
    found = judged(own=OWN.replace(started_at=NOW - running), echo=None)
    assert found.delivers is delivers


@pytest.mark.parametrize(
    ("stored", "kind", "words"),
    [
        (STORED.replace(letters=3, blocked_cases=2), Kind.BLOCKING_LETTERS, "2 cases wait"),
        (STORED.replace(letters=3), Kind.LETTERS, "3 dead letters wait"),
        (STORED.replace(unpublished=1, oldest_unpublished_s=61.0), Kind.UNPUBLISHED, "waited 61 s"),
        (STORED.replace(timers_due=7, latest_timer_s=61.0), Kind.TIMERS, "7 timers are due"),
        (STORED.replace(journal=Journal(chained_until=NOW - timedelta(minutes=11))), Kind.JOURNAL, "11 minutes"),
        (STORED.replace(free_bytes=9, disk_bytes=100), Kind.DISK, "9% of the disk"),
        (None, Kind.DATABASE, "cannot be read"),
    ],
)
def test_each_figure_that_is_not_in_order_is_told(stored: Stored | None, kind: Kind, words: str) -> None:
    (trouble,) = troubles_of(OWN.replace(stored=stored), NOW)
    assert trouble.kind is kind and words in trouble.text.en and "monitor" in trouble.text.zh


@pytest.mark.parametrize(
    "stored",
    [
        STORED.replace(unpublished=1, oldest_unpublished_s=60.0),
        STORED.replace(timers_due=7, latest_timer_s=60.0),
        STORED.replace(journal=Journal(chained_until=NOW - timedelta(minutes=10))),
        STORED.replace(journal=Journal()),
        STORED.replace(free_bytes=10, disk_bytes=100),
    ],
)
def test_what_is_in_order_is_not_told(stored: Stored) -> None:
    assert troubles_of(OWN.replace(stored=stored), NOW) == ()


def test_the_figures_of_a_service_are_those_of_its_processes_or_of_its_one_database() -> None:
    calls = Calls(under_way=2, held_back=False)
    older = process("tax", "b", NOW - timedelta(seconds=9), lag=5, calls=calls, stored=STORED.replace(letters=1))
    newer = process("tax", "a", lag=7, calls=calls.replace(held_back=True), stored=None)
    tax = next(one for one in judged(older, newer).services if one.name == "tax")
    assert (tax.lag, tax.calls_under_way, tax.holds_calls_back) == (12, 4, True)
    assert tax.stored is not None and tax.stored.letters == 1
    unknown = next(one for one in judged(process("tax", lag=None)).services if one.name == "tax")
    assert unknown.lag is None and unknown.calls_under_way is None


def test_the_services_of_an_installation_are_those_of_the_messages_and_its_departments() -> None:
    assert expected_services(["tax", "land"]) == {"intake", "routing", "monitor", "tax", "land"}
