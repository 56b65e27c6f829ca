"""Settings of intake alone. Prefix ``ONEDOOR_``."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.intake.catalogue import CatalogueInvalid, load


def _readable(file: Path) -> Path:
    try:
        load(file)
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    except CatalogueInvalid as error:
        raise ValueError(f"is no catalogue that can be used:\n{error}") from None
    return file


class IntakeSettings(BaseSettings):
    """What intake needs to know besides what every service does."""

    model_config = SettingsConfigDict(env_prefix="ONEDOOR_", extra="ignore", frozen=True)

    catalogue: Annotated[Path, AfterValidator(_readable)] | None = Field(
        None, description="The catalogue in use, a YAML file; without it, the sample that comes with onedoor."
    )
