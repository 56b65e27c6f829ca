"""The command ``onedoor up`` and its like, as a person would run them."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import psutil
import pytest

from deploy.local.processes import until

DEADLINE = 60.0
COMMAND = [sys.executable, "-m", "onedoor.cli"]


class Up:
    """``onedoor up --plain`` in a folder, with what it says in a file."""

    def __init__(self, folder: Path, *options: str) -> None:
        folder.mkdir(exist_ok=True)
        self._output = folder.parent / "output.txt"
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [*COMMAND, "up", "--plain", "--folder", folder, "--replicas", "monitor=2", *options],
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def said(self) -> str:
        return self._output.read_text()

    async def ready(self) -> None:
        async def so() -> bool:
            assert self.process.poll() is None, self.said
            return "land http" in self.said

        assert await until(so, DEADLINE), self.said

    def address(self, name: str) -> str:
        return next(line.split()[1] for line in self.said.splitlines() if line.startswith(f"{name} "))

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)


async def all_gone(processes: list[psutil.Process]) -> bool:
    async def gone() -> bool:
        return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)

    return await until(gone, timeout_seconds=15)


async def test_up_is_ready_is_killed_and_goes_on(tmp_path: Path) -> None:
    up = Up(tmp_path / "data")
    await up.ready()
    for name in ("intake", "monitor", "monitor-2", "tax"):
        with urllib.request.urlopen(f"{up.address(name)}/health/ready", timeout=10) as answer:
            assert answer.status == 200, json.load(answer)
    addresses = [up.address(name) for name in ("intake", "kafka", "postgres")]
    family = up.family()
    assert len(family) > 15
    up.process.kill()
    up.process.wait()
    assert await all_gone(family)

    up = Up(tmp_path / "data")
    await up.ready()
    assert [up.address(name) for name in ("intake", "kafka", "postgres")] == addresses
    family = up.family()
    up.process.send_signal(signal.SIGTERM)
    assert up.process.wait(timeout=30) == 0
    assert await all_gone(family)


def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )


def test_a_wrong_setting_stops_a_service_with_its_name_value_and_what_is_allowed() -> None:
    result = run("serve", "intake", ONEDOOR_PORT="99999", ONEDOOR_DATABASE="x", ONEDOOR_SECRET_KEY="too short")
    assert result.returncode == 2
    assert "ONEDOOR_PORT = '99999': Input should be less than or equal to 65535" in result.stderr
    assert "ONEDOOR_SECRET_KEY = (a secret): " in result.stderr
    assert "too short" not in result.stderr
    assert "Traceback" not in result.stderr


def test_a_missing_setting_is_named_with_its_meaning() -> None:
    result = run("sandbox", "tax")
    assert result.returncode == 2
    assert "ONEDOOR_SANDBOX_DATABASE is not set. Meaning: " in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [("serve", "nobody"), ("migrate", "intake"), ("up", "--replicas", "monitor=0"), ("up", "--replicas", "x=1")],
)
def test_a_wrong_argument_is_refused(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
