"""Connections to other machines must be encrypted and verified; those on this machine are free."""

from typing import Any

import pytest
from pydantic import ValidationError

from services.departments.commerce.settings import CommerceSettings
from services.departments.recorded.settings import RecordedSettings
from services.departments.tax.settings import TaxSettings
from services.monitor.settings import MonitorSettings
from services.operator.audit.settings import AuditSettings
from services.operator.audit.targets import targets
from services.operator.databases import WrongChoice, chosen
from services.operator.options import DatabaseOptions
from services.runtime.configuration import WrongSetting
from services.runtime.security.encryption import EXCEPTION, encrypted_database, encrypted_url
from services.runtime.settings import Settings
from services.start import migrate

PLAIN = "postgresql+asyncpg://u:p@db.example/d"
VERIFIED = f"{PLAIN}?ssl=verify-full"
HOOK_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def service(**changes: Any) -> Settings:
    given = {
        "service": "intake",
        "systems": ("tax",),
        "database": VERIFIED,
        "secret_key": "k" * 32,
        "documents_key": "k" * 32,
    }
    return Settings(**{**given, **changes})


def channel(url: object) -> MonitorSettings:
    return MonitorSettings(channels={"one": url})


def tax(url: str) -> TaxSettings:
    return TaxSettings(url=url, client_secret="s" * 16)


UNPROTECTED = [
    lambda: service(database=PLAIN),
    *(
        lambda mode=mode: service(database=f"{PLAIN}?ssl={mode}")
        for mode in ("require", "prefer", "verify-ca", "false")
    ),
    lambda: service(database="postgresql+asyncpg://u:p@/d?host=db.example"),
    lambda: service(database="postgresql+asyncpg://u:p@/d?host=127.0.0.1:5432&host=db.example:5432"),
    lambda: service(database="postgresql+asyncpg://u:p@127.0.0.1/d?host=db.example"),
    lambda: service(database="postgresql+asyncpg://u:p@127.0.0.1/d?host=127.0.0.1:5432&host=db.example:5432"),
    lambda: service(kafka="db.example:9092"),
    lambda: service(kafka="127.0.0.1:9092,db.example:9092"),
    lambda: service(kafka="db.example:9092", kafka_security="SASL_PLAINTEXT", kafka_username="u", kafka_password="p"),
    lambda: tax("http://db.example"),
    lambda: CommerceSettings(exchange=PLAIN),
    lambda: RecordedSettings(ledger=PLAIN),
    lambda: channel({"hook": "http://db.example/{address}", "secret": HOOK_SECRET}),
    lambda: channel("mailto://u:p@db.example?to={address}"),
    lambda: channel("mailtos://u:p@db.example?to={address}&verify=no"),
    lambda: channel("mailtos://u:p@db.example?to={address}&mode=insecure"),
    lambda: channel("mailto://u:p@gov.example?smtp=db.example&to={address}"),
    lambda: channel("json://db.example/{address}"),
]

PROTECTED = [
    lambda: service(),
    lambda: service(database="postgresql+asyncpg://u:p@127.0.0.1/d"),
    lambda: service(database="postgresql+asyncpg://u:p@[::1]:5432/d"),
    lambda: service(database="postgresql+asyncpg://u@/d?host=/run/postgresql"),
    lambda: service(database="postgresql+asyncpg://u@/d"),
    lambda: service(kafka="localhost:9092,[::1]:9093"),
    lambda: service(kafka="db.example:9093", kafka_security="SSL"),
    lambda: tax("https://db.example"),
    lambda: tax("http://127.0.0.1:8080"),
    lambda: channel({"hook": "https://db.example/{address}", "secret": HOOK_SECRET}),
    lambda: channel("mailtos://u:p@db.example?to={address}"),
    lambda: channel("mailto://127.0.0.1:25?to={address}"),
    lambda: channel("slack://TokenA/TokenB/TokenC"),
]


@pytest.mark.parametrize("make", UNPROTECTED)
def test_an_unprotected_connection_to_another_machine_is_refused(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValidationError, match="is another machine, so the connection must be encrypted") as refused:
        make()
    assert "name db.example in ONEDOOR_ALLOW_UNENCRYPTED_CONNECTIONS_TO" in str(refused.value)
    assert "u:p" not in str(refused.value)
    monkeypatch.setenv(EXCEPTION, "another.example")
    with pytest.raises(ValidationError):
        make()
    monkeypatch.setenv(EXCEPTION, "another.example, db.example")
    make()


@pytest.mark.parametrize("named", ["dsn=postgresql://db.example/d", "service=centre", "servicefile=centre.conf"])
def test_a_database_whose_host_is_named_elsewhere_is_refused(named: str) -> None:
    with pytest.raises(ValidationError, match="must name its host itself"):
        service(database=f"postgresql+asyncpg://u:p@/d?{named}")
    service(database=f"postgresql+asyncpg://u:p@/d?{named}&ssl=verify-full")


@pytest.mark.parametrize(
    "address",
    [
        "u:s3cret@127.0.0.1:99999/d",
        "u:s3cret@127.0.0.1:0/d",
        "u:s3c?ret@[::1/d",
        "u:s3c:ret/d",
    ],
)
def test_a_malformed_address_of_a_database_is_refused_without_its_password(address: str) -> None:
    with pytest.raises(ValidationError, match="password written as %2F") as refused:
        service(database=f"postgresql+asyncpg://{address}")
    assert "s3c" not in str(refused.value)
    with pytest.raises(WrongChoice, match="must be like") as wrong:
        chosen("intake", DatabaseOptions(f"postgresql+asyncpg://{address}", None))
    assert "s3c" not in str(wrong.value)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:99999", "http://127.0.0.1:x", "https://[::1", "http://:80", "https://"]
)
def test_a_malformed_address_of_http_is_refused_in_both_languages(url: str) -> None:
    with pytest.raises(ValueError, match="is no address of HTTP"):
        encrypted_url(url)


def test_a_service_of_the_environment_names_no_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGSERVICE", "centre")
    with pytest.raises(ValidationError, match="not by PGSERVICE"):
        service(database="postgresql+asyncpg://u:p@/d")
    service(database="postgresql+asyncpg://u:p@127.0.0.1/d")


@pytest.mark.parametrize("make", PROTECTED)
def test_protected_and_local_connections_are_free(make: Any) -> None:
    make()


def test_commands_refuse_them_too() -> None:
    with pytest.raises(WrongChoice, match=r"db\.example is another machine"):
        chosen("intake", DatabaseOptions(PLAIN, None))
    with pytest.raises(WrongSetting, match=r"db\.example is another machine"):
        next(migrate(["intake"], PLAIN))
    ledgers = AuditSettings(systems=("tax",), audit_ledgers={"tax": PLAIN})
    with pytest.raises(WrongChoice, match=r"ONEDOOR_AUDIT_LEDGERS: tax: db\.example is another machine"):
        targets(DatabaseOptions("postgresql+asyncpg://u:p@127.0.0.1/{service}", None), ledgers)


def test_the_host_of_the_environment_counts_where_the_address_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "db.example")
    with pytest.raises(ValueError, match=r"db\.example is another machine"):
        encrypted_database("postgresql+asyncpg://u@/d")
