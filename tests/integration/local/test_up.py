"""``onedoor up`` and other commands as a person runs them, each in a process of its own."""

import json
import signal
import urllib.request
from pathlib import Path

import pytest

from tests.support.installation import OnedoorUp, all_end, run_onedoor


async def test_up_is_killed_and_continues_with_the_same_addresses(tmp_path: Path) -> None:
    up = OnedoorUp(tmp_path / "data")
    await up.ready()
    for name in ("intake", "monitor", "monitor-2", "tax"):
        with urllib.request.urlopen(f"{up.address(name)}/health/ready", timeout=10) as answer:
            assert answer.status == 200, json.load(answer)
    addresses = [up.address(name) for name in ("intake", "kafka", "postgres")]
    family = up.family()
    assert len(family) > 15
    up.process.kill()
    up.process.wait()
    await all_end(family)

    up = OnedoorUp(tmp_path / "data")
    await up.ready()
    assert [up.address(name) for name in ("intake", "kafka", "postgres")] == addresses
    family = up.family()
    up.process.send_signal(signal.SIGTERM)
    assert up.process.wait(timeout=30) == 0
    await all_end(family)


def test_a_wrong_setting_stops_a_service_with_its_name_value_and_what_is_allowed() -> None:
    result = run_onedoor("serve", "intake", ONEDOOR_PORT="99999", ONEDOOR_DATABASE="x", ONEDOOR_SECRET_KEY="too short")
    assert result.returncode == 2
    assert "ONEDOOR_PORT = '99999': Input should be less than or equal to 65535" in result.stderr
    assert "ONEDOOR_SECRET_KEY = (a secret): " in result.stderr
    assert "too short" not in result.stderr
    assert "Traceback" not in result.stderr


def test_a_missing_setting_is_named_with_its_meaning() -> None:
    result = run_onedoor("sandbox", "tax")
    assert result.returncode == 2
    assert "ONEDOOR_SANDBOX_DATABASE is not set. Meaning: " in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [("serve", "nobody"), ("migrate", "intake"), ("up", "--replicas", "monitor=0"), ("up", "--replicas", "x=1")],
)
def test_a_wrong_argument_is_refused(arguments: tuple[str, ...]) -> None:
    result = run_onedoor(*arguments)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
