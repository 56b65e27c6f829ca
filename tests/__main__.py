"""Runs the tests: ``python -m tests [PYTEST ARGUMENT ...]``.

First all tests side by side, as many files at a time as there are processors; the tests of one file share a platform.
Then, with the machine to themselves, those marked ``alone``: they measure how long others wait. The exit status is that
of pytest.
"""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.alone import ALONE

PYTEST = (sys.executable, "-m", "pytest")
NO_TESTS = 5
"""Exit status of pytest when no test was selected."""


def main(arguments: list[str]) -> int:
    """Run both parts, also if the first one fails."""
    workers = str(os.cpu_count() or 1)
    chosen = any(Path(argument.partition("::")[0]).exists() for argument in arguments)
    parts = (
        ("-m", "not alone", "-n", workers, "--dist", "loadfile", "--no-loadscope-reorder"),
        ("-m", "alone", *(() if chosen else (ALONE,))),
    )
    statuses = [subprocess.run([*PYTEST, *part, *arguments], check=False).returncode for part in parts]
    failed = [status for status in statuses if status not in (0, NO_TESTS)]
    if failed:
        return failed[0]
    return NO_TESTS if set(statuses) == {NO_TESTS} else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
