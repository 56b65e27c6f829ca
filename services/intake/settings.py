"""Settings that only intake has. Prefix ``ONEDOOR_``."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.intake.catalogue.load import load_catalogue
from services.runtime.files.encoding import InvalidFile


def _readable(file: Path) -> Path:
    try:
        load_catalogue(file)
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    except InvalidFile as error:
        raise ValueError(f"is no valid catalogue:\n{error}") from None
    return file


class IntakeSettings(BaseSettings):
    """Settings of intake beside those of every service."""

    model_config = SettingsConfigDict(env_prefix="ONEDOOR_", extra="ignore", frozen=True, hide_input_in_errors=True)

    catalogue: Annotated[Path, AfterValidator(_readable)] | None = Field(
        None, description="The catalogue in use, a YAML file; without it, the sample that comes with onedoor."
    )
