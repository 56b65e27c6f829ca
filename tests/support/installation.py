"""The command ``onedoor`` as an operator runs it: in processes of its own, on a folder of the test."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Self

import psutil

from tests.support.waiting import eventually

COMMAND = [sys.executable, "-m", "onedoor.cli"]
IMPORTS_OF_ADAPTER = """
import sys
from services import registry, start
from services.departments.sdk.declaration import resolve

start.load(sys.argv[1])
department = registry.department(sys.argv[1])
resolve(department.settings), resolve(department.adapter)
print(*sys.modules)
"""
READY_WITHIN_S = 60.0


class OnedoorUp:
    """``onedoor up --plain`` on a folder, with two replicas of monitor. Its output goes to a file.

    ``with OnedoorUp(folder) as up`` kills it at the end, if the test has not stopped it.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        folder.mkdir(exist_ok=True)
        self._output = folder.parent / "output.txt"
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [*COMMAND, "up", "--plain", "--folder", folder, "--replicas", "monitor=2", *options],
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        """Kill it, and wait for its end. Its processes die with it."""
        self.process.kill()
        self.process.wait()

    @property
    def output(self) -> str:
        return self._output.read_text()

    async def ready(self) -> None:
        """Wait until the last address has been printed."""

        async def complete() -> bool:
            assert self.process.poll() is None, self.output
            return "\ntax http" in self.output

        await eventually(complete, READY_WITHIN_S, "onedoor up is ready")

    def address(self, name: str) -> str:
        """The printed public address of a process or an engine."""
        return self._printed(name)[1]

    def operator_address(self, name: str) -> str:
        """The printed address at which operators ask a process."""
        return self._printed(name)[2]

    def _printed(self, name: str) -> list[str]:
        return next(line.split() for line in self.output.splitlines() if line.startswith(f"{name} "))

    def family(self) -> list[psutil.Process]:
        """All processes that it has started, directly or not."""
        return psutil.Process(self.process.pid).children(recursive=True)


async def all_end(processes: list[psutil.Process]) -> None:
    """Wait until all of the processes have ended. Raises `TimeoutError` after 15 seconds."""

    async def ended() -> bool:
        return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)

    await eventually(ended, 15, f"{len(processes)} processes have ended")


def run_onedoor(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run the command to its end."""
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )


def modules_behind_adapter(system: str) -> set[str]:
    """The modules that ``onedoor serve`` imports for a department."""
    command = [sys.executable, "-c", IMPORTS_OF_ADAPTER, system]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
