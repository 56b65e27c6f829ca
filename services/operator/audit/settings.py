"""Settings of ``onedoor audit``: the ledgers it may read, and settings of the services that it needs.

The prefix is ``ONEDOOR_``.
"""

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.runtime.clock import ClockName
from services.runtime.settings import System, Systems


class AuditSettings(BaseSettings):
    """Settings of the command. Those that services have too must have the same values here."""

    model_config = SettingsConfigDict(env_prefix="ONEDOOR_", extra="ignore", frozen=True, hide_input_in_errors=True)

    systems: Systems = Field(
        (),
        description="The department systems of the installation, comma separated. "
        "Not needed with the folder of an 'onedoor up'.",
    )
    clock: ClockName = Field("system", description="'system', or the path of the clock file that the services read.")
    closed_retention_days: int = Field(90, ge=2, description="As the services have it.")
    outbox_retention_days: int = Field(30, ge=1, description="As the services have it.")
    audit_ledgers: dict[System, SecretStr] = Field(
        {},
        description="Ledgers of departments: for each system the address of a PostgreSQL database that may be read.",
    )
    audit_queries: dict[System, str] = Field(
        {},
        description="For each system the query that reads its ledger as task_id, number, outcome ('approved' or "
        "'refused'), received_at and decided_at; without it, as the department's package declares.",
    )
