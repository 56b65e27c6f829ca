"""Bad records on every topic under a load of cases: each is parked with a reason, and other cases are unaffected.

``HOSTILE_RECORDS`` is their number; ``HOSTILE_SEED`` draws others: `make hostile`.
"""

import asyncio
import os
from collections import Counter

import pytest

from tests.hostile.attacked_centre import percentile
from tests.hostile.bad_records import AttackResult, RecordAttack

RECORDS = int(os.environ.get("HOSTILE_RECORDS", "5000"))
SEED = int(os.environ.get("HOSTILE_SEED", "20261122"))

pytestmark = pytest.mark.timeout(120 + RECORDS // 50)

MORE_S = 2.0
"""Seconds that a case may take longer while bad records are parked beside it, on the same two cores."""


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> AttackResult:
    print(f"HOSTILE_RECORDS={RECORDS} HOSTILE_SEED={SEED}")
    result = asyncio.run(RecordAttack(tmp_path_factory.mktemp("attacked"), RECORDS, SEED).run())
    print(result)
    return result


def test_every_bad_record_is_parked_with_a_reason_or_consumed(result: AttackResult) -> None:
    assert result.sent == RECORDS
    for service, count in result.services.items():
        assert count.unread == 0, service
        assert count.without_reason == 0, service
        assert count.not_parked == Counter(), service
        assert count.read >= count.sent_to > 0, service
        assert count.of_unknown_origin == [], service


def test_no_process_dies(result: AttackResult) -> None:
    assert result.processes_after == result.processes_before
    assert result.faults == []


def test_no_decided_case_is_changed(result: AttackResult) -> None:
    assert result.decided_rows, "no rows were compared"
    assert result.changed == []


def test_cases_during_the_attack_are_decided_correctly_and_in_time(result: AttackResult) -> None:
    assert result.ledger_faults == []
    assert len(result.latencies_s) >= 10
    for share in (0.5, 0.95):
        without, within = percentile(result.baseline_s, share), percentile(result.latencies_s, share)
        assert within < without + MORE_S, f"{share:.0%}: {without:.3f} s without, {within:.3f} s with"


def test_no_unexpected_errors_are_logged(result: AttackResult) -> None:
    assert result.unexpected_errors == []
