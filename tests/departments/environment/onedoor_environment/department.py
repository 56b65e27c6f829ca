"""The environment department, declared."""

from services.departments.sdk.declaration import Department, Environment, LocalSite, Sandbox, sandbox_ledger

_PORT = "sandbox-environment"
_KEY = "environment-key"


def _environment(site: LocalSite) -> Environment:
    return {
        "ONEDOOR_ENVIRONMENT_URL": f"http://{site.host}:{site.port(_PORT)}",
        "ONEDOOR_ENVIRONMENT_KEY": site.secret(_KEY),
    }


def _sandbox_environment(site: LocalSite) -> Environment:
    return {"ONEDOOR_SANDBOX_PORT": str(site.port(_PORT)), "ONEDOOR_SANDBOX_KEY": site.secret(_KEY)}


DEPARTMENT = Department(
    system="environment",
    name_zh="生态环境局",
    name_en="Environment",
    adapter="onedoor_environment.adapter:EnvironmentAdapter",
    settings="onedoor_environment.settings:EnvironmentSettings",
    environment=_environment,
    sandbox=Sandbox(
        settings="onedoor_environment.sandbox:EnvironmentSandboxSettings",
        running="onedoor_environment.sandbox:running",
        environment=_sandbox_environment,
    ),
    ledger=sandbox_ledger("environment"),
)
