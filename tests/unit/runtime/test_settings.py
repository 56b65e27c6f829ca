"""Settings: a wrong one stops the service, named, with what is allowed."""

import os
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.runtime.configuration import WrongSetting, read
from services.runtime.http.connections.connection import TimeLimits
from services.runtime.settings import Settings

GOOD = {
    "service": "intake",
    "systems": "tax",
    "database": "postgresql+asyncpg://u:p@127.0.0.1/d",
    "secret_key": "k" * 32,
    "documents_key": "k" * 32,
}


def make(**changes: object) -> Settings:
    values: dict[str, Any] = {**GOOD, **changes}
    return Settings(**values)


def test_the_required_settings_are_enough() -> None:
    settings = make()
    assert (settings.port, settings.http_head_s, settings.http_transfer_s) == (8000, *TimeLimits()) == (8000, 10, 20)


def test_values_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**GOOD, "systems": "tax, land", "port": "8123"}.items():
        monkeypatch.setenv(f"ONEDOOR_{name.upper()}", value)
    settings = Settings()
    assert settings.systems == ("tax", "land")
    assert settings.port == 8123


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"port": 0}, "greater than or equal to 1"),
        ({"port": 9000}, "port and operator_port must differ"),
        ({"trusted_proxies": "10.1.0.0/16,proxy"}, "neither an IP address nor a network"),
        ({"trusted_proxies": "10.1.2.3/16"}, "neither an IP address nor a network"),
        ({"trusted_proxies": "0.0.0.0/0"}, "everybody"),
        ({"trusted_proxies": "::/0"}, "everybody"),
        ({"batch": 5001}, "less than or equal to 5000"),
        ({"kafka_security": "none"}, "PLAINTEXT|SSL"),
        ({"secret_key": "short"}, "at least 32"),
        ({"issuer": "login.example.gov.cn"}, "is no address of HTTP"),
        ({"topic_retention_days": 90}, "shorter than closed_retention_days"),
        ({"kafka_security": "SASL_SSL"}, "kafka_username and kafka_password"),
        ({"systems": "Tax"}, "should match pattern"),
        ({"systems": ""}, "at least 1 item"),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_allowed(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason.replace("|", r"\|")):
        make(**changes)


def test_the_default_name_of_a_process_differs_for_each_and_does_not_last() -> None:
    one, set_by_hand = make(), make(replica="2")
    assert one.replica.endswith(f"-{os.getpid()}") and one.lasting_replica is None
    assert set_by_hand.replica == set_by_hand.lasting_replica == "2"


def test_secrets_do_not_show() -> None:
    assert "k" * 32 not in repr(make()) and "u:p" not in repr(make())


def test_an_adapter_reads_its_own_topics_and_the_others_read_all() -> None:
    settings = make(systems="tax,land")
    assert settings.systems_of("tax") == ("tax",)
    assert settings.systems_of("routing") == ("tax", "land")


class Several(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="ONEDOOR_")

    ledgers: dict[str, SecretStr] = {}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"tax": "secret-1",\n "tax": "secret-2"}', "ONEDOOR_LEDGERS: tax stands twice, in line 1 and in line 2"),
        ('{"tax": "secret-1"', "ONEDOOR_LEDGERS: no JSON: there is a fault in line 1"),
    ],
)
def test_a_setting_of_several_values_has_each_name_once(
    monkeypatch: pytest.MonkeyPatch, text: str, reason: str
) -> None:
    monkeypatch.setenv("ONEDOOR_LEDGERS", text)
    with pytest.raises(WrongSetting) as wrong:
        read(Several)
    assert reason in str(wrong.value) and "secret" not in str(wrong.value)
