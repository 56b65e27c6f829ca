"""The settings of the front: environment variables with the prefix ``ONEDOOR_``."""

from datetime import timedelta
from os import getpid
from socket import gethostname
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from services.front.core.routes import Backend, Routes
from services.front.core.sessions import SessionLimits
from services.runtime.security.encryption import DatabaseAddress, Origin, encrypted_url, origin, split
from services.runtime.settings import RECORD_RETENTION, HttpSettings, RecordRetention


def _backends(backends: dict[str, Backend]) -> dict[str, Backend]:
    for backend in backends.values():
        for address in backend.addresses:
            origin(address)
    Routes(backends)
    return backends


class FrontSettings(HttpSettings):
    """The settings of the front. A wrong value stops it at the start."""

    replica: str = Field(
        default_factory=lambda: f"{gethostname()}-{getpid()}",
        min_length=1,
        max_length=100,
        description="Name of this process in its log.",
    )
    address: Origin = Field(
        description="The one address, as browsers reach it, such as https://onedoor.example.gov.cn. Forms of pages at "
        "any other address are refused."
    )
    issuer: Annotated[str, AfterValidator(encrypted_url)] = Field(
        description="Address of the issuer of logins: any provider of OpenID Connect."
    )
    client_id: str = Field("pages", min_length=1, description="The id under which the issuer knows the pages.")
    client_secret: SecretStr = Field(min_length=1, description="The secret of the pages at the issuer.")
    subject_claim: str = Field(
        "sub",
        pattern="^[a-z_]{1,64}$",
        description="The claim of ID tokens that has the id which the directory gives to the person, as at the "
        "services.",
    )
    issuer_addresses: Annotated[tuple[Origin, ...], NoDecode, BeforeValidator(split)] = Field(
        (),
        description="Addresses of the processes of the issuer that comes with onedoor, comma separated, where people "
        "reach it at the one address, too. None for an issuer elsewhere.",
    )
    services: Annotated[dict[str, Backend], AfterValidator(_backends)] = Field(
        description="The services by their names, each with the `addresses` of its processes, the first segments of "
        "its `pages` for people who have logged in, and of its `public` ones: "
        '{"monitor": {"addresses": ["http://127.0.0.1:8001"], "pages": ["board"]}}. See operate.md.'
    )
    walls: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")], SecretStr] = Field(
        {},
        description="The programs of wall displays at the issuer (client credentials), each with its secret: "
        '{"wall": "..."}. See operate.md.',
    )
    home: str = Field("/home", pattern=r"^/[a-z0-9/-]+$", description="The page to which `/` leads.")
    database: DatabaseAddress = Field(
        description="The front's own database: postgresql+asyncpg://user:password@host/name?ssl=verify-full. Without "
        "the end on this machine only."
    )
    database_connections: int = Field(10, ge=2, le=100, description="Most connections that this process opens.")
    secret_key: SecretStr = Field(
        min_length=32, description="Encrypts the tokens in the database. With another one all must log in again."
    )
    session_idle_minutes: int = Field(
        15, ge=1, le=1440, description="Minutes after which a session that is not used ends."
    )
    session_hours: int = Field(
        12, ge=1, le=168, description="Hours after which a session ends, however much it is used."
    )
    record_retention_days: RecordRetention = RECORD_RETENTION
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="Lowest level that is logged.")

    @property
    def limits(self) -> SessionLimits:
        """How long a session lasts."""
        return SessionLimits(timedelta(minutes=self.session_idle_minutes), timedelta(hours=self.session_hours))

    @property
    def encrypted(self) -> bool:
        """Whether browsers reach the front by https."""
        return self.address.startswith("https://")
