"""Settings of the commerce adapter. Prefix ``ONEDOOR_COMMERCE_``."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.departments.sdk.settings import AdapterSettings
from services.runtime.security.encryption import DatabaseAddress


class CommerceSettings(AdapterSettings):
    """Settings of the adapter."""

    model_config = SettingsConfigDict(env_prefix="ONEDOOR_COMMERCE_")

    call_limits = (("timeout_s", "wait_s"),)

    exchange: DatabaseAddress = Field(
        description="The department's exchange database: postgresql+asyncpg://user:password@host/name?ssl=verify-full."
    )
    connections: int = Field(4, ge=1, le=50, description="Most connections to it.")
    timeout_s: float = Field(
        10.0,
        gt=0,
        le=300,
        description="Seconds after which a statement has failed. With wait_s less than call_timeout_s.",
    )
    wait_s: float = Field(
        1.0, ge=0, le=60, description="Seconds to wait for the department to process rows just written."
    )
    org_code: str | None = Field(
        None, pattern="^[0-9A-Z]{18}$", description="The department's unified social credit code, put into each row."
    )
