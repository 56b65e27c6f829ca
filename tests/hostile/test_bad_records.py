"""Bad records on every topic under a load of cases: each is parked with a reason, and other cases are unaffected.

``HOSTILE_RECORDS`` is their number; ``HOSTILE_SEED`` draws others: `make hostile`.
"""

import os
from collections import Counter

import pytest
import pytest_asyncio

from tests.hostile.attacked_centre import percentile
from tests.hostile.bad_records import AttackResult, RecordAttack
from tests.support.centre import Centre

RECORDS = int(os.environ.get("HOSTILE_RECORDS", "3000"))
SEED = int(os.environ.get("HOSTILE_SEED", "20261122"))

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.alone, pytest.mark.timeout(120 + RECORDS // 50)]

MORE_S = 2.0
"""Seconds that a case may take longer while bad records are parked beside it, on the same two cores."""


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def result(centre: Centre) -> AttackResult:
    print(f"HOSTILE_RECORDS={RECORDS} HOSTILE_SEED={SEED}")
    result = await RecordAttack(centre, RECORDS, SEED).run()
    print(result)
    return result


async def test_every_bad_record_is_parked_with_a_reason_or_consumed(result: AttackResult) -> None:
    assert result.sent == RECORDS
    for service, count in result.services.items():
        assert count.unread == 0, service
        assert count.without_reason == 0, service
        assert count.not_parked == Counter(), service
        assert count.read >= count.sent_to > 0, service
        assert count.of_unknown_origin == [], service


async def test_no_process_dies(result: AttackResult) -> None:
    assert result.processes_after == result.processes_before
    assert result.faults == []


async def test_no_decided_case_is_changed(result: AttackResult) -> None:
    assert result.decided_rows, "no rows were compared"
    assert result.changed == []


async def test_cases_during_the_attack_are_decided_correctly_and_in_time(result: AttackResult) -> None:
    assert result.ledger_faults == []
    assert len(result.latencies_s) >= 10
    for share in (0.5, 0.95):
        without, within = percentile(result.baseline_s, share), percentile(result.latencies_s, share)
        assert within < without + MORE_S, f"{share:.0%}: {without:.3f} s without, {within:.3f} s with"


async def test_no_unexpected_errors_are_logged(result: AttackResult) -> None:
    assert result.unexpected_errors == []
