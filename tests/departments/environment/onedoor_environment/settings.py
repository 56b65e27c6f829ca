"""Settings of the environment adapter and its sandbox."""

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.departments.sandbox.simulator import SimulatorSettings


class EnvironmentSettings(BaseSettings):
    """Settings of the adapter. Prefix ``ONEDOOR_ENVIRONMENT_``."""

    model_config = SettingsConfigDict(env_prefix="ONEDOOR_ENVIRONMENT_", extra="ignore", frozen=True)

    url: str = Field(pattern="^https?://[^/]+$", description="Address of the department's interface, without a path.")
    key: SecretStr = Field(min_length=16, description="API key that the department has issued to the centre.")
    timeout_s: float = Field(10.0, gt=0, le=300, description="Seconds after which a request has failed.")


class EnvironmentSandboxSettings(SimulatorSettings):
    """Settings of the sandbox."""

    host: str = Field("127.0.0.1", description="Address the sandbox listens on.")
    port: int = Field(8383, ge=0, le=65535, description="Port the sandbox listens on; 0 for any that is free.")
    key: SecretStr = Field(min_length=16, description="The API key that it accepts.")
    silent_s: float = Field(30.0, gt=0, description="Seconds without an answer in the mistake 'silent'.")
