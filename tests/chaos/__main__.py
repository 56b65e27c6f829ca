"""``make chaos``: faults under load for ``CHAOS_MINUTES``, drawn at random from ``CHAOS_SEED``.

``CHAOS_RATE`` is the number of applications a second. ``CHAOS_ONLY`` restricts the run to some kinds of fault, or to
faults whose names begin so, comma separated. The report and all logs are written to ``build/chaos``.
"""

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from tests.chaos import report
from tests.chaos.faults.schedule import FULL_MINUTES, draw_faults
from tests.chaos.run import Run
from tests.chaos.testbed import ENGINES, running

OUTPUT = Path("build") / "chaos"


async def chaos(folder: Path, seed: int, minutes: float, rate: float, only: tuple[str, ...]) -> bool:
    """Run the faults on a platform in this folder. Returns whether it recovered from all of them."""
    began = time.monotonic()

    def log(text: str) -> None:
        print(f"{time.monotonic() - began:7.1f} s  {text}", flush=True)

    faults = draw_faults(seed, minutes, only)
    log(f"seed {seed}: {len(faults)} faults in about {sum(fault.seconds for fault in faults) / 60:.0f} minutes")
    async with running(folder) as testbed:
        run = Run(testbed, faults, rate, seed, log)
        try:
            await run.run()
        finally:
            log(f"the report is {report.write(run, OUTPUT, minutes)}")
            copy_logs(folder)
    log("all faults passed" if run.passed else "some faults failed")
    return run.passed


def copy_logs(folder: Path) -> None:
    """Copy all logs of the platform beside the report. Logs of an earlier run are removed."""
    copies = OUTPUT / "logs"
    shutil.rmtree(copies, ignore_errors=True)
    copies.mkdir(parents=True)
    for name in ("logs", *ENGINES):
        for log in (folder / name).glob("*.log*"):
            shutil.copy(log, copies)


def main() -> None:
    """Run. The exit status is 1 if anything broke or did not recover."""
    seed = int(os.environ.get("CHAOS_SEED") or time.time_ns() % 1_000_000)
    minutes = float(os.environ.get("CHAOS_MINUTES") or FULL_MINUTES)
    rate = float(os.environ.get("CHAOS_RATE") or 50)
    only = tuple(part.strip() for part in os.environ.get("CHAOS_ONLY", "").split(",") if part.strip())
    with tempfile.TemporaryDirectory(prefix="onedoor-chaos-", ignore_cleanup_errors=True) as folder:
        passed = uvloop.run(chaos(Path(folder), seed, minutes, rate, only))
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
