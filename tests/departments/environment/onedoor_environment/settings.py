"""Settings of the environment adapter. Prefix ``ONEDOOR_ENVIRONMENT_``."""

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class EnvironmentSettings(BaseSettings):
    """Settings of the adapter."""

    model_config = SettingsConfigDict(env_prefix="ONEDOOR_ENVIRONMENT_", extra="ignore", frozen=True)

    url: str = Field(pattern="^https?://[^/]+$", description="Address of the department's interface, without a path.")
    key: SecretStr = Field(min_length=16, description="API key that the department has issued to the centre.")
    timeout_s: float = Field(10.0, gt=0, le=300, description="Seconds after which a request has failed.")
