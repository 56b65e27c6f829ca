"""Settings of commands that act under a login. The prefix is ``ONEDOOR_``."""

from typing import Any

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.runtime.settings import Settings


def _default(name: str) -> Any:
    return Settings.model_fields[name].default


class LoginSettings(BaseSettings):
    """How a command knows who gives it. Those that services have too must have the same values here."""

    model_config = SettingsConfigDict(env_prefix="ONEDOOR_", extra="ignore", frozen=True, hide_input_in_errors=True)

    token: SecretStr | None = Field(
        None, description="Access token of a program that runs commands; without it, that of 'onedoor login'."
    )
    audience: str = Field(_default("audience"), description="As the services have it.")
    subject_claim: str = Field(_default("subject_claim"), description="As the services have it.")
