"""Bad records on every topic, while cases are handled as ever: parked with a reason, and nobody else is touched.

``HOSTILE_RECORDS`` and ``HOSTILE_SEED`` make it longer and another one: `make hostile`.
"""

import asyncio
import os
from collections import Counter

import pytest

from tests.hostile.attacked_centre import percentile
from tests.hostile.bad_records import Assault, Reckoning

RECORDS = int(os.environ.get("HOSTILE_RECORDS", "5000"))
SEED = int(os.environ.get("HOSTILE_SEED", "20261122"))

pytestmark = pytest.mark.timeout(120 + RECORDS // 50)

MORE_S = 2.0
"""By how much a case may take longer while so much that is bad is parked beside it, on the same two cores."""


@pytest.fixture(scope="module")
def reckoning(tmp_path_factory: pytest.TempPathFactory) -> Reckoning:
    print(f"HOSTILE_RECORDS={RECORDS} HOSTILE_SEED={SEED}")
    reckoning = asyncio.run(Assault(tmp_path_factory.mktemp("assaulted"), RECORDS, SEED).run())
    print(reckoning)
    return reckoning


def test_every_bad_record_is_parked_with_a_reason_or_consumed(reckoning: Reckoning) -> None:
    assert reckoning.sent == RECORDS
    for service, count in reckoning.services.items():
        assert count.unread == 0, service
        assert count.without_reason == 0, service
        assert count.not_parked == Counter(), service
        assert count.read >= count.hostile > 0, service
        assert count.of_unknown_origin == [], service


def test_nobody_dies(reckoning: Reckoning) -> None:
    assert reckoning.processes_after == reckoning.processes_before
    assert reckoning.faults == []


def test_no_case_that_was_settled_is_changed(reckoning: Reckoning) -> None:
    assert reckoning.settled, "there was nothing that could have been changed"
    assert reckoning.changed == []


def test_cases_beside_it_are_decided_rightly_and_in_time(reckoning: Reckoning) -> None:
    assert reckoning.wrong == []
    assert len(reckoning.latencies_s) >= 10
    for share in (0.5, 0.95):
        without, within = percentile(reckoning.quiet_s, share), percentile(reckoning.latencies_s, share)
        assert within < without + MORE_S, f"{share:.0%}: {without:.3f} s without, {within:.3f} s with"


def test_nothing_went_wrong_that_nobody_foresaw(reckoning: Reckoning) -> None:
    assert reckoning.unforeseen == []
