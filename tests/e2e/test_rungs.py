"""Monitors killed while many deadlines fall due: each rung fires once. ``make rungs`` does it with 100,000.

``RUNGS`` is the number of deadlines, ``RUNGS_KILLS`` the number of kills at each of the two steps, and ``RUNGS_SEED``
repeats an earlier run.
"""

import os
import time
from pathlib import Path

import pytest

from contracts.messages.alerts import Rung
from tests.e2e.monitor_kills import MonitorKills

DEADLINES = int(os.environ.get("RUNGS") or 3000)
KILLS = int(os.environ.get("RUNGS_KILLS") or 8)
MIN_KILLED = 6
"""Kills while rungs were firing: a process that was to be killed may have been starting."""
BATCH = min(500, DEADLINES // 60)
"""So small that one process needs a while for all of them."""


@pytest.mark.timeout(240 if DEADLINES <= 3000 else 1800)
async def test_each_rung_fires_once_in_spite_of_kills(tmp_path: Path) -> None:
    seed = int(os.environ.get("RUNGS_SEED") or time.time_ns() % 1_000_000)
    print(f"seed {seed}: {DEADLINES} deadlines, {KILLS} kills at each step")
    run = MonitorKills(seed, DEADLINES, KILLS, BATCH)
    await run.run(tmp_path)
    assert run.faults == []
    assert min(run.killed[Rung.WARNING], run.killed[Rung.RED]) >= MIN_KILLED
