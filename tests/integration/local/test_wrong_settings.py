"""Wrong settings and arguments of commands, as a person meets them: each command in a process of its own."""

import pytest

from tests.support.installation import run_onedoor


def test_a_wrong_setting_stops_a_service_with_its_name_value_and_what_is_allowed() -> None:
    result = run_onedoor(
        "serve",
        "intake",
        ONEDOOR_PORT="99999",
        ONEDOOR_DATABASE="x",
        ONEDOOR_SECRET_KEY="too short",
        ONEDOOR_DOCUMENTS_KEY="k" * 32,
    )
    assert result.returncode == 2
    assert "ONEDOOR_PORT = '99999': must be 65535 or less / 不得大于 65535" in result.stderr
    assert "ONEDOOR_SECRET_KEY = (a secret): " in result.stderr
    assert "too short" not in result.stderr
    assert "Traceback" not in result.stderr


def test_a_missing_setting_is_named_with_its_meaning() -> None:
    result = run_onedoor("sandbox", "tax")
    assert result.returncode == 2
    assert "ONEDOOR_SANDBOX_DATABASE is not set; set it / 未设置，请设置. Meaning: " in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("serve", "nobody"),
        ("migrate", "intake"),
        ("up", "--replicas", "monitor=0"),
        ("up", "--replicas", "monitor=²"),
        ("up", "--replicas", "x=1"),
    ],
)
def test_a_wrong_argument_is_refused(arguments: tuple[str, ...]) -> None:
    result = run_onedoor(*arguments)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("up", "--folder", __file__), "choose another --folder"),
        (
            ("migrate", "intake", "--database", "postgresql+asyncpg://user:password@127.0.0.1:1/nowhere"),
            "user:***@127.0.0.1:1/nowhere cannot be used: nothing listens at this address",
        ),
    ],
)
def test_what_cannot_be_used_is_named_without_a_traceback(arguments: tuple[str, ...], reason: str) -> None:
    result = run_onedoor(*arguments)
    assert result.returncode == 1
    assert reason in result.stdout + result.stderr
    assert "Traceback" not in result.stdout + result.stderr
