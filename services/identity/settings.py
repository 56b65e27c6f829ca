"""The settings of the issuer: environment variables with the prefix ``ONEDOOR_``."""

from datetime import timedelta
from os import getpid
from pathlib import Path
from socket import gethostname
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from contracts.faults import fault
from services.files import file_fault, limited_content
from services.identity.core.clients import Clients
from services.runtime.files.document import read_document
from services.runtime.files.encoding import InvalidFile
from services.runtime.security.encryption import DatabaseAddress, Origin, encrypted_url
from services.runtime.settings import RECORD_RETENTION, KafkaSettings, RecordRetention

FEWEST_CHARACTERS = 32
"""Of a key."""


def read_clients(file: Path) -> Clients:
    """The registered programs in a file. Raises `OSError`, `InvalidFile` or `ValueError`."""
    clients = read_document(Clients, limited_content(file))
    for uri in clients.redirect_uris:
        encrypted_url(uri)
    return clients


def _readable(file: Path) -> Path:
    try:
        read_clients(file)
    except (OSError, InvalidFile) as error:
        faults = file_fault(error) if isinstance(error, OSError) else str(error)
        raise fault(f"is no valid file of programs: {faults}", f"不是有效的程序登记文件：{faults}") from None
    return file


class IdentitySettings(KafkaSettings):
    """The settings of the issuer. A wrong value stops it at the start."""

    service: Literal["identity"] = "identity"
    replica: str = Field(
        default_factory=lambda: f"{gethostname()}-{getpid()}",
        min_length=1,
        max_length=100,
        description="Name of this process in its log.",
    )
    kafka: str = Field(
        "",
        description="Kafka bootstrap addresses, comma separated. Without them the issuer does not know the directory: "
        "accounts are made by commands alone, those who leave it keep their login, and people are managed on no page.",
    )
    documents_key: SecretStr = Field(
        SecretStr(""), description="With Kafka: key that authenticates the directory, the same as at every service."
    )
    issuer: Origin = Field(
        description="Address of the issuer as browsers and services reach it, such as https://login.example.gov.cn. "
        "It stands in every token. Passkeys belong to its host, which must be a name: localhost, not 127.0.0.1."
    )
    database: DatabaseAddress = Field(
        description="The issuer's own database: postgresql+asyncpg://user:password@host/name?ssl=verify-full. Without "
        "the end on this machine only."
    )
    database_connections: int = Field(10, ge=2, le=100, description="Most connections that this process opens.")
    secret_key: SecretStr = Field(
        min_length=32, description="Encrypts the signing keys in the database. Keep it secret; never change it."
    )
    clients: Annotated[Path, AfterValidator(_readable)] = Field(
        description="The programs that may use logins, a YAML file (docs/operate.md)."
    )
    session_idle_minutes: int = Field(
        15, ge=1, le=1440, description="Minutes after which a login that is not used ends."
    )
    session_hours: int = Field(
        12, ge=1, le=168, description="Hours after which a login ends, and with it the refresh tokens that it gave."
    )
    tokens_a_minute: int = Field(
        1200,
        ge=0,
        description="Requests of programs, for tokens and keys, that one client may send at once, and then each "
        "minute. A client is an IPv4 address, or an IPv6 network of 64 bits. The pages are one client. 0: any number.",
    )
    devices_a_minute: int = Field(
        60, ge=0, description="Logins of devices that one client may begin, counted in the same way."
    )
    login_pages_a_minute: int = Field(
        1200, ge=0, description="Requests for pages of the login that one client may send, counted in the same way."
    )
    record_retention_days: RecordRetention = RECORD_RETENTION
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="Lowest level that is logged.")

    @model_validator(mode="after")
    def _check_documents_key(self) -> Self:
        if self.kafka and len(self.documents_key.get_secret_value()) < FEWEST_CHARACTERS:
            raise fault(
                f"documents_key needs at least {FEWEST_CHARACTERS} characters where kafka is set: give the one of the "
                "services",
                f"设置 kafka 时 documents_key 至少须有 {FEWEST_CHARACTERS} 个字符：请填写各服务所用的密钥",
            )
        return self

    @property
    def idle(self) -> timedelta:
        """How long a login lasts without use."""
        return timedelta(minutes=self.session_idle_minutes)

    @property
    def longest(self) -> timedelta:
        """How long a login lasts at most."""
        return timedelta(hours=self.session_hours)
