"""``make rungs``: two monitors are killed at random while many deadlines fall due, and each rung must fire once.

``RUNGS`` is the number of deadlines (100,000), ``RUNGS_KILLS`` the number of kills at each step (40), and
``RUNGS_SEED`` repeats an earlier run. The exit status is 1 if a rung did not fire exactly once.
"""

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

from tests.support.monitor_kills import DEADLINES, KILLS, MonitorKills


def main() -> None:
    """Run, and end with status 1 if a rung did not fire exactly once."""
    run = MonitorKills(
        seed=int(os.environ.get("RUNGS_SEED") or time.time_ns() % 1_000_000),
        deadlines=int(os.environ.get("RUNGS") or DEADLINES),
        kills=int(os.environ.get("RUNGS_KILLS") or KILLS),
        log=lambda text: print(text, flush=True),
    )
    run.log(f"seed {run.seed}: {run.deadlines} deadlines, {run.kills} kills at each step")
    with tempfile.TemporaryDirectory(prefix="onedoor-rungs-") as place:
        asyncio.run(run.run(Path(place)))
    for fault in run.faults[:20]:
        run.log(fault)
    run.log(f"{len(run.faults)} faults" if run.faults else "each rung of each commitment has fired exactly once")
    sys.exit(bool(run.faults))


if __name__ == "__main__":
    main()
