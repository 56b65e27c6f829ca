"""An adapter's own time limits go with those of its service: other combinations are refused at the start."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from services import registry
from services.departments.sandbox.settings import SandboxSettings
from services.departments.sdk.declaration import resolve
from services.departments.sdk.service import department_service
from services.departments.sdk.settings import AdapterSettings
from services.runtime.clock import SystemClock
from services.runtime.configuration import WrongSetting
from services.runtime.settings import Settings
from tests.support.messages import at

ENVIRONMENT = {
    "tax": {"ONEDOOR_TAX_URL": "http://127.0.0.1:1", "ONEDOOR_TAX_CLIENT_SECRET": "s" * 16},
    "commerce": {"ONEDOOR_COMMERCE_EXCHANGE": "postgresql+asyncpg://u@127.0.0.1/exchange"},
    "land": {"ONEDOOR_LAND_KEY": "key", "ONEDOOR_LAND_HOST_KEY": "host.pub"},
}


@dataclass
class Host:
    """The requirements of a department's service on its process."""

    settings: Settings
    clock: SystemClock


def start(
    monkeypatch: pytest.MonkeyPatch, system: str, settings: Mapping[str, str] = {}, call_timeout_s: float = 30
) -> None:
    """Start the connection of a department's service to its system."""
    for name, value in {**ENVIRONMENT[system], **settings}.items():
        monkeypatch.setenv(name, value)
    of_service = Settings(
        service=system,
        systems=(system,),
        database=SecretStr("postgresql+asyncpg://u@127.0.0.1/d"),
        secret_key=SecretStr("k" * 32),
        documents_key=SecretStr("k" * 32),
        call_timeout_s=call_timeout_s,
    )
    make: Any = department_service(registry.department(system)).external_system
    make(Host(of_service, SystemClock()))


@pytest.mark.parametrize("system", ENVIRONMENT)
def test_the_defaults_go_together(monkeypatch: pytest.MonkeyPatch, system: str) -> None:
    start(monkeypatch, system)


@pytest.mark.parametrize(
    ("system", "wrong", "names"),
    [
        (
            "land",
            {"ONEDOOR_LAND_FILE_TIMEOUT_S": "20"},
            "ONEDOOR_LAND_TIMEOUT_S + ONEDOOR_LAND_FILE_TIMEOUT_S = 10 + 20",
        ),
        ("land", {"ONEDOOR_LAND_WAIT_S": "25"}, "ONEDOOR_LAND_TIMEOUT_S + ONEDOOR_LAND_WAIT_S = 10 + 25 s"),
        ("tax", {"ONEDOOR_TAX_TIMEOUT_S": "31"}, "ONEDOOR_TAX_TIMEOUT_S = 31 s"),
        (
            "commerce",
            {"ONEDOOR_COMMERCE_WAIT_S": "20.5"},
            "ONEDOOR_COMMERCE_TIMEOUT_S + ONEDOOR_COMMERCE_WAIT_S = 10 + 20.5",
        ),
    ],
)
def test_limits_that_a_call_cannot_keep_are_refused_at_the_start(
    monkeypatch: pytest.MonkeyPatch, system: str, wrong: dict[str, str], names: str
) -> None:
    with pytest.raises(WrongSetting) as refused:
        start(monkeypatch, system, wrong)
    text = str(refused.value)
    assert text.startswith(names) and "less than ONEDOOR_CALL_TIMEOUT_S = 30 s" in text and "请调低前者" in text
    start(monkeypatch, system, wrong, call_timeout_s=60)


@pytest.mark.parametrize("system", registry.departments())
def test_every_adapter_names_settings_that_it_has(system: str) -> None:
    kind: type[AdapterSettings] = resolve(registry.department(system).settings)
    assert {name for names in kind.call_limits for name in names} <= kind.model_fields.keys()
    limits = {name for name in kind.model_fields if name.endswith("timeout_s")}
    assert limits <= {name for names in kind.call_limits for name in names}, "each time limit is checked"


def test_an_outage_of_a_sandbox_ends_after_it_began() -> None:
    def outage(**times: Any) -> SandboxSettings:
        return SandboxSettings(database=SecretStr("postgresql+asyncpg://u@127.0.0.1/d"), **times)

    monday, tuesday = at("2026-03-02 09:00"), at("2026-03-03 09:00")
    outage(away_from=monday, away_until=tuesday)
    outage(away_from=monday)
    for wrong in ({"away_from": tuesday, "away_until": monday}, {"away_until": monday}):
        with pytest.raises(ValidationError, match="away_until must be after away_from"):
            outage(**wrong)
