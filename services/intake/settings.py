"""Settings that only intake has. Prefix ``ONEDOOR_``."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from contracts.faults import fault
from services.files import file_fault
from services.intake.catalogue.load import load_catalogue
from services.runtime.files.encoding import InvalidFile


def _readable(file: Path) -> Path:
    try:
        load_catalogue(file)
    except (OSError, InvalidFile) as error:
        faults = file_fault(error) if isinstance(error, OSError) else str(error)
        raise fault("is no valid catalogue", f"不是有效的事项目录:\n{faults}") from None
    return file


class IntakeSettings(BaseSettings):
    """Settings of intake beside those of every service."""

    model_config = SettingsConfigDict(env_prefix="ONEDOOR_", extra="ignore", frozen=True, hide_input_in_errors=True)

    catalogue: Annotated[Path, AfterValidator(_readable)] | None = Field(
        None, description="The catalogue in use, a YAML file; without it, the sample that comes with onedoor."
    )
    applications_a_minute: int = Field(
        600,
        ge=0,
        description="Applications that one client may send at once, and then each minute. A client is an IPv4 address, "
        "or an IPv6 network of 64 bits: often a whole office. 0: any number.",
    )
    tracking_a_minute: int = Field(
        1200, ge=0, description="Requests for the state of a case that one client may send, counted in the same way."
    )
