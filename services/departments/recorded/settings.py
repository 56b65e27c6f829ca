"""Settings of the recorded department. Prefix ``ONEDOOR_RECORDED_``."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.runtime.security.encryption import DatabaseAddress


class RecordedSettings(BaseSettings):
    """Settings of the adapter."""

    model_config = SettingsConfigDict(
        env_prefix="ONEDOOR_RECORDED_", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    ledger: DatabaseAddress = Field(
        description="Database of the recorded answers: postgresql+asyncpg://user:password@host/name?ssl=verify-full."
    )
