"""The tax department, declared."""

from services.departments.sdk.declaration import Department, Environment, LocalSite, Sandbox, sandbox_ledger

_SANDBOX = "sandbox-tax"
_CREDENTIALS = "tax-client-secret"


def _environment(site: LocalSite) -> Environment:
    return {
        "ONEDOOR_TAX_URL": f"http://{site.host}:{site.port(_SANDBOX)}",
        "ONEDOOR_TAX_CLIENT_SECRET": site.secret(_CREDENTIALS),
    }


def _sandbox_environment(site: LocalSite) -> Environment:
    return {
        "ONEDOOR_SANDBOX_PORT": str(site.port(_SANDBOX)),
        "ONEDOOR_SANDBOX_CLIENT_SECRET": site.secret(_CREDENTIALS),
    }


DEPARTMENT = Department(
    system="tax",
    name_zh="税务局",
    name_en="Tax",
    adapter="services.departments.tax.adapter:TaxAdapter",
    settings="services.departments.tax.settings:TaxSettings",
    environment=_environment,
    sandbox=Sandbox(
        settings="services.departments.tax.sandbox:TaxSandboxSettings",
        running="services.departments.tax.sandbox:running",
        environment=_sandbox_environment,
    ),
    ledger=sandbox_ledger("tax"),
)
