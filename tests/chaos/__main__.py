"""``make chaos``: faults under load, as drawn from ``CHAOS_SEED``, for ``CHAOS_MINUTES``.

``CHAOS_RATE`` is how many applications come in a second, and ``CHAOS_ONLY`` names the only kinds of fault, or the
beginnings of single faults' names, comma separated. The report and all logs are left in ``build/chaos``.
"""

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from tests.chaos import report
from tests.chaos.run import Run
from tests.chaos.schedule import FULL_MINUTES, drawn
from tests.chaos.testbed import ENGINES, running

OUTPUT = Path("build") / "chaos"


async def chaos(folder: Path, seed: int, minutes: float, rate: float, only: tuple[str, ...]) -> bool:
    """A run in this folder; whether the platform has borne it."""
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:7.1f} s  {text}", flush=True)

    faults = drawn(seed, minutes, only)
    say(f"seed {seed}: {len(faults)} faults in about {sum(fault.seconds for fault in faults) / 60:.0f} minutes")
    async with running(folder) as site:
        run = Run(site, faults, rate, seed, say)
        try:
            await run.go()
        finally:
            say(f"the report is {report.write(run, OUTPUT, minutes)}")
            keep_logs(folder)
    say("all is well" if run.well else "something broke")
    return run.well


def keep_logs(folder: Path) -> None:
    """Copy all logs of the platform to where the report is, in place of those of an earlier run."""
    kept = OUTPUT / "logs"
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    for name in ("logs", *ENGINES):
        for log in (folder / name).glob("*.log*"):
            shutil.copy(log, kept)


def main() -> None:
    """Run, and end with status 1 if anything broke or did not come back."""
    seed = int(os.environ.get("CHAOS_SEED") or time.time_ns() % 1_000_000)
    minutes = float(os.environ.get("CHAOS_MINUTES") or FULL_MINUTES)
    rate = float(os.environ.get("CHAOS_RATE") or 50)
    only = tuple(part.strip() for part in os.environ.get("CHAOS_ONLY", "").split(",") if part.strip())
    with tempfile.TemporaryDirectory(prefix="onedoor-chaos-", ignore_cleanup_errors=True) as folder:
        well = uvloop.run(chaos(Path(folder), seed, minutes, rate, only))
    sys.exit(0 if well else 1)


if __name__ == "__main__":
    main()
