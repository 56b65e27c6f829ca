"""Settings of the land adapter. Prefix ``ONEDOOR_LAND_``."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class LandSettings(BaseSettings):
    """Settings of the adapter."""

    model_config = SettingsConfigDict(env_prefix="ONEDOOR_LAND_", extra="ignore", frozen=True)

    host: str = Field("127.0.0.1", min_length=1, description="Name or address of the SFTP server.")
    port: int = Field(22, ge=1, le=65535, description="Port of the SFTP server.")
    user: str = Field("onedoor", min_length=1, description="User name.")
    key: Path = Field(description="File with the platform's private key.")
    host_key: Path = Field(description="File with the server's public key. Any other server is refused.")
    timeout_s: float = Field(10.0, gt=0, le=300, description="Seconds to connect in, and to exchange one batch in.")
    wait_s: float = Field(1.0, ge=0, le=60, description="Seconds to wait for the answer to a file just delivered.")
