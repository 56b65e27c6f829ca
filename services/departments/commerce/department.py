"""The commerce department, declared. Its exchange tables and its ledger are in one local database."""

from services.departments.sdk.declaration import Department, Environment, LocalSite, Sandbox, sandbox_ledger

_LEDGER = sandbox_ledger("commerce")


def _environment(site: LocalSite) -> Environment:
    return {"ONEDOOR_COMMERCE_EXCHANGE": site.database_url(_LEDGER.database)}


def _sandbox_environment(site: LocalSite) -> Environment:
    return {"ONEDOOR_SANDBOX_EXCHANGE": site.database_url(_LEDGER.database)}


DEPARTMENT = Department(
    system="commerce",
    name_zh="市场监管局",
    name_en="Commerce",
    adapter="services.departments.commerce.adapter:CommerceAdapter",
    settings="services.departments.commerce.settings:CommerceSettings",
    environment=_environment,
    sandbox=Sandbox(
        settings="services.departments.commerce.sandbox:CommerceSandboxSettings",
        running="services.departments.commerce.sandbox:running",
        environment=_sandbox_environment,
    ),
    ledger=_LEDGER,
)
