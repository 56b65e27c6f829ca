"""Settings of monitor alone. Prefix ``ONEDOOR_``."""

from base64 import b64decode
from binascii import Error
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, SecretStr, Tag
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.runtime.settings import is_loopback

SECRET_PREFIX = "whsec_"  # noqa: S105 - what a secret begins with
"""What the secret of a web hook begins with (Standard Webhooks)."""


def _names_a_service(url: SecretStr) -> SecretStr:
    if "://" not in url.get_secret_value():
        raise ValueError("is no address of apprise, such as mailtos://user:password@smtp.example.com?to={address}")
    return url


def _is_safe(url: str) -> str:
    parts = urlsplit(url)
    if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname))):
        raise ValueError("a web hook leads to an https address, or to an http address of this machine")
    return url


def _is_a_key(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    try:
        key = b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except Error:
        key = b""
    if not text.startswith(SECRET_PREFIX) or not 24 <= len(key) <= 64:
        raise ValueError(f"the secret of a web hook is {SECRET_PREFIX} and 24 to 64 bytes in base64")
    return secret


class _Channel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class HookSettings(_Channel):
    """A signed web hook. ``{address}`` in its address stands for a person's."""

    hook: Annotated[str, AfterValidator(_is_safe)]
    secret: Annotated[SecretStr, AfterValidator(_is_a_key)]


class FileSettings(_Channel):
    """A file that gets a line of JSON with every digest."""

    file: Path


def _kind(value: Any) -> str:
    if isinstance(value, SecretStr | str):
        return "apprise"
    return "file" if isinstance(value, FileSettings) or (isinstance(value, dict) and "file" in value) else "hook"


ChannelSettings = Annotated[
    Annotated[SecretStr, AfterValidator(_names_a_service), Tag("apprise")]
    | Annotated[HookSettings, Tag("hook")]
    | Annotated[FileSettings, Tag("file")],
    Discriminator(_kind),
]
"""Where a channel leads: an address of apprise, a web hook, or a file."""


class MonitorSettings(BaseSettings):
    """What monitor needs to know besides what every service does."""

    model_config = SettingsConfigDict(env_prefix="ONEDOOR_", extra="ignore", frozen=True)

    channels: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")], ChannelSettings] = Field(
        {}, description="By which channels people are told, and where each leads; kept secret. See telling.md."
    )
    digest_quiet_s: float = Field(
        30, ge=0, le=3600, description="Seconds after the last news from which a person's digest is sent."
    )
    digest_longest_s: float = Field(
        300, ge=0, le=3600, description="Seconds after the first news from which it is sent, whatever else comes."
    )
