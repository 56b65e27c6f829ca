"""Settings of the land adapter. Prefix ``ONEDOOR_LAND_``."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.departments.sdk.settings import AdapterSettings


class LandSettings(AdapterSettings):
    """Settings of the adapter."""

    model_config = SettingsConfigDict(env_prefix="ONEDOOR_LAND_")

    call_limits = (("timeout_s", "wait_s"), ("timeout_s", "file_timeout_s"))

    host: str = Field("127.0.0.1", min_length=1, description="Name or address of the SFTP server.")
    port: int = Field(22, ge=1, le=65535, description="Port of the SFTP server.")
    user: str = Field("onedoor", min_length=1, description="User name.")
    key: Path = Field(description="File with the platform's private key.")
    host_key: Path = Field(description="File with the server's public key. Any other server is refused.")
    timeout_s: float = Field(
        10.0,
        gt=0,
        le=300,
        description="Seconds to connect in, and to exchange one batch in. With wait_s, and with file_timeout_s, less "
        "than call_timeout_s.",
    )
    wait_s: float = Field(1.0, ge=0, le=60, description="Seconds to wait for the answer to a file just delivered.")
    settle_s: float = Field(
        0.0,
        ge=0,
        le=3600,
        description="For a department that writes its files in place: a file is read once its size and time have not "
        "changed for so many seconds. 0: files are written as .part and then renamed, and read at once.",
    )
    file_timeout_s: float = Field(
        10.0,
        gt=0,
        le=300,
        description="Seconds to read one file in.",
    )
    file_mb: int = Field(16, ge=1, le=1024, description="Largest file that is read, in megabytes.")
    file_lines: int = Field(100_000, ge=1, le=10_000_000, description="Most lines of a file that is read.")
    listed_files: int = Field(10_000, ge=1, le=1_000_000, description="Most new files that one poll considers.")

    @property
    def file_bytes(self) -> int:
        """The size of the largest file that is read."""
        return self.file_mb * 1_000_000
