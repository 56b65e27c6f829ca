"""Monitors killed while many deadlines fall due: each rung fires once. ``make rungs`` does it with 100,000."""

import time
from pathlib import Path

import pytest

from contracts.messages.alerts import Rung
from tests.support.monitor_kills import MonitorKills

DEADLINES = 3000
KILLS = 8
MIN_KILLED = 6
"""Kills while rungs were firing: a process that was to be killed may have been starting."""
BATCH = 50
"""Small, so that one process needs a while for all of them."""


@pytest.mark.timeout(240)
async def test_each_rung_fires_once_in_spite_of_kills(tmp_path: Path) -> None:
    run = MonitorKills(seed=time.time_ns() % 1_000_000, deadlines=DEADLINES, kills=KILLS, max_batch=BATCH)
    print(f"seed {run.seed}")
    await run.run(tmp_path)
    assert run.faults == []
    assert min(run.killed[Rung.WARNING], run.killed[Rung.RED]) >= MIN_KILLED
