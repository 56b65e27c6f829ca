"""The land department, declared."""

from services.departments.sdk.declaration import Department, Environment, LocalSite, Sandbox, sandbox_ledger

_SANDBOX = "sandbox-land"
_CLIENT_KEY = "land-key"
_HOST_KEY = "sandbox-land/host_key"
"""In the sandbox's own folder, where it looks for its key."""


def _environment(site: LocalSite) -> Environment:
    return {
        "ONEDOOR_LAND_HOST": site.host,
        "ONEDOOR_LAND_PORT": str(site.port(_SANDBOX)),
        "ONEDOOR_LAND_KEY": str(site.ssh_key(_CLIENT_KEY)),
        "ONEDOOR_LAND_HOST_KEY": f"{site.ssh_key(_HOST_KEY)}.pub",
    }


def _sandbox_environment(site: LocalSite) -> Environment:
    return {
        "ONEDOOR_SANDBOX_PORT": str(site.port(_SANDBOX)),
        "ONEDOOR_SANDBOX_AUTHORIZED_KEY": f"{site.ssh_key(_CLIENT_KEY)}.pub",
        "ONEDOOR_SANDBOX_FOLDER": str(site.folder(_SANDBOX)),
    }


DEPARTMENT = Department(
    system="land",
    name_zh="自然资源局",
    name_en="Land",
    adapter="services.departments.land.adapter:LandAdapter",
    settings="services.departments.land.settings:LandSettings",
    environment=_environment,
    sandbox=Sandbox(
        settings="services.departments.land.sandbox:LandSandboxSettings",
        running="services.departments.land.sandbox:running",
        environment=_sandbox_environment,
    ),
    ledger=sandbox_ledger("land"),
)
