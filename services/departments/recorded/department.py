"""The recorded department, declared. Only `onedoor replay` runs it."""

from services.departments.sdk.declaration import Department, Environment, Ledger, LocalSite

LEDGER = Ledger(
    database="recorded",
    query="""
        SELECT task_id, reference AS number, 'approved' AS outcome, delivered_at AS received_at, decided_at
        FROM recorded WHERE task_id IS NOT NULL
    """,
)


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
