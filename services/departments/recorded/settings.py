"""Settings of the recorded department. Prefix ``ONEDOOR_RECORDED_``."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.departments.sdk.settings import AdapterSettings
from services.runtime.security.encryption import DatabaseAddress


class RecordedSettings(AdapterSettings):
    """Settings of the adapter."""

    model_config = SettingsConfigDict(env_prefix="ONEDOOR_RECORDED_")

    ledger: DatabaseAddress = Field(
        description="Database of the recorded answers: postgresql+asyncpg://user:password@host/name?ssl=verify-full."
    )
