"""Processes killed while many deadlines fall due: each rung fires once. ``make rungs`` is the same with 100,000."""

import time
from pathlib import Path

import pytest

from contracts.messages.alerts import Rung
from tests.support.monitor_kills import MonitorKills

DEADLINES = 3000
KILLS = 8
LEAST_KILLED = 6
"""In the midst of it; who was to be killed may have been on its way up."""
BATCH = 50
"""So that one process needs a while for all of them."""


@pytest.mark.timeout(240)
async def test_each_rung_fires_once_whoever_is_killed(tmp_path: Path) -> None:
    run = MonitorKills(seed=time.time_ns() % 1_000_000, deadlines=DEADLINES, kills=KILLS, max_batch=BATCH)
    print(f"seed {run.seed}")
    await run.run(tmp_path)
    assert run.faults == []
    assert min(run.killed[Rung.WARNING], run.killed[Rung.RED]) >= LEAST_KILLED
