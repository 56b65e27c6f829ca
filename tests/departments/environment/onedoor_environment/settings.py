"""Settings of the environment adapter. Prefix ``ONEDOOR_ENVIRONMENT_``."""

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from services.departments.sdk.settings import AdapterSettings
from services.runtime.security.encryption import encrypted_url


class EnvironmentSettings(AdapterSettings):
    """Settings of the adapter."""

    model_config = SettingsConfigDict(env_prefix="ONEDOOR_ENVIRONMENT_")

    call_limits = (("timeout_s",),)

    url: Annotated[str, AfterValidator(encrypted_url)] = Field(
        pattern="^https?://[^/]+$", description="Address of the department's interface, without a path."
    )
    key: SecretStr = Field(min_length=16, description="API key that the department has issued to the centre.")
    timeout_s: float = Field(10.0, gt=0, le=300, description="Seconds after which a request has failed.")
