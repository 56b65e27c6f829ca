"""Settings of the recorded department. Prefix ``ONEDOOR_RECORDED_``."""

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class RecordedSettings(BaseSettings):
    """Settings of the adapter."""

    model_config = SettingsConfigDict(env_prefix="ONEDOOR_RECORDED_", extra="ignore", frozen=True)

    ledger: SecretStr = Field(
        description="Database of the recorded answers: postgresql+asyncpg://user:password@host/name."
    )
