"""Settings of the tax adapter. Prefix ``ONEDOOR_TAX_``."""

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, UrlConstraints
from pydantic_core import Url
from pydantic_settings import SettingsConfigDict

from services.departments.sdk.settings import AdapterSettings
from services.runtime.security.encryption import encrypted_url


def _encrypted(url: Url) -> Url:
    encrypted_url(str(url))
    return url


HttpUrl = Annotated[
    Url, UrlConstraints(allowed_schemes=["https", "http"], host_required=True), AfterValidator(_encrypted)
]


class TaxSettings(AdapterSettings):
    """Settings of the adapter."""

    model_config = SettingsConfigDict(env_prefix="ONEDOOR_TAX_")

    call_limits = (("timeout_s",),)

    url: HttpUrl = Field(description="Address of the tax department's interface, without a path.")
    client_id: str = Field("onedoor", min_length=1, description="OAuth 2 client id.")
    client_secret: SecretStr = Field(min_length=16, description="OAuth 2 client secret.")
    timeout_s: float = Field(
        10.0, gt=0, le=300, description="Seconds after which a request has failed. Less than call_timeout_s."
    )
    connections: int = Field(16, ge=1, le=500, description="Most requests at a time.")
