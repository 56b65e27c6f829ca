"""Settings that all sandboxes have in common."""

from dataclasses import fields
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from contracts.envelope import Code, Instant
from contracts.faults import fault
from services.departments.sandbox.behaviour import Behaviour, Mistake
from services.runtime.clock import ClockName
from services.runtime.security.encryption import DatabaseAddress

Share = Annotated[float, Field(ge=0, le=1)]
Days = Annotated[float, Field(gt=0, le=3650)]


class SandboxSettings(BaseSettings):
    """How a sandbox works. Prefix ``ONEDOOR_SANDBOX_``: each sandbox is a process with an environment of its own."""

    model_config = SettingsConfigDict(
        env_prefix="ONEDOOR_SANDBOX_", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    database: DatabaseAddress = Field(description="Database of the ledger: postgresql+asyncpg://user@host/name.")
    clock: ClockName = Field("system", description="'system', or the path of a clock file that can be set and sped up.")
    mean_days: Days = Field(3.0, description="Office days until a decision, on average.")
    item_days: dict[str, Days] = Field({}, description="The same for single items: a JSON object by item code.")
    spread: Share = Field(0.3, description="Standard deviation of that time, as a share of the mean.")
    late_share: Share = Field(0.0, description="Share of cases decided only after late_days.")
    late_days: Days = Field(60.0, description="Office days the late cases take.")
    refused_share: Share = Field(0.0, description="Share of cases refused.")
    mistake_share: Share = Field(0.0, description="Share of cases with one of the mistakes.")
    mistakes: tuple[Mistake, ...] = Field(
        tuple(Mistake), description="The mistakes it makes, as a JSON list: " + ", ".join(Mistake) + "."
    )
    at_once: bool = Field(False, description="Decide on receipt: the decision is in the answer to the application.")
    rejected_items: tuple[Code, ...] = Field((), description="Items whose applications it rejects, as a JSON list.")
    seed: str = Field("sandbox", description="Seed of all random choices.")
    away_from: Instant | None = Field(None, description="From this moment of the clock on the system does not answer.")
    away_until: Instant | None = Field(None, description="Until this moment; without it, to the end.")
    poll_s: float = Field(0.05, gt=0, le=60, description="Seconds between two polls for new applications.")

    @model_validator(mode="after")
    def _check_combinations(self) -> Self:
        if self.away_until is not None and (self.away_from is None or self.away_until <= self.away_from):
            raise fault("away_until must be after away_from", "away_until 须晚于 away_from")
        return self

    def behaviour(self) -> Behaviour:
        return Behaviour(**{field.name: getattr(self, field.name) for field in fields(Behaviour)})
