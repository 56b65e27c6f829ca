"""Settings of the tax adapter (prefix ``ONEDOOR_TAX_``) and of its sandbox."""

from typing import Annotated

from pydantic import Field, SecretStr, UrlConstraints
from pydantic_core import Url
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.departments.sandbox.simulator import SimulatorSettings

HttpUrl = Annotated[Url, UrlConstraints(allowed_schemes=["https", "http"], host_required=True)]


class TaxSettings(BaseSettings):
    """Settings of the adapter."""

    model_config = SettingsConfigDict(env_prefix="ONEDOOR_TAX_", extra="ignore", frozen=True)

    url: HttpUrl = Field(description="Address of the tax department's interface, without a path.")
    client_id: str = Field("onedoor", min_length=1, description="OAuth 2 client id.")
    client_secret: SecretStr = Field(min_length=16, description="OAuth 2 client secret.")
    timeout_s: float = Field(10.0, gt=0, le=300, description="Seconds after which a request has failed.")
    connections: int = Field(16, ge=1, le=500, description="Most requests at a time.")


class TaxSandboxSettings(SimulatorSettings):
    """Settings of the sandbox."""

    host: str = Field("127.0.0.1", description="Address the sandbox listens on.")
    port: int = Field(8181, ge=0, le=65535, description="Port the sandbox listens on; 0 for any that is free.")
    client_id: str = Field("onedoor", min_length=1, description="The OAuth 2 client that it accepts.")
    client_secret: SecretStr = Field(min_length=16, description="That client's secret.")
    token_s: float = Field(600.0, gt=0, description="Seconds for which a token is valid.")
    silent_s: float = Field(30.0, gt=0, description="Seconds without an answer in the mistake 'silent'.")
