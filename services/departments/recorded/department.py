"""The recorded department, declared. Only `onedoor replay` runs it."""

from services.departments.sdk.declaration import Department, Environment, Ledger, LocalSite

LEDGER = Ledger(database="recorded", query="services.departments.recorded.store:AUDITED")


def _environment(site: LocalSite) -> Environment:
    return {"ONEDOOR_RECORDED_LEDGER": site.database_url(LEDGER.database)}


DEPARTMENT = Department(
    system="recorded",
    name_zh="历史记录",
    name_en="Recorded",
    adapter="services.departments.recorded.adapter:RecordedAdapter",
    settings="services.departments.recorded.settings:RecordedSettings",
    environment=_environment,
    ledger=LEDGER,
    default=False,
)
