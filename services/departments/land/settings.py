"""Settings of the land adapter (prefix ``ONEDOOR_LAND_``) and of its sandbox."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.departments.sandbox.simulator import SimulatorSettings


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


class LandSandboxSettings(SimulatorSettings):
    """Settings of the sandbox."""

    host: str = Field("127.0.0.1", description="Address the SFTP server listens on.")
    port: int = Field(2222, ge=0, le=65535, description="Port of the SFTP server; 0 for any that is free.")
    user: str = Field("onedoor", min_length=1, description="The one user that it accepts.")
    authorized_key: Path = Field(description="File with that user's public key.")
    folder: Path = Field(description="Folder of its own, with the host key; the user sees files/ in it.")
